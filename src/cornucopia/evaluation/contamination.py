"""Which questions of a benchmark the training data holds, found by the rules of the stage `decontaminate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cornucopia.records.data_files import data_files
from cornucopia.records.decontaminate.contained import Index
from cornucopia.records.decontaminate.exam import Item, as_item, told_apart
from cornucopia.records.decontaminate.stage import DecontaminateConfig
from cornucopia.records.overlap import grams_of, overlap
from cornucopia.records.schema import Message, Record
from cornucopia.records.stream import RecordStream

_TOGETHER = 2000
_PIECE, _STRIDE = 600, 300  # characters: of a longer text every piece is looked at, as it may hold many questions


def contaminated_questions(rows: Sequence[Mapping[str, Any]], files: Sequence[Path]) -> frozenset[str]:
    """Ids of the questions that stand in the training files, whole or nearly.

    Args:
        rows: of a benchmark.
        files: training data in any format that records are read from, or folders of them.

    Raises:
        CornucopiaError: a file is absent or holds no record.
    """
    rules = DecontaminateConfig()
    records = [Record((Message("user", _asked(row)),), origin=str(row["id"])) for row in rows]
    items = told_apart([as_item(record) for record in records])
    index = Index(items, rules.run, rules.numbers)
    asked = [(place, record) for place, item in enumerate(items) for record in item.as_records()]
    grams, owner = grams_of([record for _, record in asked]), [place for place, _ in asked]
    found: set[int] = set()
    for part in _parts(files):
        found |= {hit.item for hit in index.find(part, rules.share)}
        found |= {owner[pair.right] for pair in overlap(part, grams, rules.threshold)}
    return _ids(items, found, records)


def _asked(row: Mapping[str, Any]) -> str:
    return "\n".join(str(row[key]) for key in ("question", "choices") if row.get(key))


def _ids(items: Sequence[Item], found: set[int], records: Sequence[Record]) -> frozenset[str]:
    """Ids of the found questions and of those that ask the very same."""
    texts = {items[place].asked for place in found}
    own = {items[place].where for place in found}
    return frozenset(record.origin for record in records if record.origin in own or record.question in texts)


def _parts(files: Sequence[Path]) -> Iterator[list[Record]]:
    """The training records, long texts in pieces, some at a time."""
    part: list[Record] = []
    for path in data_files(files, "trained_on"):
        stream = RecordStream(path)
        for record in stream:
            if isinstance(record, Record):
                part += _pieces(record)
            if len(part) >= _TOGETHER:
                yield part
                part = []
        if not stream.records:
            raise stream.nothing()
    if part:
        yield part


def _pieces(record: Record) -> list[Record]:
    texts = [record.text, record.material, *(message.content for message in record.messages)]
    long = [text for text in texts if len(text) > _PIECE]
    pieces = [Record(text=text[at : at + _PIECE]) for text in long for at in range(0, len(text) - _STRIDE, _STRIDE)]
    return [record, *pieces]
