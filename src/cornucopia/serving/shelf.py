"""The models of a server: each id's engine, loaded when it is first asked for, let go when another needs the room.

Ids that stand on one base in memory (adapters) are loaded together and share one worker. An id is looked up in a table
made at the start; nothing that comes by HTTP names a file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cornucopia.core.console import say, warn
from cornucopia.core.device import choose_device, free_bytes
from cornucopia.core.errors import CornucopiaError, nearest
from cornucopia.inference.engine import Engine
from cornucopia.inference.open_engine import kind_of
from cornucopia.inference.shared_model import free_memory
from cornucopia.models.find import find_model
from cornucopia.serving.problems import Problem
from cornucopia.serving.settings import ServedModel
from cornucopia.serving.worker import Worker

SHARE = 0.8  # of the memory that is free at the start
GB = 1e9


@dataclass
class Served:
    """One id, ready to answer.

    Args:
        name: the id.
        model: what the settings say of it.
        engine, worker: what answers, and the thread that it answers in.
    """

    name: str
    model: ServedModel
    engine: Engine
    worker: Worker


@dataclass
class _Group:
    """The ids that share one model in memory."""

    names: list[str]
    size: float  # bytes
    served: dict[str, Served] = field(default_factory=dict)  # empty while it is not loaded
    users: int = 0
    last: float = 0.0


class Shelf:
    """See the module.

    Args:
        table: every model by its id.
        memory_gb: most memory that models may take; by default SHARE of what is free.
        timeout: seconds that a request waits for room.
    """

    def __init__(self, table: Mapping[str, ServedModel], memory_gb: float | None = None, timeout: float = 600) -> None:
        self.table = dict(table)
        self._room = memory_gb * GB if memory_gb else SHARE * free_bytes(choose_device())
        self._timeout = timeout
        self._groups = _groups(self.table)
        self._loading = asyncio.Lock()
        self._freed = asyncio.Event()

    @property
    def loaded(self) -> list[str]:
        """The ids in memory."""
        return [name for name, group in self._groups.items() if group.served]

    def served(self, name: str) -> Served | None:
        """The model of an id of the table, if it is in memory."""
        return self._groups[name].served.get(name)

    def waiting(self, name: str) -> int:
        """How many requests a model has in work or waiting."""
        served = self.served(name)
        return served.worker.waiting if served else 0

    def find(self, name: str) -> ServedModel:
        """What the settings say of an id.

        Raises:
            Problem: 404.
        """
        if name not in self.table:
            close = nearest(name, self.table)
            fix = f"最接近的是 {close}" if close else "GET /v1/models 列出全部"
            raise Problem(404, f"没有这个模型：{name[:80]}；{fix}", param="model", code="model_not_found")
        return self.table[name]

    @asynccontextmanager
    async def lease(self, name: str) -> AsyncIterator[Served]:
        """A model that stays in memory while it is leased.

        Raises:
            Problem: no such model, it cannot be loaded, or there is no room for it.
        """
        self.find(name)
        group = self._groups[name]
        group.users += 1  # before the load: what is asked for is not let go meanwhile
        try:
            if not group.served:  # shielded: a caller who goes leaves the others, or the next one, a loaded model
                await asyncio.shield(asyncio.ensure_future(self._ensure(group)))
            group.last = time.monotonic()
            yield group.served[name]
        finally:
            group.users -= 1
            if not group.users:
                self._freed.set()

    async def close(self) -> None:
        """Let all models go."""
        for group in self._distinct():
            await self._unload(group)

    async def _ensure(self, group: _Group) -> None:
        async with self._loading:
            if not group.served:
                await self._load(group)

    def _distinct(self) -> list[_Group]:
        return list({id(group): group for group in self._groups.values()}.values())

    async def _load(self, group: _Group) -> None:
        await self._make_room(group)
        begun, names = time.monotonic(), "、".join(group.names)
        try:
            engines = await asyncio.to_thread(_open, [self.table[name] for name in group.names])
        except (CornucopiaError, MemoryError, RuntimeError, OSError) as error:
            warn(f"模型 {names} 载入失败：{error}")
            free_memory()
            message = f"模型 {group.names[0]} 载入失败，原因在服务器的日志里"
            raise Problem(503, message, param="model", code="model_not_loaded", wait=30) from None
        loop, workers = asyncio.get_running_loop(), list[Worker]()
        for name, engine in zip(group.names, engines, strict=True):
            worker = next((one for one in workers if one.serves(engine)), None)
            if worker is None:
                worker = await asyncio.to_thread(Worker, engine, loop)
                workers.append(worker)
            group.served[name] = Served(name, self.table[name], engine, worker)
        say(f"已载入 {names}，用了 {time.monotonic() - begun:.1f} 秒")

    async def _make_room(self, group: _Group) -> None:
        """Let idle models go, the one that was idle longest first, until this one fits; wait where all are busy."""
        deadline = time.monotonic() + self._timeout
        while (
            used := sum(other.size for other in self._distinct() if other.served)
        ) and used + group.size > self._room:
            idle = [other for other in self._distinct() if other.served and not other.users]
            if idle:
                await self._unload(min(idle, key=lambda other: other.last))
                continue
            self._freed.clear()
            try:
                await asyncio.wait_for(self._freed.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                message = f"内存装不下 {group.names[0]}：别的模型都在答题，稍后再试"
                raise Problem(503, message, param="model", code="no_room", wait=30) from None

    async def _unload(self, group: _Group) -> None:
        workers = {id(served.worker): served.worker for served in group.served.values()}
        group.served = {}
        for worker in workers.values():
            await asyncio.to_thread(worker.close)
        if workers:
            say(f"已请出 {'、'.join(group.names)}")
        free_memory()


def _open(models: Sequence[ServedModel]) -> Sequence[Engine]:
    specs = [model.engine_spec() for model in models]
    return kind_of(specs[0]).open(specs)


def _groups(table: Mapping[str, ServedModel]) -> dict[str, _Group]:
    """Each id's group; ids whose specs a kind finds equal are in one."""
    found: dict[str, _Group] = {}
    shared: dict[Hashable, _Group] = {}
    for name, model in table.items():
        spec = model.engine_spec()
        together = kind_of(spec).together(spec)
        key = name if together is None else (together,)
        group = shared.setdefault(key, _Group([], _size(model)))
        group.names.append(name)
        found[name] = group
    return found


def _size(model: ServedModel) -> float:
    """Bytes of a model's weights in memory, as its files have them; 0 for one behind an address."""
    if model.address[0]:
        return 0.0
    try:
        path = find_model(model.base) if not model.base.endswith(".gguf") else Path(model.base)
        files = [path] if path.is_file() else [*path.glob("*.safetensors"), *path.glob("pytorch_model*.bin")]
        return float(sum(file.stat().st_size for file in files))
    except (CornucopiaError, OSError):
        return 0.0  # what cannot be found is told when it is asked for
