"""What a method is: what of a model changes in training, whatever is learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from cornucopia.core.config import Config
from cornucopia.models.load import Base
from cornucopia.models.memory import MemoryEstimate, Shape, Step


class Method(Protocol):
    """One way to change a model; made as `Kind(recipe)`.

    `methods.adapter.AdapterMethod` and `methods.weights.WeightsMethod` have everything but `apply` and `memory`.

    Attributes:
        about: a few Chinese words for the help text.
        Settings: the method's own settings; they become part of every recipe, and decide only its own runs.
        quantised: the base may be quantised.
        packs: documents may share a row without padding.
        recomputes: activations may be recomputed in the backward pass.
        refers: it can give the model as it was at the start.
        leaves: what its output folder is.
    """

    about: str
    Settings: type[Config]
    quantised: bool
    packs: bool
    recomputes: bool
    refers: bool
    leaves: Literal["adapter", "model"]

    def begin_from(self, adapter: Path) -> dict[str, Any]:
        """Settings of the recipe that a finished adapter given as start decides.

        Raises:
            ConfigError: this method has no use for an adapter.
        """
        ...

    def apply(self, model: Any) -> Any:
        """The model to be trained: what changes requires a gradient, nothing else does.

        Args:
            model: as loaded, or with empty weights (on the meta device), which only tells what would be trained.

        Raises:
            ConfigError: a setting names what the model does not have.
        """
        ...

    def apply_start(self, base: Base, adapter: Path) -> Any:
        """The same from a finished adapter, which `begin_from` has accepted."""
        ...

    def trained(self, model: Any) -> dict[str, Any]:
        """The parameters that change, by name."""
        ...

    def reference(self, model: Any) -> Callable[[], AbstractContextManager[None]]:
        """Remember the values of what changes; within a context that the result opens the model has them.

        The model is not trained meanwhile: no dropout, and nothing that is computed may be differentiated.
        """
        ...

    def rate(self, name: str) -> float:
        """Factor of the learning rate of a trained parameter."""
        ...

    def save(self, model: Any, folder: Path) -> None:
        """Write what `load` needs, exactly: a checkpoint."""
        ...

    def load(self, model: Any, folder: Path) -> None:
        """Put a checkpoint's values into the model that `apply` returned."""
        ...

    def finish(self, model: Any, folder: Path, base: Base) -> None:
        """Write the result: an adapter, or a model folder without its tokenizer."""
        ...

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """Memory of a step; of `step` only what the method decides is not filled in."""
        ...


class MethodBase:
    """What most methods have in common.

    Args:
        recipe: the run's.
    """

    Settings: type[Config] = Config
    packs = True
    recomputes = True
    refers = True
    leaves: Literal["adapter", "model"]

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def apply(self, model: Any) -> Any:
        """See `Method`."""
        raise NotImplementedError

    def memory(self, shape: Shape, step: Step) -> MemoryEstimate:
        """See `Method`."""
        raise NotImplementedError

    def trained(self, model: Any) -> dict[str, Any]:
        """What requires a gradient."""
        return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}

    def reference(self, model: Any) -> Callable[[], AbstractContextManager[None]]:
        """A copy of what changes is kept, and put in its place."""
        kept = [parameter.detach().clone() for parameter in self.trained(model).values()]

        @contextmanager
        def at_the_start() -> Iterator[None]:
            training, trained = model.training, list(self.trained(model).values())
            exchange(trained, kept)
            model.eval()
            try:
                yield
            finally:
                model.train(training)
                exchange(trained, kept)

        return at_the_start

    def rate(self, name: str) -> float:
        """The recipe's learning rate for every parameter."""
        return 1.0


def exchange(parameters: list[Any], values: list[Any]) -> None:
    """Swap the parameters' values for others: without a copy, but where each process holds only its part of them."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    for place, (parameter, value) in enumerate(zip(parameters, values, strict=True)):
        if not isinstance(parameter, DTensor):
            parameter.data, values[place] = value, parameter.data
            continue
        if not isinstance(value, DTensor):
            value = values[place] = distribute_tensor(
                value, parameter.device_mesh, parameter.placements, src_data_rank=None
            )
        local: Any = parameter.detach()
        own, other = local.to_local(), value.to_local()
        before = own.clone()
        own.copy_(other)
        other.copy_(before)
