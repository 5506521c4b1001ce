"""A run whose numbers are not finite any more: told at the step where it happens, never trained on."""

from __future__ import annotations

import math

from cornucopia.core.errors import CornucopiaError

FIX = (
    "--learning-rate 调小（如十分之一）、--warmup-ratio 调大，dtype 用 float32 或 bfloat16（不用 float16）；"
    "还是这样，就查数据里有没有乱码或极长的行。换 --output-dir，或 --overwrite 重来"
)


class Diverged(CornucopiaError):
    """Loss, gradient or weights are not finite.

    Args:
        step: number of the update.
        values: what was looked at, by its Chinese name.
    """

    def __init__(self, step: int, values: dict[str, float]) -> None:
        self.step, self.values = step, values
        found = "，".join(f"{name} {value:g}" for name, value in values.items())
        broken = "、".join(name for name, value in values.items() if not math.isfinite(value))
        super().__init__(f"训练发散：第 {step} 步的{broken}不是有限的数，已停下", found=found, fix=FIX)

    def at(self, where: str, checkpoint: str) -> Diverged:
        """The same with where it happened and what is left."""
        self.where = where
        kept = f"；{checkpoint} 是最后一个完好的检查点" if checkpoint else "；还没有完好的检查点"
        self.found += kept
        self.args = (str(self),)
        return self
