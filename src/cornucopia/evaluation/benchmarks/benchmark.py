"""What a benchmark is: where its files come from, what may be done with them, and the rows that tasks ask.

Rows of one split have the same keys. Those of a choice task are made by `choice_row`; others say their own in their
function. Every row has `id`, `subject`, `category` and `question`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError

Row = dict[str, Any]
Splits = dict[str, list[Row]]
LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Args:
        title: how users call it.
        source: where its files are published.
        licence: as its authors state it, in Chinese where they forbid something.
        read: data folder -> rows of each split; the split asked is "test", worked examples are in "dev".
        counts: rows of each split as published; another number is told as a warning, 0 for any.
        made: whether it comes with the project and needs no files.
        hub: "org/name" of its data set on model hubs, '' where it lies on none in the form that `read` takes.
        files: of that repository, patterns.
        digest: of the rows as published (see `rows_digest`); other rows are told as a warning. '' where not known.
    """

    title: str
    source: str
    licence: str
    read: Callable[[Path], Splits]
    counts: dict[str, int]
    made: bool = False
    hub: str = ""
    files: tuple[str, ...] = ()
    digest: str = ""

    @property
    def restricted(self) -> bool:
        """Whether its licence forbids commerce, passing on or training, or is not stated."""
        return bool(re.search("不得|勿|只宜|只限|没有写", self.licence))


def rows_digest(splits: Splits) -> str:
    """SHA-256 of all rows, whatever encoding or line ends their files have."""
    text = json.dumps(splits, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def choice_row(
    id: str,
    question: str,
    options: Sequence[str],
    answer: str,
    *,
    subject: str = "",
    category: str = "",
    where: str = "",
) -> Row:
    """A question with options; the right ones are given by their letters.

    Args:
        options: texts in the order of their letters.
        answer: letters, such as "B" or "ABD".
        where: file and line, for errors.

    Raises:
        DataError: no question, fewer than two options, or an answer that names none of them.
    """
    letters = LETTERS[: len(options)]
    answer = "".join(sorted(set(answer.strip().upper()) - set(" ,，、")))
    if not question.strip() or len(options) < 2 or not answer or not set(answer) <= set(letters):
        found = f"题目 {question[:30]!r}，{len(options)} 个选项，答案 {answer!r}"
        raise DataError("这道选择题不完整", where=where or id, found=found, fix="用公布的原文件")
    lines = [f"{letter}. {option}" for letter, option in zip(letters, options, strict=True)]
    return {
        "id": id, "subject": subject, "category": category or subject, "question": question.strip(),
        "choices": "\n".join(lines), "options": list(options), "letters": list(letters), "answer": answer,
        "gold": letters.index(answer[0]),
    }  # fmt: skip


def rotated(row: Row) -> list[Row]:
    """The question once for each cyclic order of its options: what is right does not hang on where it stands."""
    options, count = row["options"], len(row["options"])
    right = {LETTERS.index(letter) for letter in row["answer"]}
    rows = []
    for turn in range(count):
        order = [(place + turn) % count for place in range(count)]
        answer = "".join(LETTERS[place] for place, old in enumerate(order) if old in right)
        turned = choice_row(
            row["id"], row["question"], [options[old] for old in order], answer,
            subject=row["subject"], category=row["category"],
        )  # fmt: skip
        rows.append({**row, **turned, "rotation": turn})
    return rows
