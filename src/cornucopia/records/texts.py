"""All texts of a record: read together, and changed one by one without touching what stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

from cornucopia.records.schema import Message, Passage, Record

Place = Literal["system", "user", "assistant", "tool", "reasoning", "rejected", "passage", "text"]
SEPARATOR = "\uffff"  # between texts that are looked at together: a noncharacter, of no text
Change = Callable[[str, Place], str]


def texts_of(record: Record) -> list[str]:
    """Every text that is not empty: what is said and thought, the material, the rejected answers, the document."""
    texts = [record.text] if record.text else []
    for message in record.messages:
        if message.content:
            texts.append(message.content)
        if message.reasoning:
            texts.append(message.reasoning)
    for passage in record.passages:
        texts.append(passage.text)
    for turns in record.rejected:
        for message in turns:
            texts.append(message.content)
            if message.reasoning:
                texts.append(message.reasoning)
    return texts


def placed_texts(record: Record) -> Iterator[tuple[str, Place]]:
    """The same with the place of each."""
    if record.text:
        yield record.text, "text"
    for message in record.messages:
        yield message.content, message.role
        yield message.reasoning, "reasoning"
    for passage in record.passages:
        yield passage.text, "passage"
    for turns in record.rejected:
        for message in turns:
            yield message.content, "rejected"
            yield message.reasoning, "reasoning"


def change_texts(record: Record, change: Change) -> Record:
    """The record with `change` applied to each text; the same object where nothing came out differently."""
    messages = tuple(_changed(message, change, message.role) for message in record.messages)
    passages = tuple(_changed_passage(passage, change) for passage in record.passages)
    rejected = tuple(tuple(_changed(message, change, "rejected") for message in turns) for turns in record.rejected)
    text = change(record.text, "text") if record.text else ""
    same = (
        all(map(_is, messages, record.messages))
        and all(map(_is, passages, record.passages))
        and all(all(map(_is, new, old)) for new, old in zip(rejected, record.rejected, strict=True))
        and text == record.text
    )
    return record if same else replace(record, messages=messages, passages=passages, rejected=rejected, text=text)


def _changed(message: Message, change: Change, place: Place) -> Message:
    content = change(message.content, place) if message.content else ""
    reasoning = change(message.reasoning, "reasoning") if message.reasoning else ""
    if content == message.content and reasoning == message.reasoning:
        return message
    return replace(message, content=content, reasoning=reasoning)


def _changed_passage(passage: Passage, change: Change) -> Passage:
    text = change(passage.text, "passage")
    return passage if text == passage.text else replace(passage, text=text)


def _is(new: object, old: object) -> bool:
    return new is old
