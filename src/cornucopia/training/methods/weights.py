"""Methods that change the model's own weights and leave a whole model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cornucopia.core.device import choose_dtype
from cornucopia.core.errors import ConfigError
from cornucopia.models.load import Base, save_weights
from cornucopia.training.methods.method import MethodBase


class WeightsMethod(MethodBase):
    """A `Method` but for `apply` and `memory`. What is trained is held in float32."""

    quantised = False
    leaves = "model"

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

    def save(self, model: Any, folder: Path) -> None:
        """The whole model, each tensor in the type it has in training."""
        save_weights(model, folder)

    def load(self, model: Any, folder: Path) -> None:
        """All tensors of a checkpoint."""
        from safetensors.torch import load_file

        tensors: dict[str, Any] = {}
        for file in sorted(folder.glob("*.safetensors")):
            tensors |= load_file(str(file))
        model.load_state_dict(tensors, strict=False)  # tied tensors are written once

    def finish(self, model: Any, folder: Path, base: Base) -> None:
        """The model in the type the recipe wants it stored in."""
        dtype = self.stored_dtype()
        for tensor in (*model.parameters(), *model.buffers()):  # not model.to: a model that was shared out has its own
            tensor.data = tensor.data.to(dtype) if tensor.is_floating_point() else tensor.data
        save_weights(model, folder)

    def stored_dtype(self) -> Any:
        """save_dtype, or else dtype as a CPU would have it."""
        recipe = self.recipe
        return choose_dtype(recipe.dtype if recipe.save_dtype == "auto" else recipe.save_dtype, "cpu", 0)
