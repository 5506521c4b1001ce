"""Methods that change the model's own weights and leave a whole model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from cornucopia.core.config import Config
from cornucopia.core.device import choose_dtype
from cornucopia.core.errors import ConfigError
from cornucopia.models.load import Base
from cornucopia.models.memory import MemoryEstimate, Shape, Step


class WeightsMethod:
    """A `Method` but for `apply` and `memory`. What is trained is held in float32."""

    Settings: type[Config] = Config
    quantised = False
    packs = True
    recomputes = True
    leaves: Literal["adapter", "model"] = "model"

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def begin_from(self, adapter: Path) -> dict[str, Any]:
        """Refuse: an adapter changes no weight of the model."""
        raise ConfigError(
            f"{self.recipe.method} 训练的是模型自己的权重，不能以适配器为起点",
            where=str(adapter),
            fix="改用 --method lora；或先 cornucopia export 把适配器合并进基座，再以它为基座",
        )

    def apply_start(self, base: Base, adapter: Path) -> Any:
        """Refuse, as `begin_from`."""
        return self.begin_from(adapter)

    def apply(self, model: Any) -> Any:
        """The model with what is trained switched on."""
        raise NotImplementedError

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """Memory of a step."""
        raise NotImplementedError

    def trained(self, model: Any) -> dict[str, Any]:
        """The parameters that change, by name."""
        return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def rate(self, name: str) -> float:
        """One for all."""
        return 1.0

    def save(self, model: Any, folder: Path) -> None:
        """The whole model, each tensor in the type it has in training."""
        model.save_pretrained(str(folder))

    def load(self, model: Any, folder: Path) -> None:
        """All tensors of a checkpoint."""
        from safetensors.torch import load_file

        tensors: dict[str, Any] = {}
        for file in sorted(folder.glob("*.safetensors")):
            tensors |= load_file(str(file))
        model.load_state_dict(tensors, strict=False)  # tied tensors are written once

    def finish(self, model: Any, folder: Path, base: Base) -> None:
        """The model in the type the recipe wants it stored in."""
        model.to(self.stored_dtype()).save_pretrained(str(folder))

    def stored_dtype(self) -> Any:
        """save_dtype, or else dtype as a CPU would have it."""
        recipe = self.recipe
        return choose_dtype(recipe.dtype if recipe.save_dtype == "auto" else recipe.save_dtype, "cpu", 0)
