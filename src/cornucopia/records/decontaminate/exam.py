"""Evaluation files as what is looked for in training data: questions, and what belongs to them."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cornucopia.core.console import warn
from cornucopia.records.fold import fold, keys
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Record
from cornucopia.records.stream import RecordStream

_OPTIONS = re.compile(r"(?:^|\n)[A-Z][.．、]\s*([^\n]*)")
_POINTING = re.compile(
    "下列|以下|下面|下述|上述|选项|哪一?[项个种]|正确的是|错误的是"
)  # asks nothing without its options
_SENTENCE = re.compile(r"[。！？!?\n：:；;]+")
_SHORTEST = 4  # characters of a question that is looked for alone


@dataclass(frozen=True)
class Item:
    """A question of an evaluation set.

    Args:
        where: file:line.
        asked: the question as it stands in the file.
        stem: the question without its options.
        options: each a text.
        material: what the question works on, each a text. It is part of what is looked for only where the stem is not
            a question by itself: a text that others write about too gives no evaluation away.
        alone: whether the stem by itself is this question, and not just the form of many.
    """

    where: str
    asked: str
    stem: str
    options: tuple[str, ...]
    material: tuple[str, ...]
    alone: bool

    @property
    def rest(self) -> tuple[str, ...]:
        """What is looked for beside the stem."""
        return self.options if self.alone else (*self.options, *self.material)

    @property
    def whole(self) -> str:
        """All that is looked for."""
        return self.asked if self.alone else "\n".join([self.asked, *self.material])

    def as_records(self) -> list[Record]:
        """As what a training question may be like: all of it and, if that is a question, the stem alone."""
        texts = dict.fromkeys([self.whole, *([self.stem] if self.alone else [])])
        return [Record(messages=(Message("user", text),)) for text in texts]


def read_items(files: Sequence[Path]) -> list[Item]:
    """The questions of evaluation files; equal ones once.

    Raises:
        DataError: a file that cannot be read, or holds no text.
    """
    items = []
    for file in files:
        stream = RecordStream(file)
        rejects = list[Reject]()
        for row in stream:
            if isinstance(row, Record):
                items.append(as_item(row))
            elif not stream.records:
                rejects.append(row)
        if not stream.records:
            plain = [item for item in map(_plain_item, rejects) if item]
            if not plain:
                raise stream.nothing()
            warn(f"评测文件 {file.name} 不是认得的格式：每行取最长的一段文字当作题，共 {len(plain)} 道")
            items += plain
        elif stream.rejects:
            told = f"评测文件 {file.name} 有 {stream.rejects} 处读不出来，没有参加比较"
            warn(f"{told}；看原因：cornucopia data check {file}")
    return told_apart(items)


def _plain_item(row: Reject) -> Item | None:
    """The longest text of a row of no known format (a list, odd columns); None where it has none."""
    try:
        value = json.loads(row.raw)
    except (ValueError, RecursionError):
        value = next(csv.reader([row.raw], delimiter="\t" if "\t" in row.raw else ","), [])
    texts, left = [""], [value]
    while left:
        one = left.pop()
        if isinstance(one, (dict, list)):
            left += one.values() if isinstance(one, dict) else one
        elif isinstance(one, str):
            texts.append(one.strip())
    text = max(texts, key=len)
    return Item(row.where, text, text, (), (), True) if sum(map(str.isalnum, text)) >= _SHORTEST else None


def as_item(record: Record) -> Item:
    """The question of one evaluation record; of a document, its text."""
    if not record.messages:
        return Item(record.origin, record.text, record.text, (), (), True)
    text = record.question
    options = [found for found in _OPTIONS.finditer(text) if found.group(1).strip()]
    stem, choices = text, tuple[str, ...]()
    if len(options) >= 2:
        stem = text[: options[0].start()]
        choices = tuple(found.group(1).strip() for found in options)
    alone = not (choices and _POINTING.search(stem))
    return Item(record.origin, text, stem, choices, tuple(passage.text for passage in record.passages), alone)


def told_apart(items: list[Item]) -> list[Item]:
    """Each question once; a stem that several have, or of hardly a character, is no question by itself."""
    whole = keys(fold(["\n".join([item.asked, *item.material]) for item in items])).tolist()
    first = {key: index for index, key in reversed(list(enumerate(whole))) if key}
    items = [items[index] for index in sorted(first.values())]
    stems = fold([item.stem for item in items])
    same, sizes = keys(stems).tolist(), (stems.ends - stems.starts).tolist()
    count = Counter(same)
    return [
        replace(item, alone=item.alone and count[key] == 1 and size >= _SHORTEST)
        for item, key, size in zip(items, same, sizes, strict=True)
    ]


def searched(record: Record) -> list[str]:
    """The texts of a training record in which a question may stand: all that is said, and each sentence of a user."""
    return [text for text in _searched(record) if text]


def _searched(record: Record) -> Iterator[str]:
    yield record.text
    for message in (*record.messages, *(message for turns in record.rejected for message in turns)):
        yield message.content
        yield message.reasoning
        if message.role == "user":
            sentences = _SENTENCE.split(message.content)
            if len(sentences) > 1:
                yield from sentences
    for passage in record.passages:
        yield passage.text
