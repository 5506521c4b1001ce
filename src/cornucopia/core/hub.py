"""Downloads a repository of a model hub into a folder: which files, whether they fit, what is already there.

`pull` is the one door. It knows repositories and files, not which models are good or where they belong (models/ does).
huggingface_hub is not used here: it reads HF_ENDPOINT when it is imported, compares sizes but not SHA-256, and does not
speak to ModelScope.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pydantic

from cornucopia.core import hub_api, hub_transfer
from cornucopia.core.console import Progress, say
from cornucopia.core.errors import HubError, Interrupted, reason
from cornucopia.core.hub_api import Listing, RemoteFile
from cornucopia.core.jsonl import write_json

MARKER = ".cornucopia-download.json"
WORKERS = 4  # files at a time
SPARE = 200_000_000  # bytes left free on the disk
Agree = Callable[[int], bool]  # asked with the bytes to be fetched
_ABOUT = ("*.md", "LICENSE*", "LICENCE*", "NOTICE*", "*POLICY*")
_TEXT = ("*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja", "*.vocab", *_ABOUT)
_PICKLED = ("pytorch_model*.bin", "adapter_model*.bin", "model*.bin")


class MarkedFile(pydantic.BaseModel):
    """One file of a finished download."""

    name: str
    size: int
    sha256: str


class Marker(pydantic.BaseModel):
    """What `.cornucopia-download.json` says; it is written only when everything has arrived."""

    hub: str
    repo: str
    revision: str
    requested: str = ""
    include: list[str] = []
    finished: str = ""
    files: list[MarkedFile]


def read_marker(folder: Path) -> Marker | None:
    """The marker of a finished download, or None if there is none that can be read."""
    try:
        return Marker.model_validate_json((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, pydantic.ValidationError):
        return None


def intact(folder: Path, marker: Marker) -> bool:
    """Whether every marked file is there with its size (quick: nothing is hashed)."""
    paths = [(folder / file.name, file.size) for file in marker.files]
    return bool(paths) and all(path.is_file() and path.stat().st_size == size for path, size in paths)


def choose(files: list[RemoteFile], include: list[str]) -> list[RemoteFile]:
    """The files worth having: text, and safetensors; pickled weights only where there is nothing else.

    Args:
        include: more shell patterns to take, such as "*.gguf"; these are taken wherever they are.

    Code, other frameworks' weights and sub-folders (checkpoints, `original/`, `onnx/`) are left.
    """
    root = [file for file in files if "/" not in file.name or file.name.startswith("additional_chat_templates/")]
    safe = [file for file in root if file.name.endswith(".safetensors")]
    if any(not file.name.startswith("consolidated") for file in safe):
        safe = [file for file in safe if not file.name.startswith("consolidated")]
    weights = safe or [file for file in root if any(fnmatch(file.name, pattern) for pattern in _PICKLED)]
    text = [file for file in root if any(fnmatch(file.name, pattern) for pattern in _TEXT)]
    text = [file for file in text if not (safe and file.name.endswith(".bin.index.json"))]
    asked = [file for file in files if any(fnmatch(file.name, pattern) for pattern in include)]
    return list({file.name: file for file in [*text, *weights, *asked]}.values())


def pull(
    repo: str,
    target: Path,
    *,
    hub: str,
    revision: str | None = None,
    include: list[str] | None = None,
    agree: Agree = lambda size: True,
) -> Marker:
    """Bring `repo` into `target`; a finished download is only looked over, an unfinished one goes on.

    Args:
        repo: "org/name".
        hub: "hf", "mirror" or "modelscope".
        revision: branch, tag or commit; None is the hub's default.
        include: further file patterns.
        agree: asked with the bytes to be fetched, after they have been shown; False stops.

    Raises:
        HubError: on any refusal; what has arrived is kept. Interrupted: on Ctrl-C or when `agree` says no.
    """
    include = sorted(include or [])
    kept = read_marker(target)
    if kept and kept.repo != repo:
        fix = f"加 --dir 指定别的目录，或先删除 {target}"
        raise HubError("目标目录里已经是另一个模型", where=str(target), found=kept.repo, fix=fix)
    if kept and _serves(kept, revision, include) and intact(target, kept):
        say(f"{repo} 已完整（{len(kept.files)} 个文件，{human(sum(f.size for f in kept.files))}）：{target}")
        return kept
    if hub_api.offline():
        fix = "unset HF_HUB_OFFLINE 后再运行；或改用自带小模型 base_models/nano"
        raise HubError("离线模式（HF_HUB_OFFLINE）下不能下载", where=repo, fix=fix)
    with hub_api.client(hub) as web, _only_one(target):
        listing = hub_api.list_files(web, hub, repo, revision)
        wanted = choose(listing.files, include)
        _check_wanted(listing, wanted, target)
        return _bring(web, listing, wanted, target, revision or "", include, agree)


def _serves(kept: Marker, revision: str | None, include: list[str]) -> bool:
    return revision in (None, kept.requested, kept.revision) and set(include) <= set(kept.include)


def _check_wanted(listing: Listing, wanted: list[RemoteFile], target: Path) -> None:
    for file in wanted:
        hub_transfer.safe_path(target, file.name)
    if all(any(fnmatch(file.name, pattern) for pattern in _ABOUT) for file in wanted):
        kinds = sorted({Path(file.name).suffix for file in listing.files if Path(file.name).suffix})
        raise HubError(
            "仓库里没有能用的权重文件",
            where=listing.repo,
            found="、".join(kinds[:12]) or "空仓库",
            fix="用 --include '*.gguf' 之类指定要下载的文件",
        )


def _bring(
    web: Any, listing: Listing, wanted: list[RemoteFile], target: Path, requested: str, include: list[str], agree: Agree
) -> Marker:
    done = {file.name: digest for file in wanted if (digest := hub_transfer.present(target / file.name, file))}
    missing = sorted((file for file in wanted if file.name not in done), key=lambda file: file.size)
    left = sum(max(file.size, 0) - _part_size(target, file) for file in missing)
    total = sum(max(file.size, 0) for file in wanted)
    _check_disk(target, left)
    if missing:
        already = f"，已有 {human(total - left)}" if total > left else ""
        say(f"{listing.repo}（{hub_api.endpoint(listing.hub)}）：{len(wanted)} 个文件，共 {human(total)}{already}")
        say(f"存到 {target}")
        if not agree(left):
            raise Interrupted("没有下载", where=listing.repo, fix="同意下载请加 --yes")
    target.mkdir(parents=True, exist_ok=True)
    done.update(_fetch_all(web, listing, missing, target))
    files = [MarkedFile(name=f.name, size=(target / f.name).stat().st_size, sha256=done[f.name]) for f in wanted]
    marker = Marker(
        hub=listing.hub,
        repo=listing.repo,
        revision=listing.revision,
        requested=requested,
        include=include,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        files=files,
    )
    write_json(target / MARKER, marker.model_dump())
    for stale in target.rglob("*.part"):
        stale.unlink()
    say(f"下载完成，校验无误：{target}")
    return marker


def _fetch_all(web: Any, listing: Listing, missing: list[RemoteFile], target: Path) -> dict[str, str]:
    """Fetch several files at a time; returns name -> SHA-256."""
    stop, lock, gained = threading.Event(), threading.Lock(), 0
    total = max(sum(max(file.size, 0) for file in missing) // 1_000_000, 1)
    with Progress(f"下载 {listing.repo.split('/')[-1]}（MB）", total) as bar, ThreadPoolExecutor(WORKERS) as pool:

        def count(size: int) -> None:
            nonlocal gained
            with lock:
                gained += size
                if (now := min(gained // 1_000_000, total)) != bar.done:
                    bar.update(now)

        def work(file: RemoteFile) -> str:
            return hub_transfer.fetch(web, listing.hub, listing.repo, file, target / file.name, count, stop)

        jobs = {pool.submit(work, file): file for file in missing}
        try:
            wait(jobs, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            raise Interrupted("下载已中断，进度已保存", where=str(target), fix="再运行同一条命令即可续传") from None
        finally:
            if _unfinished(jobs):
                stop.set()
            pool.shutdown(cancel_futures=True)
        return _results(jobs)


def _unfinished(jobs: dict[Future[str], RemoteFile]) -> bool:
    return any(not job.done() or job.exception() for job in jobs)


def _results(jobs: dict[Future[str], RemoteFile]) -> dict[str, str]:
    """Name -> SHA-256; the first real failure is raised, not the stop that it caused in the others."""
    failures = [job.exception() for job in jobs if job.done() and not job.cancelled() and job.exception()]
    for failure in sorted(failures, key=lambda error: isinstance(error, hub_transfer.Stopped)):
        if isinstance(failure, OSError):
            where, found = str(failure.filename or ""), reason(failure)
            raise HubError("写不进磁盘", where=where, found=found, fix="清出空间或换 --dir") from None
        raise failure  # type: ignore[misc]
    return {file.name: job.result() for job, file in jobs.items()}


def _part_size(target: Path, file: RemoteFile) -> int:
    part = hub_transfer.part_path(target / file.name, file)
    return min(part.stat().st_size, max(file.size, 0)) if part.is_file() else 0


def _check_disk(target: Path, need: int) -> None:
    place = next(folder for folder in (target, *target.resolve().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if need and free < need + SPARE:
        found = f"需要 {human(need)}，只剩 {human(free)}"
        raise HubError("磁盘空间不够", where=str(place), found=found, fix="清出空间，或用 --dir 放到别的磁盘")


@contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows: two downloads at once are then caught by the hash.
        yield
        return
    mark = hashlib.sha256(str(target.resolve()).encode()).hexdigest()[:16]
    with Path(tempfile.gettempdir(), f"cornucopia-{os.getuid()}-{mark}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HubError("另一个进程正在下载到同一目录", where=str(target), fix="等它结束，或加 --dir") from None
        yield


def human(size: float) -> str:
    """Bytes as 12.3 GB, 45.6 MB or 789 KB (powers of ten)."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} KB"
