"""A model shared out over the processes (FSDP2: PyTorch's fully_shard): each holds a part of every parameter.

Parameters are shared out block by block, so that one block at a time is whole; gradients and AdamW's moments follow
them. Checkpoints and results are gathered and are those of one process, so that any number of processes, with or
without sharing, goes on from them. Knows nothing of the loop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cornucopia.training.run import ranks
from cornucopia.training.run.fast import base_of


def shard(model: Any, device: str, offload: bool) -> Any:
    """Share out a model's parameters; done before there is an optimizer.

    Args:
        model: on the CPU, the same on every process.
        device: what is computed on: "cpu" or "cuda".
        offload: the parts lie in the machine's memory and come to the card when they are needed.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import CPUOffloadPolicy, OffloadPolicy, fully_shard

    base = base_of(model)
    kinds = set(getattr(base, "_no_split_modules", None) or ())
    settings: dict[str, Any] = {
        "mesh": init_device_mesh(device.split(":")[0], (ranks.world(),)),
        "offload_policy": CPUOffloadPolicy() if offload else OffloadPolicy(),
        "reshard_after_forward": True,  # of the rest too: its parameters are parts whenever no pass runs
    }
    for module in list(base.modules()):
        if type(module).__name__ in kinds:
            fully_shard(module, **settings)
    made = fully_shard(model, **settings)
    # accelerate has FSDP2 for cards alone, and would put this model into DDP; so it is told that all is done.
    made._is_accelerate_prepared = True
    return made


def is_shared_out(model: Any) -> bool:
    """Whether `shard` has shared it out."""
    from torch.distributed.fsdp import FSDPModule

    return isinstance(model, FSDPModule)


@contextmanager
def gathered(model: Any, everything: bool, write: bool = False) -> Iterator[None]:
    """Within it parameters are whole: on the first process, for saving; to be written on all of them.

    Every process must come here.

    Args:
        model: shared out or not; nothing is done to one that is not.
        everything: frozen parameters too.
        write: afterwards the parts have the values that the whole ones have got.
    """
    import torch

    parts: list[tuple[Any, str, Any]] = []
    whole: dict[int, Any] = {}
    for module in model.modules():
        for name, value in module._parameters.items():
            if is_part(value) and (everything or value.requires_grad):
                parts.append((module, name, value))
                if id(value) not in whole:  # tied parameters stay one
                    full = together(value)
                    whole[id(value)] = torch.nn.Parameter(full, value.requires_grad) if _wanted(write) else None
    if _wanted(write):
        for module, name, value in parts:
            module._parameters[name] = whole[id(value)]
    hooks = {module: module._load_state_dict_post_hooks for module in model.modules()} if parts else {}
    try:
        for module in hooks:  # FSDP2's, which take what is loaded for parts
            module._load_state_dict_post_hooks = OrderedDict()
        yield
        if write:
            for value in {id(value): value for _, _, value in parts}.values():
                own_part(value.detach()).copy_(own_part(share(whole[id(value)].detach(), value)))
    finally:
        for module, kept in hooks.items():
            module._load_state_dict_post_hooks = kept
        for module, name, value in parts:
            module._parameters[name] = value


def is_part(value: Any) -> bool:
    """Whether a tensor is shared out."""
    from torch.distributed.tensor import DTensor

    return isinstance(value, DTensor)


def together(part: Any) -> Any:
    """The whole of a tensor that is shared out, on the CPU; every process must ask for it."""
    part = part.detach()
    return part.to(part.device_mesh.device_type).full_tensor().cpu()


def share(whole: Any, like: Any) -> Any:
    """This process's part of a tensor that every process has, shared out as another is."""
    from torch.distributed.tensor import distribute_tensor

    part = distribute_tensor(
        whole.to(like.device_mesh.device_type), like.device_mesh, like.placements, src_data_rank=None
    )
    return part.to(like.device)


def own_part(value: Any) -> Any:
    """What this process holds of a tensor."""
    return value.to_local() if is_part(value) else value


def whole_state(optimizer: Any) -> dict[str, Any]:
    """The optimizer's state as one process would have it, on the first process; every process must ask for it."""

    def whole(value: Any) -> Any:
        full = together(value) if is_part(value) else value
        return full if ranks.is_first() else None

    kept = optimizer.state_dict()
    states = {number: {name: whole(value) for name, value in state.items()} for number, state in kept["state"].items()}
    return {**kept, "state": states}


def shared_state(kept: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    """An optimizer's state as one process has it, shared out as the optimizer's parameters are."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, state in kept["state"].items():
        parameter = parameters[number]
        for name, value in state.items():
            if is_part(parameter) and value.shape == parameter.shape:
                state[name] = share(value, parameter)
    return kept


def _wanted(write: bool) -> bool:
    return write or ranks.is_first()
