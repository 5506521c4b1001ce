"""From token ids to text: whole answers, pieces of a streamed one, stop strings. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cornucopia.tokens.reasoning import CLOSE, OPEN

HALF = "\ufffd"  # what a decoder writes for bytes that are not (yet) a character


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Text of `tokens` without special tokens, spaces left as the model wrote them."""
    return tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)


def first_stop(text: str, stop: Sequence[str]) -> int:
    """Where the earliest stop string begins in `text`, or -1."""
    found = [text.find(word) for word in stop if word]
    return min((at for at in found if at >= 0), default=-1)


class StopFinder:
    """Tells whether an answer has reached a stop string, without decoding the whole answer at every token."""

    def __init__(self, tokenizer: Any, stop: Sequence[str]) -> None:
        self.stop = [word for word in stop if word]
        self._tokenizer = tokenizer
        self._last = {word[-1] for word in self.stop}
        self._may_end: dict[int, bool] = {}

    def reached(self, tokens: Sequence[int]) -> bool:
        """Whether the text of `tokens` holds a stop string (asked after each token)."""
        return (
            bool(self.stop)
            and self._could_end(tokens[-1])
            and first_stop(decode(self._tokenizer, tokens), self.stop) >= 0
        )

    def _could_end(self, token: int) -> bool:
        # A stop string can only be completed by a token that holds its last character, or a byte of it.
        if token not in self._may_end:
            piece = self._tokenizer.decode([token], clean_up_tokenization_spaces=False)
            blank = not piece and any(character.isspace() for character in self._last)
            self._may_end[token] = blank or HALF in piece or any(character in piece for character in self._last)
        return self._may_end[token]


class TextStream:
    """Turns tokens into pieces of text that may be shown at once.

    A character whose bytes are spread over several tokens is shown when it is whole; text that may be the beginning
    of a stop string is held back. The pieces joined are the same text that decoding all tokens at once gives.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self.stopped = False
        self._tokenizer, self._stop = tokenizer, [word for word in stop if word]
        self._tokens: list[int] = []
        self._from = self._read = 0  # tokens[_from:_read] give context to the decoder and have been read
        self._held = ""

    def feed(self, token: int) -> str:
        """Text that one more token makes ready."""
        self._tokens.append(token)
        known = decode(self._tokenizer, self._tokens[self._from : self._read])
        text = decode(self._tokenizer, self._tokens[self._from :])
        if text.endswith(HALF) or len(text) <= len(known):
            return ""
        self._from, self._read = self._read, len(self._tokens)
        return self._show(text[len(known) :])

    def end(self) -> str:
        """What is still held back when the answer is over; the bytes of half a character are left out."""
        if self.stopped:
            return ""
        known = decode(self._tokenizer, self._tokens[self._from : self._read])
        rest = decode(self._tokenizer, self._tokens[self._from :])[len(known) :].rstrip(HALF)
        shown = self._show(rest)
        held, self._held = self._held, ""
        return shown + held

    def _show(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._held + text
        at = first_stop(text, self._stop)
        if at >= 0:
            self.stopped, self._held = True, ""
            return text[:at]
        keep = max((_overlap(text, word) for word in self._stop), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


class Thought(str):
    """A piece of what is thought before the answer, told apart from the answer's own."""

    __slots__ = ()


def mark_thoughts(pieces: Iterator[str], *, opened: bool = False) -> Iterator[str]:
    """The pieces of a stream, those of a `<think>` block before the answer as Thought, without its marks.

    Args:
        pieces: text as it is made; a Thought among it goes through as it is.
        opened: whether the prompt had opened the block.
    """
    held, state = "", "inside" if opened else "start"
    for piece in pieces:
        if isinstance(piece, Thought):
            yield piece
            continue
        held += piece
        if state == "start":
            text = held.lstrip()
            if text.startswith(OPEN):
                state, held = "inside", text[len(OPEN) :]
            elif not OPEN.startswith(text):
                state = "answer"
        if state == "inside":
            thought, mark, rest = held.partition(CLOSE)
            ready = thought if mark else held[: len(held) - _overlap(held, CLOSE)]
            if ready:
                yield Thought(ready)
            held, state = (rest, "behind") if mark else (held[len(ready) :], state)
        if state == "behind":
            held = held.lstrip()
            state = "answer" if held else state
        if state == "answer" and held:
            yield held
            held = ""
    if held:
        yield Thought(held) if state == "inside" else held


def _overlap(text: str, word: str) -> int:
    """Length of the longest end of `text` that begins `word`."""
    return next((n for n in range(min(len(text), len(word) - 1), 0, -1) if text.endswith(word[:n])), 0)
