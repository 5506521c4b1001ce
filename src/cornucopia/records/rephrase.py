"""Records asked in other ways: the same answer under several questions, so that a model learns the fact and not the
wording (question augmentation, as in Allen-Zhu & Li 2023, "Physics of Language Models: Part 3.1", arXiv:2309.14316).

A file of wordings is JSON Lines: {"id": the record's id, "ask": ["another way of asking", ...]}.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, reason
from cornucopia.records.schema import Message, Record


def read_wordings(path: str | Path) -> dict[str, list[str]]:
    """Other ways of asking by record id, as the file has them.

    Raises:
        DataError: no such file, not UTF-8, or a line of another form (named as file:line).
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        found = reason(error)
        raise DataError("读不了问法文件", where=str(path), found=found, fix="用 --wordings 指给它一个文件") from None
    except UnicodeDecodeError as error:
        raise DataError("问法文件不是 UTF-8", where=str(path), found=str(error), fix="另存为 UTF-8") from None
    wordings: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            name, asked = _row(line, f"{path}:{number}")
            wordings.setdefault(name, []).extend(asked)
    return wordings


def _row(line: str, where: str) -> tuple[str, list[str]]:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError("这一行不是 JSON", where=where, found=str(error)) from None
    name, asked = (row.get("id"), row.get("ask")) if isinstance(row, dict) else (None, None)
    if not (isinstance(name, str) and name and isinstance(asked, list) and asked):
        raise DataError("应有 id 和 ask", where=where, found=line[:60], fix='写成 {"id": "编号", "ask": ["问法", ...]}')
    if not all(isinstance(text, str) and text.strip() for text in asked):
        raise DataError("ask 里应是不空的文字", where=where, found=line[:60])
    return name, [text.strip() for text in asked]


def rephrase(
    records: Iterable[Record], wordings: Mapping[str, Sequence[str]], count: int, seed: int = 42
) -> Iterator[Record]:
    """Every record, each followed by the same answer under other questions.

    A question stands for itself: earlier turns and material of the record are left out, a system prompt stays. The
    new ones have the id "ID~1", "ID~2"... and the original's provenance.

    Args:
        records: with the ids that the wordings have; others come out alone.
        wordings: from `read_wordings`.
        count: so many of a record's wordings at most, drawn by the seed; 0 for all.
    """
    rng = random.Random(seed)
    for record in records:
        yield record
        asked = [text for text in dict.fromkeys(wordings.get(record.id, ())) if text != record.question]
        if not record.golden:
            continue
        system = tuple(message for message in record.messages if message.role == "system")
        chosen = asked if not count else rng.sample(asked, min(count, len(asked)))
        for number, text in enumerate(chosen, 1):
            turns = (*system, Message("user", text), record.messages[-1])
            yield replace(record, messages=turns, passages=(), id=f"{record.id}~{number}")
