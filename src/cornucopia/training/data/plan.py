"""What will be trained on, as it is handed to a run and kept from one run to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from cornucopia.training.data.store import TokenStore


@dataclass
class DataPlan:
    """What will be trained on.

    Args:
        train, validation: examples.
        domains: records of each domain in the training part.
        rejects: rows that were skipped, the first thousands of them: {"where": "file:line", "reason", "raw"}.
        notes: what reading had to do (conversions, files left out).
        truncated: number of examples by what was shortened ("prompt", "answer").
        sets: [name, examples] of each file's part of `validation`, in its order; empty ones are left out.
        fingerprint: 16 hex digits of all token ids and labels, in order.
    """

    train: TokenStore
    validation: TokenStore
    domains: Counter[str] = field(default_factory=Counter)
    rejects: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    truncated: Counter[str] = field(default_factory=Counter)
    sets: list[list[Any]] = field(default_factory=list)
    fingerprint: str = ""
