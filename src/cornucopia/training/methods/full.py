"""Full training: every parameter changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cornucopia.models.memory import MemoryEstimate, Shape, Step, estimate
from cornucopia.training.methods.weights import WeightsMethod


class Full(WeightsMethod):
    """full."""

    about = "训全部参数"

    def apply(self, model: Any) -> Any:
        """All of the model, in float32."""
        return model.float().requires_grad_(True).train()

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """Every weight with its gradient and moments."""
        return estimate(shape, replace(step, full=True))
