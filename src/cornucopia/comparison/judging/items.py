"""What there is to judge: questions with several models' answers, from a comparison or from FastChat's llm_judge.

A comparison is its folder or its answers.jsonl. FastChat's layout is a folder with question.jsonl, model_answer/*.jsonl
and perhaps reference_answer/*.jsonl (fastchat/llm_judge, MT-bench); each turn of a question is an item of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import read_jsonl

Row = dict[str, Any]
FAILED = "$ERROR$"  # what FastChat writes where a request failed


@dataclass
class Item:
    """One question with the answers to it.

    Args:
        id: unique among the items.
        questions: the user's turns; the answer to the last is judged.
        references: a reference answer to each, '' where there is none.
        before: conversation and material that all were shown.
        kind: of the question, or ''.
        answers: by contestant, its answer to each turn; who failed has none.
    """

    id: str
    questions: tuple[str, ...]
    references: tuple[str, ...]
    before: str = ""
    kind: str = ""
    answers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def answer(self, name: str) -> str:
        """What is judged of a contestant."""
        return self.answers[name][-1]


@dataclass(frozen=True)
class Answered:
    """All there is to judge: the contestants in their order, the items, and how many answers failed, by contestant."""

    names: list[str]
    items: list[Item]
    failed: dict[str, int]


def read_answers(path: str | Path) -> Answered:
    """What a result holds.

    Raises:
        DataError: no such result, or nothing to judge in it.
    """
    path = Path(path)
    if (path / "question.jsonl").exists():
        return _fastchat(path)
    file = path / "answers.jsonl" if path.is_dir() else path
    if not file.exists():
        fix = "先运行 cornucopia compare，再给它的结果文件夹；或给 FastChat 的 data/mt_bench 文件夹"
        raise DataError("这里没有可评的回答", where=str(file), fix=fix)
    return from_rows(_own_rows(file), str(file))


def from_rows(rows: Iterable[Row], where: str) -> Answered:
    """Rows of a comparison's answers.jsonl; of two rows of one cell the later one that has no error counts.

    Raises:
        DataError: a row of another shape, or no answer at all.
    """
    items: dict[str, Item] = {}
    names: dict[str, dict[str, bool]] = {}
    for number, row in enumerate(rows, 1):
        try:
            name, key, question = str(row["contestant"]), str(row["id"]), str(row["question"])
        except KeyError as error:
            found = f"第 {number} 行没有 {error.args[0]}"
            raise DataError("不是对比的结果", where=where, found=found, fix="给 compare 写的 answers.jsonl") from None
        asked = "\n".join(part for part in (question, str(row.get("material") or "")) if part)
        golden, kind = str(row.get("golden") or ""), str(row.get("kind") or "")
        item = items.setdefault(key, Item(key, (asked,), (golden,), str(row.get("history") or ""), kind))
        failed = bool(row.get("error")) or "answer" not in row
        if not failed:
            item.answers[name] = (str(row.get("answer") or ""),)
        column = names.setdefault(name, {})
        column[key] = column.get(key, True) and failed
    return _checked(list(names), list(items.values()), {n: sum(column.values()) for n, column in names.items()}, where)


def _fastchat(folder: Path) -> Answered:
    answers = {path.stem: _by_question(path) for path in sorted((folder / "model_answer").glob("*.jsonl"))}
    references: dict[str, list[str]] = {}
    for path in sorted((folder / "reference_answer").glob("*.jsonl")):
        references |= _by_question(path)
    items, failed = [], dict.fromkeys(answers, 0)
    for row in foreign_rows(folder / "question.jsonl"):
        key, turns = str(row.get("question_id", "")), row.get("turns")
        if not key or not isinstance(turns, list):
            raise DataError("不是 FastChat 的题目", where=str(folder / "question.jsonl"), found=str(row)[:80])
        known = [*references.get(key, []), *[""] * len(turns)]
        for count in range(1, len(turns) + 1):
            item = Item(
                turn_id(key, count),
                tuple(map(str, turns[:count])),
                tuple(known[:count]),
                kind=str(row.get("category") or ""),
            )
            for model, said in answers.items():
                if len(said.get(key, ())) >= count and FAILED not in said[key][:count]:
                    item.answers[model] = tuple(said[key][:count])
                else:
                    failed[model] += 1
            items.append(item)
    return _checked(list(answers), items, failed, str(folder / "model_answer"))


def _by_question(path: Path) -> dict[str, list[str]]:
    """The first choice's turns of each question; FastChat writes a choice for each sample."""
    found = {}
    for row in foreign_rows(path):
        try:
            turns = row["choices"][0]["turns"]
            found[str(row["question_id"])] = [str(turn) for turn in turns]
        except (KeyError, IndexError, TypeError):
            fix = "一行应是 question_id 和 choices[0].turns"
            raise DataError("不是 FastChat 的回答", where=str(path), found=str(row)[:80], fix=fix) from None
    return found


def turn_id(question: str, turn: int) -> str:
    """The id of the item of one turn, counted from 1."""
    return question if turn == 1 else f"{question}#{turn}"


def foreign_rows(path: Path) -> list[Row]:
    """Rows of a file of another program's; its last line may lack an end.

    Raises:
        DataError: it cannot be read, or a line is no JSON object.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError("文件读不出来", where=str(path), found=str(error)[:200]) from None
    return _objects(rows, path)


def _own_rows(path: Path) -> list[Row]:
    """Rows of a file of ours; its last line may have been cut by a kill."""
    try:
        return _objects(list(read_jsonl(path)), path)
    except (OSError, ValueError) as error:
        raise DataError("文件读不出来", where=str(path), found=str(error)[:200]) from None


def _objects(rows: list[Any], path: Path) -> list[Row]:
    if not all(isinstance(row, dict) for row in rows):
        raise DataError("每行应是一个 JSON 对象", where=str(path))
    return rows


def _checked(names: list[str], items: list[Item], failed: dict[str, int], where: str) -> Answered:
    if not any(item.answers for item in items):
        raise DataError("没有一个回答可评", where=where, fix="先把题答完：再运行一次 cornucopia compare")
    return Answered(names, items, failed)
