"""What a written record says of its writing, in Record.extra."""

from __future__ import annotations

from typing import Any


def written(step: str, model: str) -> dict[str, Any]:
    """The mark of a record that a model wrote: by which step and which model."""
    return {"written_by": {"step": step, "model": model}}
