"""Methods that leave the base as it is and put a PEFT adapter beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cornucopia.adapters.load import attach, read_weights
from cornucopia.models.load import Base
from cornucopia.models.scorer import is_scorer
from cornucopia.training.methods.method import MethodBase


def public_name(base: str) -> str:
    """A base as the user named it; of a path that holds on this machine alone, its last part."""
    path = Path(base)
    return path.name if path.is_absolute() or ".." in path.parts else base


def task_of(model: Any) -> str:
    """PEFT's name of what the model does; a reward model's head is trained and saved with the adapter."""
    return "SEQ_CLS" if is_scorer(model) else "CAUSAL_LM"


class AdapterMethod(MethodBase):
    """A `Method` but for `begin_from`, `apply` and `memory`."""

    quantised = True
    leaves = "adapter"

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
