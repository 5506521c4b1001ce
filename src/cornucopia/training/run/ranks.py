"""Several processes of one run (torchrun): the first decides and writes, the others follow and are quiet."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from cornucopia.core.errors import CornucopiaError, first_line

T = TypeVar("T")
_BROKEN = (  # as gloo tells that a process at the other end is gone, or does not answer
    "Connection closed by peer", "Connection reset by peer", "Broken pipe", "Connection refused", "Timed out waiting",
    "pair closure", "Socket closed",
)  # fmt: skip


def world() -> int:
    """Processes of this run."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return rank() == 0


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


def total_of(value: float) -> float:
    """The sum over all processes."""
    if world() == 1:
        return value
    import torch
    from accelerate import PartialState

    total = torch.tensor(float(value), device=PartialState().device)
    torch.distributed.all_reduce(total)
    return float(total)


def is_lost(error: BaseException) -> bool:
    """Whether an error says that another process is gone: killed, out of memory, or ended by an error of its own."""
    if world() == 1 or not isinstance(error, RuntimeError):
        return False
    import torch

    return isinstance(error, torch.distributed.DistError) or any(words in str(error) for words in _BROKEN)


def lost(error: BaseException, where: str) -> CornucopiaError:
    """The error of a process that is left behind.

    Args:
        error: that `is_lost` has accepted.
        where: the output folder.
    """
    return CornucopiaError(
        f"另一个进程没了（被杀、内存耗尽或它自己报错），第 {rank()} 个进程（从 0 数，共 {world()} 个）也停下",
        where=where,
        found=first_line(error, 100),
        fix="先看上面各进程的报错；再用同样的命令加 --resume，从最后一个完整的检查点接着练，进程数可以不同",
    )
