"""Rendering of answers that are compared: a chosen and a rejected answer to one prompt, or one marked good or bad.

Only the answer that is compared is trained; earlier answers of the conversation are read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.render import BAD, GOOD, IGNORE, NEXT, Example, encode
from cornucopia.tokens.segments import Template


def encode_pairs(record: Record, template: Template, tokenizer: Any, cutoff_len: int) -> list[Example]:
    """One example for each rejected answer: the chosen sequence, then the rejected one, the same prompt in both.

    Args:
        record: a conversation with `rejected`.
        template, tokenizer: as of `encode`.
        cutoff_len: most tokens of each sequence.

    Raises:
        DataError: no rejected answer, one that equals the chosen, or an answer of which nothing fits.
    """
    if not record.answer or not record.rejected:
        raise DataError("偏好训练要 chosen 和 rejected", where=record.origin)
    chosen, made = encode_compared(record, template, tokenizer, cutoff_len), []
    for turns in record.rejected:
        other = replace(record, messages=(*record.messages[:-1], *turns))
        if [(turn.content, turn.tool_calls, turn.reasoning) for turn in turns] == [_said(record.messages[-1])]:
            raise DataError("chosen 与 rejected 相同", where=record.origin, found=record.golden[:40])
        made.append(_joined(chosen, encode_compared(other, template, tokenizer, cutoff_len), cutoff_len, record.origin))
    return made


def encode_marked(record: Record, template: Template, tokenizer: Any, cutoff_len: int) -> list[Example]:
    """The conversation with its last answer trained, its first label GOOD or BAD; of a pair each answer so.

    Raises:
        DataError: neither label nor rejected answers, or an answer of which nothing fits.
    """
    if record.label is None and not record.rejected:
        raise DataError("没有 label（KTO 要标明回答是好是坏），也没有 chosen 和 rejected", where=record.origin)
    marked = [(record, GOOD if record.label is not False else BAD)]
    marked += [(replace(record, messages=(*record.messages[:-1], *turns)), BAD) for turns in record.rejected]
    examples = [(encode_compared(one, template, tokenizer, cutoff_len), mark) for one, mark in marked]
    return [replace(example, labels=[mark, *example.labels[1:]]) for example, mark in examples]


def encode_compared(record: Record, template: Template, tokenizer: Any, cutoff_len: int) -> Example:
    """The conversation with nothing but its last answer trained; turns after the last user's all belong to it.

    Args:
        record: must end with the assistant's turn, and begin with a user's.
        template, tokenizer, cutoff_len: as of `encode`.

    Raises:
        DataError: no question, no answer, or one of which nothing fits.
    """
    last = max((index for index, turn in enumerate(record.messages) if turn.role == "user"), default=-1)
    if last < 0:
        raise DataError("没有问题", where=record.origin)
    turns = [
        replace(turn, learnt=False) if turn.role == "assistant" and index < last else turn
        for index, turn in enumerate(record.messages)
    ]
    return encode(replace(record, messages=tuple(turns)), template, tokenizer, cutoff_len)


def prompt_length(example: Example) -> int:
    """Tokens before the first trained one."""
    return next((place for place, label in enumerate(example.labels) if label >= 0), len(example.labels))


def _said(turn: Message) -> tuple[Any, ...]:
    return turn.content, turn.tool_calls, turn.reasoning


def _joined(chosen: Example, rejected: Example, cutoff_len: int, origin: str) -> Example:
    """Both after the shorter of their prompts, where one was shortened more than the other."""
    lengths = [prompt_length(example) for example in (chosen, rejected)]
    short = min((chosen, rejected), key=prompt_length)
    prompt = short.input_ids[: min(lengths)]
    ids: list[int] = []
    labels: list[int] = []
    for example, length, mark in zip((chosen, rejected), lengths, (IGNORE, NEXT), strict=True):
        room = cutoff_len - len(prompt)
        ids += [*prompt, *example.input_ids[length:][:room]]
        labels += [mark, *[IGNORE] * (len(prompt) - 1), *example.labels[length:][:room]]
    cut = [example.truncated for example in (chosen, rejected)]
    return Example(ids, labels, "answer" if "answer" in cut else max(cut), origin)
