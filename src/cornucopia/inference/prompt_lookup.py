"""Guessing a row's next tokens from its prompt and what it has written: where the last few stood before, what followed.

The guesses are computed in one step with the next token and kept only as far as the row would have chosen them, so an
answer is what it is without them (Saxena, "Prompt Lookup Decoding", 2023; sampled rows draw once for each token, as
they do alone). A summary or an extract quotes its material; free text seldom does, and then nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Sequence

NGRAM = 3  # tokens that must have stood before in the same order
LENGTHS = (16, 8, 4, 2)  # of a guess
# A step of one token costs ALONE, one of T tokens T + FIXED: measured on CPU in float32 with the built-in model, where
# a step of two costs half as much again as one of one, for a matrix is read otherwise than a vector.
ALONE, FIXED = 8, 13
START, QUICK = 0.5, 8  # hit rate before anything is known; the last so many places decide most of it


class PromptLookup:
    """The tokens of one row, and how often what followed the same tokens earlier came again.

    That is seen at every token, guessed or not, so a row in which guessing does not pay costs nothing but a look-up.

    Args:
        prompt: token ids.
    """

    def __init__(self, prompt: Sequence[int]) -> None:
        self._known, self._written, self._next = list(prompt), 0, 0  # `_next`: place of what should come next, or 0
        self._after: dict[tuple[int, ...], int] | None = None  # the place behind each NGRAM's last occurrence
        self._rate = START
        self.guessed = self.kept = 0  # tokens

    def guess(self, tokens: Sequence[int], most: int, rows: int, others: int) -> list[int]:
        """Tokens that are worth computing with the next one; often none.

        Args:
            tokens: written so far.
            most: so many at most.
            rows: that get a token in this step, this one among them.
            others: tokens that this step computes in any case.
        """
        self._read(tokens)
        count = min(_best(self._rate, rows, others), most)
        if not self._next or count < 1:
            return []
        source = self._known[self._next : self._next + count]
        while len(source) < count:  # what repeats itself goes on in the guess
            source += source[: count - len(source)]
        return source

    def _read(self, tokens: Sequence[int]) -> None:
        if self._after is None:
            self._after = {}
            for end in range(NGRAM, len(self._known)):
                self._after[tuple(self._known[end - NGRAM : end])] = end
            self._next = self._follow()
        for token in tokens[self._written :]:
            hit = self._next and self._known[self._next] == token
            if self._next:
                self._rate += (bool(hit) - self._rate) / QUICK
            self._known.append(token)
            found = self._follow()
            self._next = self._next + 1 if hit else found
        self._written = len(tokens)

    def _follow(self) -> int:
        """Where what followed the last tokens stood before, 0 for nowhere; they count from then on."""
        assert self._after is not None
        last = tuple(self._known[-NGRAM:])
        found = self._after.get(last, 0)
        if len(last) == NGRAM:
            self._after[last] = len(self._known)
        return found


def _best(rate: float, rows: int, others: int) -> int:
    """The length of guess that gains most at a hit rate; 0 where none pays."""
    whole = others + FIXED if others > 1 else ALONE
    gains = {0: 0.0}
    for length in LENGTHS:
        expected = length if rate >= 1 else rate * (1 - rate**length) / (1 - rate)
        gains[length] = expected - rows * (others + length + FIXED - whole) / whole
    return max(gains, key=lambda length: gains[length])
