"""How worked examples are chosen (`fewshot_config: sampler`): the first ones of the question's own subject.

The harness tells a sampler which question is asked only where examples come from the split that is asked; so tasks name
that split, and the examples are those that dataset.py keeps beside it. Questions of one subject then begin alike, and
what they begin with is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lm_eval.api.samplers import ContextSampler

from cornucopia.evaluation.dataset import EXAMPLES

Row = dict[str, Any]


class SameSubject(ContextSampler):
    """The first examples of the same subject, the question itself never among them."""

    def sample(self, n: int, eval_doc: Row | None = None, df: Sequence[Row] | None = None, **_: Any) -> Sequence[Row]:
        """At most `n`; fewer where the subject has fewer."""
        assert eval_doc is not None, "fewshot_split must be the split that is asked"
        pool = (row for row in EXAMPLES[eval_doc["benchmark"]] if row["subject"] == eval_doc["subject"])
        return [row for row in pool if row["id"] != eval_doc["id"]][:n]


class EarlierTurns(ContextSampler):
    """The conversation before a question, as its examples: what was asked and what was said."""

    def sample(self, n: int, eval_doc: Row | None = None, df: Sequence[Row] | None = None, **_: Any) -> Sequence[Row]:
        """The one turn before."""
        return [{**eval_doc, "question": eval_doc["asked"], "answer": eval_doc["said"]}] if eval_doc else []
