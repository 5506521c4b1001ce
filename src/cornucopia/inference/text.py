"""From token ids to text: whole answers, pieces of a streamed one, stop strings. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cornucopia.tokens.reasoning import CLOSE, OPEN
from cornucopia.tokens.tool_calls import ToolCallReader

HALF = "\ufffd"  # what a decoder writes for bytes that are not (yet) a character


def decode(tokenizer: Any, tokens: Sequence[int], keep: Sequence[str] = ()) -> str:
    """Text of `tokens` without special tokens but those of `keep`, spaces left as the model wrote them."""
    marks = {tokenizer.convert_tokens_to_ids(name): name for name in keep if name in tokenizer.all_special_tokens}
    if marks and any(token in marks for token in tokens):
        text, part = "", list[int]()
        for token in [*tokens]:
            if token in marks:
                text, part = text + decode(tokenizer, part) + marks[token], []
            else:
                part.append(token)
        return text + decode(tokenizer, part)
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
            piece = self._piece(token)
            self._may_end[token] = not piece or HALF in piece or any(character in piece for character in self._last)
        return self._may_end[token]

    def _piece(self, token: int) -> str:
        """What a token adds within a text (alone, many tokenizers drop the space it begins with); '' when unclear."""
        anchor = self._tokenizer("a", add_special_tokens=False).input_ids[-1:]
        before, after = decode(self._tokenizer, anchor), decode(self._tokenizer, [*anchor, token])
        return after[len(before) :] if after.startswith(before) else ""


class StopStream:
    """Holds back text that may be the beginning of a stop string, and ends before the first of them."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.stopped = False
        self._stop, self._held = [word for word in stop if word], ""

    def feed(self, text: str) -> str:
        """Text that one more piece makes ready."""
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

    def end(self) -> str:
        """What is still held back when the answer is over."""
        held, self._held = self._held, ""
        return held


class TextStream:
    """Turns tokens into pieces of text that may be shown at once.

    A character whose bytes are spread over several tokens is shown when it is whole; text that may be the beginning
    of a stop string is held back. The pieces joined are the same text that decoding all tokens at once gives.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = (), keep: Sequence[str] = ()) -> None:
        self._tokenizer, self._stops, self._keep = tokenizer, StopStream(stop), keep
        self._tokens: list[int] = []
        self._from = self._read = 0  # tokens[_from:_read] give context to the decoder and have been read

    @property
    def stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._stops.stopped

    def feed(self, token: int) -> str:
        """Text that one more token makes ready."""
        self._tokens.append(token)
        known = decode(self._tokenizer, self._tokens[self._from : self._read], self._keep)
        text = decode(self._tokenizer, self._tokens[self._from :], self._keep)
        if text.endswith(HALF) or len(text) <= len(known):
            return ""
        self._from, self._read = self._read, len(self._tokens)
        return self._stops.feed(text[len(known) :])

    def end(self) -> str:
        """What is still held back when the answer is over; the bytes of half a character are left out."""
        known = decode(self._tokenizer, self._tokens[self._from : self._read], self._keep)
        rest = decode(self._tokenizer, self._tokens[self._from :], self._keep)[len(known) :].rstrip(HALF)
        return self._stops.feed(rest) + self._stops.end()


class Thought(str):
    """A piece of what is thought before the answer, told apart from the answer's own."""

    __slots__ = ()


class ThoughtMarks:
    """The pieces of a stream, those of a `<think>` block before the answer as Thought, without its marks.

    Args:
        opened: whether the prompt had opened the block.
    """

    def __init__(self, *, opened: bool = False) -> None:
        self._held, self._state, self._stray = "", "inside" if opened else "start", not opened

    def feed(self, piece: str) -> Iterator[str]:
        """What one more piece makes ready; a Thought goes through as it is."""
        if isinstance(piece, Thought):
            yield piece
            return
        self._held += piece
        if self._state == "start":
            text = self._held.lstrip()
            if text.startswith(OPEN):
                self._state, self._held = "inside", text[len(OPEN) :]
            elif not OPEN.startswith(text):
                self._state = "answer"
        if self._state == "inside":
            yield from self._inside()
        if self._state == "behind":
            self._held = self._held.lstrip()
            self._state = "answer" if self._held else self._state
        if self._state == "answer" and self._held:
            yield from self._answer()

    def end(self) -> Iterator[str]:
        """What is still held back when the answer is over."""
        if self._held:
            yield Thought(self._held) if self._state == "inside" else self._held

    def _inside(self) -> Iterator[str]:
        self._stray = False
        thought, mark, rest = self._held.partition(CLOSE)
        ready = thought if mark else self._held[: len(self._held) - _overlap(self._held, CLOSE)]
        if ready:
            yield Thought(ready)
        if mark:
            self._held, self._state = rest, "behind"
        else:
            self._held = self._held[len(ready) :]

    def _answer(self) -> Iterator[str]:
        if self._stray and CLOSE in self._held:  # opened where nobody saw it; what was shown cannot be taken back
            self._held, self._stray = self._held.replace(CLOSE, "\n", 1), False
        keep = _overlap(self._held, CLOSE) if self._stray else 0
        if ready := self._held[: len(self._held) - keep]:
            yield ready
        self._held = self._held[len(self._held) - keep :]


def mark_thoughts(pieces: Iterator[str], *, opened: bool = False) -> Iterator[str]:
    """A whole stream through ThoughtMarks."""
    marks = ThoughtMarks(opened=opened)
    for piece in pieces:
        yield from marks.feed(piece)
    yield from marks.end()


class CallHold:
    """The pieces of a stream without the tool calls in them: text that may become one is held back until it is over.

    Args:
        reader: of the model's calls; None where it is offered no tools.
        tools: on offer.
    """

    def __init__(self, reader: ToolCallReader | None, tools: Sequence[Mapping[str, Any]] = ()) -> None:
        self._reader, self._tools, self._held = reader, tools, ""

    def feed(self, piece: str) -> Iterator[str]:
        """What one more piece makes ready; a Thought goes through as it is."""
        if self._reader is None or isinstance(piece, Thought):
            yield piece
            return
        self._held += piece
        ready = self._held[: self._reader.before_call(self._held)]
        if ready:
            yield ready
        self._held = self._held[len(ready) :]

    def end(self) -> Iterator[str]:
        """What is still held back and is no call."""
        if self._reader and (rest := self._reader.read(self._held, self._tools)[0]):
            yield rest


def hold_calls(
    pieces: Iterator[str], reader: ToolCallReader | None, tools: Sequence[Mapping[str, Any]] = ()
) -> Iterator[str]:
    """A whole stream through CallHold."""
    hold = CallHold(reader, tools)
    for piece in pieces:
        yield from hold.feed(piece)
    yield from hold.end()


def _overlap(text: str, word: str) -> int:
    """Length of the longest end of `text` that begins `word`."""
    return next((n for n in range(min(len(text), len(word) - 1), 0, -1) if text.endswith(word[:n])), 0)
