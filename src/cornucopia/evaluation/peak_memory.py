"""How much memory this program takes at the most between two moments, its own processes together and on GPUs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any


class PeakMemory:
    """Counts from its making: `host` and `card` give the highest since then, in bytes."""

    def __init__(self) -> None:
        for process in _family():
            with contextlib.suppress(OSError):
                (process / "clear_refs").write_text("5", encoding="utf-8")
        for card in _cards():
            _cuda().reset_peak_memory_stats(card)

    @property
    def host(self) -> int:
        """Of this process and those it started, weights mapped from files among them; 0 where the system does not
        tell (only Linux does)."""
        return sum(map(_highest, _family()))

    @property
    def card(self) -> int:
        """Of all GPUs that this process uses; 0 without."""
        return int(sum(_cuda().max_memory_allocated(card) for card in _cards()))


def _family() -> list[Path]:
    import psutil

    found = psutil.Process()
    with contextlib.suppress(psutil.Error):
        return [Path("/proc") / str(one.pid) for one in (found, *found.children(recursive=True))]
    return []


def _highest(process: Path) -> int:
    with contextlib.suppress(OSError):
        for line in (process / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _cards() -> range:
    """GPUs, if torch has been asked for any."""
    cuda = _cuda()
    return range(cuda.device_count()) if cuda and cuda.is_initialized() else range(0)


def _cuda() -> Any:
    torch = sys.modules.get("torch")
    return torch and torch.cuda
