"""Names that records are grouped by (domain, source, kind, licence), as a shard's survey holds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from cornucopia.records.schema import Record
from cornucopia.records.stage import Survey

GroupBy = Literal["source", "domain", "kind", "licence"]
SOURCE_ID = "source_id"  # in Record.extra: the id that the data itself gave
UNNAMED = "（未标）"


def _pairs(value: Any) -> Any:
    """`name=number,name=number` as a mapping, as the command line has it.

    Raises:
        ValueError: if a word is none of these.
    """
    if not isinstance(value, str):
        return value
    found = {}
    for word in filter(None, map(str.strip, value.replace("，", ",").split(","))):
        name, equals, number = word.rpartition("=")
        if not equals or not name:
            raise ValueError(f"应写成 名=数，逗号分隔，如 保险=0.5,基金=0.2；给的是 {word!r}")
        found[name] = number
    return found


Numbers = Annotated[dict[str, float], BeforeValidator(_pairs)]  # name -> number


def group_of(record: Record, by: GroupBy) -> str:
    """The name of the record's group; its source is that of the recipe, which begins its id."""
    if by == "source":
        name, colon, _ = record.id.partition(":")
        return name if colon and name else UNNAMED
    return str(getattr(record, by)) or UNNAMED


def group_survey(records: Sequence[Record], by: GroupBy) -> Survey:
    """`names`, the groups met, and `group`, the place of each record's among them."""
    names: dict[str, int] = {}
    group = np.array([names.setdefault(group_of(record, by), len(names)) for record in records], np.int32)
    return {"names": np.array(list(names), dtype=str), "group": group}


class Groups:
    """Surveys of all shards with one numbering of the groups."""

    def __init__(self, surveys: Sequence[Path]) -> None:
        self._surveys = surveys
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """Of the groups met so far, in the order they were met."""
        return list(self._numbers)

    def __iter__(self) -> Iterator[tuple[NDArray[np.int32], Survey]]:
        """(group of each record, survey) of each shard, in order."""
        for path in self._surveys:
            with np.load(path) as arrays:
                survey = {name: arrays[name] for name in arrays.files}
            numbers = [self._numbers.setdefault(str(name), len(self._numbers)) for name in survey["names"]]
            yield np.array(numbers, np.int32)[survey["group"]] if len(numbers) else survey["group"], survey


def chance(record: Record, seed: int) -> int:
    """64 bits that depend on the seed and on what the record says alone, neither on its place nor on other records."""
    said = [f"{message.role}\1{message.content}" for message in record.messages]
    text = "\0".join([str(seed), str(record.extra.get(SOURCE_ID, "")), record.text, record.material, *said])
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
