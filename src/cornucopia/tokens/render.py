"""Rendering: a Record as token ids and labels. The loss mask is decided here, on the whole text, by character span.

Shapes: an Example's input_ids and labels are lists of the same length T; a label is the token's id, or a mark below 0
where the token is not trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Passage, Record
from cornucopia.tokens.control import guarded
from cornucopia.tokens.segments import Segment, Template

IGNORE = -100
NEXT = -101  # at the first token of a sequence that follows another within one example: the rejected answer's
GOOD, BAD = -102, -103  # at the first token of an answer that was found good or bad
_READ, _TRAINED, _NEVER = range(3)  # what becomes of a character: _NEVER is not trained with the inputs either
TOGETHER = 1000  # records tokenised in one call


@dataclass(frozen=True)
class Example:
    """One training example.

    Args:
        input_ids: T token ids.
        labels: T labels; IGNORE where the token is not trained, and at a sequence's first token perhaps another mark.
        truncated: "" | "prompt" (the question or material was shortened) | "answer" (the answer was cut; no EOS).
        origin: the record's file:line.
    """

    input_ids: list[int]
    labels: list[int]
    truncated: str = ""
    origin: str = ""

    @property
    def supervised(self) -> int:
        """Number of trained tokens."""
        return sum(label >= 0 for label in self.labels)

    def sequences(self) -> list[Example]:
        """The sequences of the example, one after another: one, or of a pair the chosen and the rejected."""
        starts = [0, *(place for place, label in enumerate(self.labels) if label == NEXT)]
        ends = [*starts[1:], len(self.labels)]
        return [Example(self.input_ids[a:b], self.labels[a:b]) for a, b in zip(starts, ends, strict=True)]


def starts_with_bos(tokenizer: Any) -> bool:
    """Whether the model was trained with a beginning-of-sequence token: what its tokenizer does by itself."""
    bos = tokenizer.bos_token_id
    return bos is not None and tokenizer("金").input_ids[:1] == [bos]


def encode(
    record: Record,
    template: Template,
    tokenizer: Any,
    cutoff_len: int,
    *,
    train_on_inputs: bool = False,
    train_on_reasoning: bool = True,
) -> Example:
    """Tokenise one conversation with its loss mask.

    A token is trained when it begins inside an answer. What is longer than `cutoff_len` loses its oldest turns, the
    end of its material, then of its question; only an answer that cannot fit by itself is cut, and says so. Its
    question then keeps up to half the room: nothing is won by cutting both to pieces.

    Args:
        record: must end with the assistant's turn.
        template: how it becomes text.
        tokenizer: a fast Hugging Face tokenizer.
        cutoff_len: most tokens, BOS and EOS included.
        train_on_inputs: train the prompt's tokens too.
        train_on_reasoning: train what is thought before the last answer; else it is read like the prompt.

    Raises:
        DataError: if the record does not end with an answer, or nothing of the answer fits.
    """
    _check(record)
    once = partial(
        _encode_once,
        template=template,
        tokenizer=tokenizer,
        train_on_inputs=train_on_inputs,
        train_on_reasoning=train_on_reasoning,
    )
    example = once(record)
    if len(example.input_ids) <= cutoff_len:
        return example
    for shorter in _shortened(record, template, tokenizer, cutoff_len):
        example = once(shorter)
        if len(example.input_ids) <= cutoff_len and example.supervised:
            return replace(example, truncated="prompt")
    example = once(_short_prompt(record, template, tokenizer, cutoff_len // 2))
    cut = Example(example.input_ids[:cutoff_len], example.labels[:cutoff_len], "answer", record.origin)
    if cut.supervised == 0:
        raise DataError(
            f"模板和问题已占满 {cutoff_len} 个词元，放不下回答", where=record.origin, fix="调大 --cutoff-len"
        )
    return cut


def encode_many(
    records: Sequence[Record], template: Template, tokenizer: Any, cutoff_len: int, *, train_on_inputs: bool = False
) -> Iterator[Example | DataError]:
    """For each record what `encode` gives, or the error it raises, tokenised together on all cores."""
    for start in range(0, len(records), TOGETHER):
        part = records[start : start + TOGETHER]
        texts = [_tried(record, template, tokenizer) for record in part]
        whole = _tokens([text for text in texts if isinstance(text, _Text)], tokenizer)
        for record, text in zip(part, texts, strict=True):
            if isinstance(text, DataError):
                yield text
                continue
            example = _example(record, *next(whole), train_on_inputs)
            if len(example.input_ids) <= cutoff_len and example.supervised:
                yield example
                continue
            try:
                yield encode(record, template, tokenizer, cutoff_len, train_on_inputs=train_on_inputs)
            except DataError as error:
                yield error


def _check(record: Record) -> None:
    """
    Raises:
        DataError: if the record has no answer that may be learnt.
    """
    if not record.answer:
        raise DataError("这条记录没有回答，不能用来训练", where=record.origin)
    if all(message.learnt is False for message in record.messages if message.role == "assistant"):
        raise DataError("每一轮回答都标了不学", where=record.origin)


@dataclass(frozen=True)
class _Text:
    """A rendered conversation.

    Args:
        pieces: it, parted where no token may cross.
        kinds: of each of its characters: _READ, _TRAINED or _NEVER.
    """

    pieces: list[str]
    kinds: list[int]


def _tried(record: Record, template: Template, tokenizer: Any) -> _Text | DataError:
    try:
        _check(record)
        return _written(record, template, tokenizer)
    except DataError as error:
        return error


def encode_prompt(record: Record, template: Template, tokenizer: Any, max_length: int | None = None) -> list[int]:
    """Token ids of a conversation that waits for an answer (a final answer, if there is one, is left out).

    Raises:
        DataError: if it does not fit `max_length` even with its material and question shortened.
    """
    record = record.prompt()
    ids = _token_ids(record, template, tokenizer)
    if max_length is None or len(ids) <= max_length:
        return ids
    ids = _token_ids(_short_prompt(record, template, tokenizer, max_length), template, tokenizer)
    if len(ids) <= max_length:
        return ids
    raise DataError(
        f"问题有 {len(ids)} 个词元，超过模型能容的 {max_length} 个",
        where=record.origin,
        fix="缩短问题或换上下文更长的模型",
    )


def encode_text(text: str, tokenizer: Any, *, complete: bool = True) -> list[int]:
    """Token ids of a plain document, with BOS where the family has one, and EOS unless it breaks off.

    Control names within it stay text.
    """
    guard, mark = guarded(Record(text=text), tokenizer)
    pieces = tokenizer(guard.text.split(mark) if mark else [text], add_special_tokens=False).input_ids
    ids = [token for piece in pieces for token in piece]
    bos = [tokenizer.bos_token_id] if starts_with_bos(tokenizer) else []
    ends = complete and tokenizer.eos_token_id is not None
    return [*bos, *ids, *([tokenizer.eos_token_id] if ends else [])]


def encode_document(record: Record, tokenizer: Any, cutoff_len: int) -> list[Example]:
    """A record's text in pieces of at most `cutoff_len` tokens; every token but a piece's first is trained.

    A conversation is read as its turns, one after another.
    """
    text = record.text or "\n".join(part for m, material in record.turns() for part in (m.content, material) if part)
    ids = encode_text(text, tokenizer, complete=record.complete)
    pieces = [ids[start : start + cutoff_len] for start in range(0, len(ids), cutoff_len)]
    return [Example(piece, [IGNORE, *piece[1:]], "", record.origin) for piece in pieces if len(piece) > 1]


def _encode_once(
    record: Record, template: Template, tokenizer: Any, train_on_inputs: bool, train_on_reasoning: bool
) -> Example:
    text = _written(record, template, tokenizer, train_on_reasoning)
    example = _example(record, *next(_tokens([text], tokenizer)), train_on_inputs)
    if not example.supervised:
        raise DataError("这条里没有能学到的回答", where=record.origin, fix="换一个模板，或核对每轮学不学的标记")
    return example


def _written(record: Record, template: Template, tokenizer: Any, train_on_reasoning: bool = True) -> _Text:
    """The record as text, with what is trained of it."""
    record, mark = guarded(record, tokenizer)
    segments = template.segments(record, eos=tokenizer.eos_token or "")
    if record.answer and not record.complete:
        segments = _broken_off(segments, record.golden)
    kinds: list[int] = []
    for segment in segments:
        trained = segment.answer and (train_on_reasoning or not segment.thought)
        kind = _NEVER if segment.answer and not segment.learnt else _TRAINED if trained else _READ
        kinds += [kind] * (len(segment.text) - (segment.text.count(mark) if mark else 0))
    whole = "".join(segment.text for segment in segments)
    return _Text(whole.split(mark) if mark else [whole], kinds)


def _example(record: Record, ids: list[int], kinds: list[int], train_on_inputs: bool) -> Example:
    trained = (_TRAINED, _READ) if train_on_inputs else (_TRAINED,)
    return Example(ids, [i if k in trained else IGNORE for i, k in zip(ids, kinds, strict=True)], "", record.origin)


def _broken_off(segments: Sequence[Segment], golden: str) -> list[Segment]:
    """The conversation up to the last word of its last answer: no end marker and nothing after it."""
    last = max(index for index, segment in enumerate(segments) if segment.answer)
    head, found, _ = segments[last].text.rpartition(golden)
    return [*segments[:last], replace(segments[last], text=head + found)]


def _token_ids(record: Record, template: Template, tokenizer: Any) -> list[int]:
    return next(_tokens([_written(record, template, tokenizer)], tokenizer))[0]


def _short_prompt(record: Record, template: Template, tokenizer: Any, limit: int) -> Record:
    """The record with its prompt shortened to `limit` tokens, or as far as it goes; its answer is untouched."""
    prompt = record.prompt()
    answer = record.messages[len(prompt.messages) :]
    if len(_token_ids(prompt, template, tokenizer)) > limit:
        for prompt in _shortened(prompt, template, tokenizer, limit):  # noqa: B020 - the last one counts
            if len(_token_ids(prompt, template, tokenizer)) <= limit:
                break
    return replace(prompt, messages=(*prompt.messages, *answer))


def _tokens(texts: Sequence[_Text], tokenizer: Any) -> Iterator[tuple[list[int], list[int]]]:
    """Of each text the ids, BOS in front where there is one, and their kinds: each that of its first character."""
    if not texts:
        return
    pieces = [piece for text in texts for piece in text.pieces]
    encoding = tokenizer(pieces, add_special_tokens=False, return_offsets_mapping=True)
    bos = tokenizer.bos_token_id if starts_with_bos(tokenizer) else None
    rows = zip(pieces, encoding.input_ids, encoding.offset_mapping, strict=True)
    for text in texts:
        ids, kinds, begin = list[int](), list[int](), 0
        for piece, own, offsets in islice(rows, len(text.pieces)):
            ids += own
            starts = (begin + start for start, _ in offsets)
            kinds += [text.kinds[start] if start < len(text.kinds) else _READ for start in starts]
            begin += len(piece)
        headed = bos is not None and ids[:1] != [bos]
        yield ([bos, *ids], [_READ, *kinds]) if headed else (ids, kinds)  # type: ignore[list-item]


def _shortened(record: Record, template: Template, tokenizer: Any, limit: int) -> Iterator[Record]:
    """The record with ever less text: without its oldest turns, then with less material, then less question."""
    current = record
    while (shorter := _without_oldest_turn(current)) is not None:
        current = shorter
        yield current
    for cut, least, full in ((_cut_material, 0, current.material), (_cut_question, 1, current.question)):
        low, high = min(least, len(full)), len(full)  # the longest beginning that fits, by bisection
        while low < high:
            middle = (low + high + 1) // 2
            fits = len(_token_ids(cut(current, middle), template, tokenizer)) <= limit
            low, high = (middle, high) if fits else (low, middle - 1)
        current = cut(current, low)
        yield current


def _without_oldest_turn(record: Record) -> Record | None:
    users = [index for index, message in enumerate(record.messages) if message.role == "user"]
    if len(users) < 2:
        return None
    return replace(record, messages=record.messages[: users[0]] + record.messages[users[1] :])


def _cut_material(record: Record, length: int) -> Record:
    return replace(record, passages=(Passage(record.material[:length]),) if length else ())


def _cut_question(record: Record, length: int) -> Record:
    messages = list(record.messages)
    index = max((i for i, message in enumerate(messages) if message.role == "user"), default=None)
    if index is not None:
        messages[index] = replace(messages[index], content=messages[index].content[:length])
    return replace(record, messages=tuple(messages))
