"""The same question answered differently: groups shown to the user, with the numbers in which the answers differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from cornucopia.core.jsonl import Appender
from cornucopia.finance.numbers import read_numbers
from cornucopia.records.schema import Record

PARTS = "conflicts"  # a file a shard, put together once all are there
_READ = 5_000  # characters of an answer in which numbers are looked for
_SHOWN = 20  # differing numbers named for an answer


def answer_row(record: Record, decision: dict[str, Any]) -> dict[str, Any]:
    """One answer of a group, as a shard writes it.

    Args:
        record: the record.
        decision: its line in the decision file.
    """
    row = {"group": decision["question"], "question": record.question, "known": decision.get("known", "")}
    answer = {"origin": record.origin or record.id, "answer": record.golden, "kept": "rule" not in decision}
    told = {"source": record.source, "as_of": record.as_of}
    return row | {"answer": answer | {key: value for key, value in told.items() if value}}


def put_together(parts: Path, out: Path) -> None:
    """Write the groups of all shards to one file, in the order of their first records; no file where there is none.

    Args:
        parts: folder with a file a shard.
        out: the file.
    """
    out.unlink(missing_ok=True)
    places = sorted(_places(parts))
    if places:
        with Appender(out) as file:
            for count, group in enumerate(_groups(places), 1):
                file.write(_shown(count, group))


def _places(parts: Path) -> Iterator[tuple[int, Path, int]]:
    """(group, file, offset) of every row: what is held of it while the order is found."""
    for path in sorted(parts.glob("*.jsonl")):
        offset = 0
        with path.open("rb") as file:
            for line in file:
                yield orjson.loads(line)["group"], path, offset
                offset += len(line)


def _groups(places: list[tuple[int, Path, int]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    for number, path, offset in places:
        if group and group[0]["group"] != number:
            yield group
            group = []
        with path.open("rb") as file:
            file.seek(offset)
            group.append(orjson.loads(file.readline()))
    if group:
        yield group


def _shown(number: int, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A group as the user reads it: the question, each answer, and its numbers that not all others have."""
    answers = [row["answer"] for row in rows]
    named = [_numbers(answer["answer"]) for answer in answers]
    everywhere = Counter(value for values in named for value in values)
    for answer, values in zip(answers, named, strict=True):
        own = [text for value, text in values.items() if everywhere[value] < len(answers)]
        answer["numbers"] = own[:_SHOWN]
    shown = {"group": number, "question": rows[0]["question"], "numbers_differ": any(a["numbers"] for a in answers)}
    known = sorted({row["known"] for row in rows if row["known"]})
    return shown | ({"known": known} if known else {}) | {"answers": answers}


def _numbers(text: str) -> dict[Any, str]:
    """Value and unit -> as written, of the numbers in an answer."""
    text = text[:_READ]
    return {(found.signed, found.unit): text[slice(*found.span)] for found in read_numbers(text)}
