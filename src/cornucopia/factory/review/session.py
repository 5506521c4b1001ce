"""One review: the records of a file in an order, their decisions, and what is left. Knows nothing of HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.factory.review.decisions import VERDICTS, Decision, Decisions, key_of
from cornucopia.factory.review.view import view
from cornucopia.records.schema import Record
from cornucopia.sources.document import Document

SHOWN = {"undecided": "待审", "all": "全部", **VERDICTS}
ORDERS = {"file": "文件顺序", "worst": "分数低的在前"}


class Session:
    """
    Args:
        records: to be reviewed.
        decisions: the open file of decisions.
        documents: by id, whose pages are shown beside what quotes them.
    """

    def __init__(
        self, records: Sequence[Record], decisions: Decisions, documents: Mapping[str, Document] | None = None
    ) -> None:
        self._records, self._decisions, self._documents = records, decisions, documents or {}
        self._keys = [key_of(record) for record in records]
        self._undo: list[tuple[int, Decision | None]] = []

    def summary(self) -> dict[str, Any]:
        """Counts by verdict, domains, and the words for them."""
        counts = self._decisions.counts(self._keys)
        domains = sorted({record.domain for record in self._records if record.domain})
        return {
            "total": len(self._records),
            "undecided": counts[""],
            "counts": {verdict: counts[verdict] for verdict in VERDICTS},
            "verdicts": VERDICTS, "shown": SHOWN, "orders": ORDERS, "domains": domains,
        }  # fmt: skip

    def queue(self, show: str = "undecided", domain: str = "", order: str = "file", words: str = "") -> list[int]:
        """Numbers of the records to go through.

        Args:
            show: a key of SHOWN.
            domain: only this one, '' for all.
            order: a key of ORDERS.
            words: that the record holds.
        """
        chosen = [
            number
            for number, record in enumerate(self._records)
            if self._is_shown(number, show)
            and (not domain or record.domain == domain)
            and (not words or words in _spoken(record))
        ]
        return sorted(chosen, key=lambda number: _score(self._records[number])) if order == "worst" else chosen

    def record(self, number: int) -> dict[str, Any]:
        """One record as the page shows it.

        Raises:
            DataError: no such number.
        """
        if not 0 <= number < len(self._records):
            raise DataError("没有这一条", found=str(number))
        shown = view(self._records[number], self._decisions.get(self._keys[number]), self._documents)
        return {"number": number, **shown}

    def decide(self, number: int, decision: Decision) -> None:
        """Keep a verdict; an edit that changes nothing is an acceptance.

        Raises:
            DataError: no such record, verdict or turn, or an edit that leaves an answer empty.
        """
        self.record(number)
        if decision.verdict == "edit":
            decision = self._edit(number, decision)
        before = self._decisions.get(self._keys[number])
        self._decisions.decide(self._keys[number], decision)
        self._undo.append((number, before))

    def undo(self) -> int | None:
        """Take the last verdict back; the record's number, or None when there is none."""
        if not self._undo:
            return None
        number, before = self._undo.pop()
        self._decisions.decide(self._keys[number], before or Decision(""))
        return number

    def _edit(self, number: int, decision: Decision) -> Decision:
        record = self._records[number]
        now = {str(place): turn.content for place, turn in enumerate(record.messages)} or {"text": record.text}
        if decision.turns.keys() - now.keys():
            raise DataError("没有这一轮", found="、".join(decision.turns.keys() - now.keys()))
        changed = {name: words for name, words in decision.turns.items() if words != now[name]}
        if any(not words.strip() for words in changed.values()):
            raise DataError("改成了空的", fix="不要这一条就按 R")
        return Decision("edit" if changed else "accept", changed, decision.note)

    def _is_shown(self, number: int, show: str) -> bool:
        decision = self._decisions.get(self._keys[number])
        return show == "all" or (decision.verdict if decision else "undecided") == show


def _spoken(record: Record) -> str:
    return "\n".join([record.id, record.text, *(message.content for message in record.messages)])


def _score(record: Record) -> float:
    """The lowest of its scores; a record without one comes last."""
    scores = record.extra.get("scores", {})
    numbers = [value for value in scores.values() if isinstance(value, (int, float))]
    return min(numbers, default=float("inf"))
