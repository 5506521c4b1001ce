"""Downloads a repository of a model hub into a folder: which files, whether they fit, what is already there.

`pull` is the one door. It knows repositories and files, not which models are good or where they belong (models/ does).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pydantic

from cornucopia.core import hub_api, hub_transfer
from cornucopia.core.console import Progress, say
from cornucopia.core.errors import HubError, Interrupted, reason
from cornucopia.core.hub_api import Listing, RemoteFile, RepoKind
from cornucopia.core.hub_patience import Crew
from cornucopia.core.jsonl import write_json

if TYPE_CHECKING:
    import httpx

MARKER = ".cornucopia-download.json"
WORKERS = 3  # files at a time
SPARE = 200_000_000  # bytes left free on the disk
Agree = Callable[[int], bool]  # asked with the bytes to be fetched
_ABOUT = ("*.md", "LICENSE*", "LICENCE*", "NOTICE*", "*POLICY*")
_TEXT = ("*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja", "*.vocab", *_ABOUT)
_WEIGHTS = ("*.safetensors", "*.bin", "*.gguf", "*.pth", "*.pt", "*.onnx", "*.h5", "*.msgpack")
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
    weights: bool = True,
    kind: RepoKind = "models",
    agree: Agree = lambda size: True,
) -> None:
    """Bring `repo` into `target`; a finished download is only looked over, an unfinished one goes on.

    Args:
        repo: "org/name".
        hub: "hf", "mirror" or "modelscope".
        revision: branch, tag or commit; None is the hub's default.
        include: further file patterns.
        weights: False brings configuration, tokenizer and texts only, and no marker: the model is not whole.
        kind: of a data set only the files that `include` names are taken.
        agree: asked with the bytes to be fetched, after they have been shown; False stops.

    Raises:
        HubError: on any refusal; what has arrived is kept. Interrupted: on Ctrl-C or when `agree` says no.
    """
    include = sorted(include or [])
    kept = read_marker(target)
    if kept and kept.repo != repo:
        fix = f"加 --dir 指定别的目录，或先删除 {target}"
        raise HubError("目标目录里已经是另一个仓库", where=str(target), found=kept.repo, fix=fix)
    if kept and _serves(kept, revision, include) and intact(target, kept):
        say(f"{repo} 已完整（{len(kept.files)} 个文件，{human(sum(f.size for f in kept.files))}）：{target}")
        return
    if hub_api.offline():
        fix = "unset HF_HUB_OFFLINE 后再运行；或改用自带小模型 base_models/nano"
        raise HubError("离线模式（HF_HUB_OFFLINE）下不能下载", where=repo, fix=fix)
    with hub_api.client(hub) as web, _only_one(target):
        (listing,) = Crew(1).run(
            [lambda: hub_api.list_files(web, hub, repo, revision, kind)], _hung(hub, hub_api.LISTING_NAME)
        )
        wanted = choose(listing.files, include) if kind == "models" else _named(listing, include)
        _check_wanted(listing, wanted, target)
        if not weights:
            wanted = [file for file in wanted if not any(fnmatch(file.name, pattern) for pattern in _WEIGHTS)]
        files = _bring(web, listing, wanted, target, agree)
    if weights:
        marker = Marker(
            hub=hub,
            repo=repo,
            revision=listing.revision,
            requested=revision or "",
            include=include,
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            files=files,
        )
        write_json(target / MARKER, marker.model_dump())
        for stale in target.rglob("*.part"):
            stale.unlink()
    say(f"下载完成，校验无误：{target}")


def _named(listing: Listing, include: list[str]) -> list[RemoteFile]:
    found = [file for file in listing.files if any(fnmatch(file.name, pattern) for pattern in include)]
    if not found:
        held = "、".join(file.name for file in listing.files[:8]) or "空仓库"
        raise HubError(f"仓库里没有 {'、'.join(include)}", where=listing.repo, found=held, fix="换一个站：--hub")
    return found


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
    web: httpx.Client, listing: Listing, wanted: list[RemoteFile], target: Path, agree: Agree
) -> list[MarkedFile]:
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
    return [MarkedFile(name=f.name, size=(target / f.name).stat().st_size, sha256=done[f.name]) for f in wanted]


def _fetch_all(web: httpx.Client, listing: Listing, missing: list[RemoteFile], target: Path) -> dict[str, str]:
    """Fetch several files at a time; returns name -> SHA-256."""
    lock, gained = threading.Lock(), 0
    total = max(sum(max(file.size, 0) for file in missing) // 1_000_000, 1)
    crew = Crew(WORKERS)
    with Progress(f"下载 {listing.repo.split('/')[-1]}（MB）", total) as bar:

        def count(size: int) -> None:
            nonlocal gained
            with lock:
                gained += size
                if (now := min(gained // 1_000_000, total)) != bar.done:
                    bar.update(now)

        transfer = hub_transfer.Transfer(web, listing, count, crew)
        jobs = [partial(transfer.fetch, file, target / file.name) for file in missing]
        try:
            sums = crew.run(jobs, _hung(listing.hub, listing.repo))
        except KeyboardInterrupt:
            raise Interrupted("下载已中断，进度已保存", where=str(target), fix="再运行同一条命令即可续传") from None
        except OSError as error:
            where, found = str(error.filename or ""), reason(error)
            raise HubError("写不进磁盘", where=where, found=found, fix="清出空间或换 --dir") from None
    return dict(zip((file.name for file in missing), sums, strict=True))


def _hung(hub: str, name: str) -> HubError:
    fix = f"{hub_api.other_hub(hub)}；已下载的部分会保留，再运行同一条命令即可续传"
    return HubError("很久没有进展，已停下", where=f"{name}（{hub_api.endpoint(hub)}）", fix=fix)


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
