"""Methods that leave the base as it is and put a PEFT adapter beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from cornucopia.adapters.load import attach, read_weights
from cornucopia.core.config import Config
from cornucopia.models.load import Base
from cornucopia.models.memory import MemoryEstimate, Shape, Step


def public_name(base: str) -> str:
    """A base as the user named it; of a path that holds on this machine alone, its last part."""
    path = Path(base)
    return path.name if path.is_absolute() or ".." in path.parts else base


class AdapterMethod:
    """A `Method` but for `begin_from`, `apply` and `memory`."""

    Settings: type[Config] = Config
    quantised = True
    packs = True
    recomputes = True
    leaves: Literal["adapter", "model"] = "adapter"

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def apply(self, model: Any) -> Any:
        """The model with a new adapter."""
        raise NotImplementedError

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """Memory of a step."""
        raise NotImplementedError

    def apply_start(self, base: Base, adapter: Path) -> Any:
        """The base with the adapter, whose own parameters are trained further."""
        self.prepare(base.model)
        model = attach(base.model, base, adapter, "default")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(".default" in name)
        return model.train()

    def prepare(self, model: Any) -> None:
        """Let gradients reach the lowest adapter where activations are recomputed: nothing below it asks for any."""
        if self.recipe.gradient_checkpointing:
            model.enable_input_require_grads()

    def trained(self, model: Any) -> dict[str, Any]:
        """The adapter's parameters."""
        return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def rate(self, name: str) -> float:
        """One for all."""
        return 1.0

    def save(self, model: Any, folder: Path) -> None:
        """The adapter, naming its base as the user did; the base's embeddings never go with it."""
        model.peft_config["default"].base_model_name_or_path = public_name(self.recipe.base)
        model.save_pretrained(str(folder), save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's blank; the run writes its own

    def load(self, model: Any, folder: Path) -> None:
        """The adapter's weights."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, read_weights(folder), adapter_name="default")

    def finish(self, model: Any, folder: Path, base: Base) -> None:
        """The adapter."""
        self.save(model, folder)
