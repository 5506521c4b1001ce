"""What cards a base needs, by method: the planner's own estimate, for one document at a time.

Nothing is downloaded or loaded. Knows nothing of a particular run's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cornucopia.core.console import say, show_table
from cornucopia.models.memory import GIB, Shape, Step, read_shape
from cornucopia.models.shared_memory import shared_out
from cornucopia.training.methods import METHODS
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.planner import MARGIN, PROGRAM_CUDA
from cornucopia.training.run.rehearsal import rehearse

CARDS = ((24, "24 GB"), (40, "40 GB"), (48, "48 GB"), (80, "80 GB"))
COUNTS = (1, 2, 4, 8)
_WAYS = (("full", 0), ("freeze", 0), ("lora", 0), ("lora", 8), ("lora", 4), ("prefix", 0))


@dataclass(frozen=True)
class Need:
    """What a way to tune a base needs.

    Args:
        name: of the method, with the base's bits where it is quantised.
        each: bytes on each card, by the number of cards; those of a quantised base do not change with it.
    """

    name: str
    each: dict[int, int]

    def least(self, size: int) -> int | None:
        """Cards of so many GiB that it takes; None where COUNTS has not enough."""
        return next((count for count, need in self.each.items() if need <= size * GIB * MARGIN), None)


def needs(recipe: TrainRecipe, shape: Shape) -> Iterator[Need]:
    """Every way to tune a base of this shape, in 16 bits, documents of cutoff_len tokens one by one.

    Activations are recomputed where the method can, and gradients kept from pass to pass.
    """
    for method, bits in _WAYS:
        kind = METHODS[method]
        values = {"method": method, "bits": bits or None, "quant_type": None, "batch_size": 64, "micro_batch_size": 1}
        values |= {"gradient_checkpointing": kind.recomputes, "objective": "sft", "shard": "none"}
        tried = recipe.model_copy(update=values)
        step = Step(
            tokens=recipe.cutoff_len, supervised=recipe.cutoff_len, bits=bits, checkpointing=kind.recomputes,
            packed=kind.packs, accumulates=True,
        )  # fmt: skip
        memory = kind(tried).memory(shape, step)
        counts = (1,) if bits else COUNTS
        casts = 2 * shape.quantisable if method == "full" else 0
        each = {count: shared_out(memory, shape, count, casts).peak + PROGRAM_CUDA for count in counts}
        yield Need(f"{method}，{bits} 位" if bits else method, each)


def show_cards(recipe: TrainRecipe) -> None:
    """Print the table of the recipe's base.

    Raises:
        ModelError: the base is neither here nor in the catalogue.
    """
    with TemporaryDirectory() as scratch:
        shape = read_shape(rehearse(recipe, Path(scratch)).folder)
    rows = [
        (
            need.name,
            *(f"{need.each[count] / GIB:.1f}" if count in need.each else "同左" for count in COUNTS),
            *(_told(need.least(size)) for size, _ in CARDS),
        )
        for need in needs(recipe, shape)
    ]
    heads = [
        "改法",
        "1 张卡",
        *(f"{count} 张，每张" for count in COUNTS[1:]),
        *(f"用 {name} 的卡" for _, name in CARDS),
    ]
    show_table(f"{recipe.base}（{shape.parameters / 1e9:.1f} B 参数）训练要多少显存，GiB", heads, rows)
    say(
        f"每次前向一条 {recipe.cutoff_len} 词元，bfloat16，能重算激活的都重算；多张卡是 shard: fsdp2。"
        f"右边几列：至少几张，留出一成余量。估计没有在多卡上核对过"
    )


def _told(count: int | None) -> str:
    return "放不下" if count is None else f"{count} 张" + ("" if count == 1 else " fsdp2")
