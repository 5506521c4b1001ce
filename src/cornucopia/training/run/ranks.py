"""Several processes of one run (torchrun): the first decides and writes, the others follow and are quiet."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def world() -> int:
    """Processes of this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def join(device: str) -> None:
    """Meet the other processes; does nothing where there are none.

    Args:
        device: what is trained on: gloo connects CPUs, nccl GPUs.
    """
    if world() > 1:
        from accelerate import PartialState

        PartialState(cpu=True, backend="gloo") if device == "cpu" else PartialState()


def wait() -> None:
    """Wait until all processes are here."""
    if world() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()


def first_decides(decide: Callable[[], T]) -> T:
    """What the first process finds, on all of them; its errors too, so that none waits for one that has stopped."""
    if world() == 1:
        return decide()
    from accelerate.utils import broadcast_object_list

    outcome: list[Any] = [None, None]
    if is_first():
        try:
            outcome = [decide(), None]
        except Exception as error:  # raised below, on every process
            outcome = [None, error]
    broadcast_object_list(outcome, from_process=0)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


def any_of(value: bool) -> bool:
    """Whether it is true on any process."""
    if world() == 1:
        return value
    import torch
    from accelerate import PartialState

    flag = torch.tensor(int(value), device=PartialState().device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
    return bool(flag)
