"""Jobs on Ray: on this machine, or on the cluster that RAY_ADDRESS names, whose machines see the same folders."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from cornucopia.core.errors import ConfigError, CornucopiaError, first_line
from cornucopia.factory.engines import Work

_TRIES = 3  # times that a job is done again after its worker was lost
_AHEAD = 2  # jobs handed out for each processor


class RayEngine:
    """See the module.

    Args:
        workers: processors to use when Ray is started here, 0 for all.

    Raises:
        ConfigError: Ray is not installed.
    """

    def __init__(self, workers: int) -> None:
        if importlib.util.find_spec("ray") is None:
            fix = 'pip install "cornucopia-fin[ray]"（在源码目录：pip install -e ".[ray]"），或 engine: processes'
            raise ConfigError("没有安装 Ray", fix=fix)
        self._workers = workers
        self._started: Any = None  # the module, once Ray was started here

    def _ray(self) -> Any:
        """The module, connected.

        Raises:
            ConfigError: there is no such cluster.
        """
        import ray

        if ray.is_initialized():
            return ray
        address = os.environ.get("RAY_ADDRESS")
        settings: dict[str, Any] = {"address": address} if address else {"num_cpus": self._workers or None}
        if not address:  # what this process can import, a worker can: a cluster's machines have their own places
            settings["runtime_env"] = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}}
            settings["include_dashboard"] = False
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            fix = "检查 RAY_ADDRESS 和集群（ray status），或 engine: processes"
            raise ConfigError("连不上 Ray", where=address or "本机", found=first_line(error), fix=fix) from None
        self._started = ray
        return ray

    def run(self, work: Work, jobs: Iterable[Any]) -> Iterator[Any]:
        """
        Raises:
            ConfigError: there is no such cluster.
            CornucopiaError: workers were lost again and again.
        """
        ray = self._ray()
        task = ray.remote(max_retries=_TRIES)(work)
        room = _AHEAD * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        left, running = iter(jobs), list[Any]()
        while True:
            while len(running) < room and (job := next(left, None)) is not None:
                running.append(task.remote(job))
            if not running:
                return
            done, running = ray.wait(running)
            for one in done:
                try:
                    result = ray.get(one)
                except ray.exceptions.RayError as error:
                    fix = "看 ray status 和各机的内存、磁盘，再运行同一条命令：做完的不会重做"
                    raise CornucopiaError("Ray 的工作进程接连丢失", found=first_line(error), fix=fix) from None
                yield result

    def close(self, *, now: bool = False) -> None:
        """Ray is stopped if it was started here."""
        if self._started:
            self._started.shutdown()
            self._started = None
