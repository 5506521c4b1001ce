"""The answers of a comparison on disk: appended while it runs, put in order when it ends, read again to go on.

A cell is keyed by what would change it (settings of the contestant, text of the question), not by its name or place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.comparison.recipe import CompareRecipe, Contestant
from cornucopia.core.errors import DataError, reason
from cornucopia.core.jsonl import Appender, read_jsonl, write_json, write_jsonl
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
        text = json.dumps(record.asked(), ensure_ascii=False)
        questions.append(Question(name, hashlib.sha256(text.encode()).hexdigest()[:16], record))
    return questions


class CellStore:
    """`answers.jsonl` and `history.jsonl` of an output folder.

    Rows are appended to answers.jsonl as they come. `settle` leaves there exactly one row for each contestant and
    question of this comparison; rows of earlier settings move to history.jsonl, so that going back costs nothing.
    """

    def __init__(self, folder: str | Path) -> None:
        """
        Raises:
            DataError: when the folder cannot be written, or a file in it was damaged by something else.
        """
        self.answers, self.history = Path(folder) / "answers.jsonl", Path(folder) / "history.jsonl"
        self._settings_file = Path(folder) / "settings.json"
        self.settings: dict[str, dict[str, Any]] = {}
        self._cells: dict[Key, Cell] = {}
        try:
            self._appender = Appender(self.answers)
            self._read()
        except OSError as error:
            raise DataError(
                "结果文件夹不能用", where=str(error.filename or folder), found=reason(error), fix="换一个 --output-dir"
            ) from None

    def _read(self) -> None:
        path = self._settings_file
        try:
            self.settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            for path in (self.history, self.answers):
                for cell in read_jsonl(path):
                    self._keep(cell)
        except (ValueError, AttributeError) as error:
            fix = "改回原样，或移走这个文件再运行（其中的回答会重算）"
            raise DataError("以前的结果读不出来", where=str(path), found=str(error), fix=fix) from None

    def get(self, key: Key) -> Cell | None:
        """The cell, or None when it was never computed; it may hold an error."""
        return self._cells.get(key)

    def done(self, key: Key) -> bool:
        """Whether the cell holds an answer (an error is tried again)."""
        cell = self._cells.get(key)
        return cell is not None and not cell.get("error")

    def add(self, cell: Cell) -> None:
        """Append one row; it is on disk when this returns."""
        self._appender.write(cell)
        self._keep(cell)

    def note_settings(self, fingerprint: str, settings: dict[str, Any]) -> None:
        """Keep what the engine says it ran with (the model's own sampling defaults filled in), for the report."""
        self.settings[fingerprint] = settings
        write_json(self._settings_file, self.settings)

    def settle(self, rows: Sequence[Cell]) -> None:
        """Replace answers.jsonl by `rows`; all other finished cells go to history.jsonl."""
        self._appender.close()
        current = {_key(row) for row in rows}
        kept = [cell for key, cell in self._cells.items() if key not in current and not cell.get("error")]
        if kept or self.history.exists():
            write_jsonl(self.history, kept)
        write_jsonl(self.answers, rows)

    def close(self) -> None:
        """Stop writing; everything added is on disk."""
        self._appender.close()

    def _keep(self, cell: Cell) -> None:
        key = _key(cell)
        if not (cell.get("error") and self.done(key)):
            self._cells[key] = cell


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


def describe(contestant: str, question: Question) -> Cell:
    """The part of a cell that the question and the column's name decide."""
    record = question.record
    earlier = record.prompt().messages[:-1]
    known: dict[str, Any] = {"history": "\n".join(message.content for message in earlier if message.content)}
    known |= {key: record.extra.get(key) for key in ("calculator", "inputs")}  # what made the question
    return {
        "contestant": contestant, "id": question.id, "question": record.question,
        "material": record.material,
        "domain": record.domain, "kind": record.kind, "golden": record.golden,
        **{key: value for key, value in known.items() if value},
    }  # fmt: skip


def collect(recipe: CompareRecipe, questions: list[Question], prints: dict[str, str], store: CellStore) -> Comparison:
    """All cells of this comparison, named and ordered as the recipe and the questions are now."""
    comparison = Comparison(recipe, questions, prints, store.settings)
    for contestant in recipe.contestants:
        column = comparison.cells.setdefault(contestant.name, {})
        for question in questions:
            cell = store.get((prints[contestant.name], question.fingerprint)) or {}
            column[question.id] = {**cell, **describe(contestant.name, question)}
    return comparison


def ordered_rows(comparison: Comparison) -> Iterable[Cell]:
    """Question by question, contestants in order."""
    for question in comparison.questions:
        for contestant in comparison.contestants:
            yield comparison.cells[contestant.name][question.id]
