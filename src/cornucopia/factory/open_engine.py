"""The engine that a recipe names."""

from __future__ import annotations

import os

from cornucopia.factory.engines import Engine, InProcess, Processes
from cornucopia.factory.ray_engine import RayEngine


def open_engine(name: str, workers: int) -> Engine:
    """
    Args:
        name: processes or ray.
        workers: number of processes, 0 for one a core.

    Raises:
        ConfigError: Ray is not installed.
    """
    if name == "ray":
        return RayEngine(workers)
    count = workers or _cores()
    return Processes(count) if count > 1 else InProcess()


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
