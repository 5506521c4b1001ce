"""The answers of a comparison on disk: appended while it runs, put in order when it ends, read again to go on.

A cell is keyed by what would change it (settings of the contestant, text of the question), not by its name or place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.comparison.recipe import CompareRecipe, Contestant
from cornucopia.core.errors import UsageError
from cornucopia.core.jsonl import mended
from cornucopia.inference.store import AnswerStore
from cornucopia.records.schema import Record

Cell = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """One row: `id` is unique in the comparison; `fingerprint` depends on the text alone."""

    id: str
    fingerprint: str
    record: Record


def make_questions(records: Sequence[Record]) -> list[Question]:
    """Questions in order; a repeated or missing id gets a number, so that no row hides another."""
    questions, seen = [], set()
    for number, record in enumerate(records, 1):
        name = record.id or str(number)
        if name in seen:
            name = f"{name}#{number}"
        seen.add(name)
        text = mended(json.dumps(record.asked(), ensure_ascii=False))
        questions.append(Question(name, hashlib.sha256(text.encode()).hexdigest()[:16], record))
    return questions


def open_store(folder: str | Path) -> AnswerStore:
    """`answers.jsonl` of an output folder, with `history.jsonl` and `settings.json` (by fingerprint).

    A settled answers.jsonl has exactly one row for each contestant and question of this comparison; rows of earlier
    settings are in the history, so that going back costs nothing.
    """
    folder = Path(folder)
    return AnswerStore(
        folder / "answers.jsonl", folder / "settings.json", history=folder / "history.jsonl",
        key_of=_key, failed=lambda cell: bool(cell.get("error")),
    )  # fmt: skip


def _key(cell: Cell) -> Key:
    return str(cell.get("fingerprint", "")), str(cell.get("question_fingerprint", ""))


@dataclass
class Comparison:
    """A finished comparison: contestants across, questions down, `cells[contestant name][question id]`."""

    recipe: CompareRecipe
    questions: list[Question]
    fingerprints: dict[str, str]
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)

    @property
    def contestants(self) -> list[Contestant]:
        """In the order of the recipe."""
        return self.recipe.contestants

    def column(self, name: str) -> list[Cell]:
        """The cells of one contestant, in question order."""
        return [self.cells[name][question.id] for question in self.questions]

    def rows(self) -> list[Cell]:
        """Question by question, contestants in order: a row for each answer, as in answers.jsonl."""
        return [self.cells[one.name][question.id] for question in self.questions for one in self.contestants]

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas 要先装 pandas", fix="pip install pandas；或用 rows()") from None
        return pandas.DataFrame(self.rows())


def describe(contestant: str, question: Question) -> Cell:
    """The part of a cell that the question and the column's name decide."""
    record = question.record
    earlier = record.prompt().messages[:-1]
    known: dict[str, Any] = {"history": "\n".join(message.content for message in earlier if message.content)}
    known |= {"earlier": [{"role": message.role, "content": message.content} for message in earlier]}
    known |= {key: record.extra.get(key) for key in ("calculator", "inputs")}  # what made the question
    known["span"] = record.span
    return {
        "contestant": contestant, "id": question.id, "question": record.question,
        "material": record.material,
        "domain": record.domain, "kind": record.kind, "golden": record.golden,
        **{key: value for key, value in known.items() if value},
    }  # fmt: skip


def collect(recipe: CompareRecipe, questions: list[Question], prints: dict[str, str], store: AnswerStore) -> Comparison:
    """All cells of this comparison, named and ordered as the recipe and the questions are now."""
    comparison = Comparison(recipe, questions, prints, store.settings)
    for contestant in recipe.contestants:
        column = comparison.cells.setdefault(contestant.name, {})
        for question in questions:
            cell = store.get((prints[contestant.name], question.fingerprint)) or {}
            column[question.id] = {**cell, **describe(contestant.name, question)}
    return comparison
