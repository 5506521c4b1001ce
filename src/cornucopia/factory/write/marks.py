"""What a written record says of its writing in Record.extra, and what a record offers to stand on."""

from __future__ import annotations

from typing import Any

from cornucopia.records.evidence import evidence_of
from cornucopia.records.schema import Record


def written(step: str, model: str) -> dict[str, Any]:
    """The mark of a record that a model wrote: by which step and which model."""
    return {"written_by": {"step": step, "model": model}}


def unjudged(extra: dict[str, Any]) -> dict[str, Any]:
    """What still holds when a record's answer is another: no score."""
    return {key: value for key, value in extra.items() if key not in ("scores", "judged")}


def material_of(record: Record) -> str:
    """What the record's answer stands on: its passages, or the quotations of its evidence, or ''."""
    return record.material or "\n".join(place.quote for place in evidence_of(record))
