"""The output folder: it appears whole or not at all, for it is written beside and then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cornucopia.core.errors import ConfigError, ModelError, first_line, reason
from cornucopia.core.hub import human

SPARE = 2**26  # bytes: tokenizer, configuration and what a file system needs for itself


def check_output(out: Path, sources: Sequence[Path], *, file: bool = False) -> Path:
    """The output as an absolute path, once nothing stands against writing it; nothing is changed.

    Args:
        out: as the user named it.
        sources: folders of base and adapters, which it must not lie in.
        file: it is to be one file, not a folder.

    Raises:
        ConfigError: it is there already (a folder: not empty), of the other kind, or within what is read.
    """
    target = out.resolve()
    for source in (source.resolve() for source in sources):
        if target == source or source in target.parents:
            found, fix = f"在 {source} 里面", "换一个 --out"
            raise ConfigError("不往基座或适配器的目录里写", where=str(out), found=found, fix=fix)
    if file and target.exists():
        found = "一个目录" if target.is_dir() else "已有这个文件，不盖掉它"
        raise ConfigError("GGUF 要写成一个新文件", where=str(out), found=found, fix="换一个 --out，如 --out 模型.gguf")
    if target.exists() and not target.is_dir():
        raise ConfigError("输出的名字是一个文件", where=str(out), fix="换一个 --out")
    if target.is_dir() and any(target.iterdir()):
        names = sorted(path.name for path in target.iterdir())
        found = "、".join(names[:5]) + (f" 等 {len(names)} 个" if len(names) > 5 else "")
        raise ConfigError("输出目录不是空的，不盖掉已有的文件", where=str(out), found=found, fix="换一个 --out")
    return target


def check_room(target: Path, need: int) -> None:
    """Refuse what the disk cannot hold.

    Raises:
        ModelError: with the bytes needed and free.
    """
    place = next(folder for folder in target.parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free < need + SPARE:
        found = f"需要 {human(need + SPARE)}，只剩 {human(free)}"
        raise ModelError("磁盘空间不够", where=str(place), found=found, fix="清出空间，或把 --out 放到别的磁盘")


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A folder to write in, which becomes `target` at the end; after any failure, Ctrl-C too, nothing is left of it.

    A run that was killed outright leaves its folder beside; the next one to the same target removes it.

    Raises:
        ModelError: the disk is full or cannot be written to.
    """
    from safetensors import SafetensorError

    staging = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with leaving_no_folders(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _sweep(target)
            staging.mkdir()
            try:
                yield staging
                if target.is_dir():
                    target.rmdir()  # it was empty; it fails where somebody has written to it since
                staging.rename(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        found = reason(error) if isinstance(error, OSError) else first_line(error)
        fix = "检查磁盘空间和权限，或换一个 --out；没有留下任何文件"
        raise ModelError("输出目录没有写成", where=str(target), found=found, fix=fix) from None


@contextmanager
def leaving_no_folders(target: Path) -> Iterator[None]:
    """Remove the folders made on the way to `target` where it was not written after all."""
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        yield
    finally:
        if not target.exists():
            _remove_empty(made)


def _sweep(target: Path) -> None:
    """Remove what runs that are dead left beside the target."""
    import psutil

    for left in target.parent.glob(f".{target.name}.*.tmp"):
        pid = left.name.removeprefix(f".{target.name}.").removesuffix(".tmp")
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
