"""The output folder: whose it is, which of its files a run wrote, and that one run at a time writes there.

A file that no run wrote, or that was changed since, is neither replaced nor deleted.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cornucopia.core.console import warn
from cornucopia.core.errors import ConfigError, CornucopiaError, reason
from cornucopia.core.jsonl import write_json
from cornucopia.training.methods import METHODS

MANIFEST = "manifest.json"  # names of what a run wrote; of texts that people edit with their digest
IDENTITY = "identity.json"
LOCK = ".lock"
STAGING = ".saving"
ALWAYS = (
    MANIFEST, IDENTITY, "train_result.json", "memory.json", "log.jsonl", "loss.png", "recipe.yaml", "rejects.jsonl",
    "cornucopia.json", "tensorboard", STAGING,
)  # fmt: skip
_ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
_MODEL = ("config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json",
          "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")  # fmt: skip
_HARMLESS = {".DS_Store", ".gitkeep", ".gitignore", LOCK}
_EDITED = ("README.md",)
_FULL = (
    "No space left", "os error 28", "Disk quota", "os error 122", "File too large", "os error 27",
    "PytorchStreamWriter", "inline_container",
)  # fmt: skip


def is_run(output: Path) -> bool:
    """Whether the folder is one that a training run here has made."""
    return any((output / name).is_file() for name in (MANIFEST, IDENTITY))


def others(output: Path) -> list[str]:
    """Names in the folder that no run wrote."""
    if not output.is_dir():
        return []
    known = _written(output)
    names = sorted(path.name for path in output.iterdir() if not _is_leftover(path))
    return [name for name in names if name not in _HARMLESS and not _ours(output, name, known)]


def note(output: Path, *names: str) -> None:
    """Remember that these are the run's own: before they are written, or after where their content counts."""
    known = _written(output) | {name: _digest(output / name) for name in names}
    write_json(output / MANIFEST, known)


def clear(output: Path) -> None:
    """Remove what runs wrote, and nothing else."""
    known = _written(output)
    for path in sorted(output.iterdir()):
        if path.name not in (LOCK, MANIFEST, IDENTITY) and _ours(output, path.name, known):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in (IDENTITY, MANIFEST):  # last, so that a folder that is half cleared is still known as a run's
        (output / name).unlink(missing_ok=True)


def sweep(output: Path) -> None:
    """Remove what a killed run left half-written."""
    shutil.rmtree(output / STAGING, ignore_errors=True)
    for path in output.iterdir():
        if _is_leftover(path):
            path.unlink(missing_ok=True)


def move_in(staging: Path, output: Path) -> None:
    """Put whole files in their places; one that is somebody's own stays, and is told."""
    known = _written(output)
    for file in sorted(staging.iterdir()):
        target = output / file.name
        if target.exists() and not _ours(output, file.name, known):
            warn(f"{target} 不是训练写的（或已经改过），保留不动")
            file.unlink()
            continue
        file.replace(target)
        note(output, file.name)
    staging.rmdir()


def lock(output: Path) -> Any:
    """Claim the folder for this process; a process that dies lets go of it.

    Returns:
        What `unlock` takes.

    Raises:
        ConfigError: another process has it.
    """
    import filelock

    output.mkdir(parents=True, exist_ok=True)
    claim = filelock.FileLock(output / LOCK, is_singleton=False)
    try:
        claim.acquire(blocking=False)
    except filelock.Timeout:
        raise ConfigError("另一个训练正在写这个目录", where=str(output), fix="等它结束，或换 --output-dir") from None
    return claim


def unlock(claim: Any) -> None:
    """Let go of the folder."""
    Path(claim.lock_file).unlink(missing_ok=True)
    claim.release()


def in_use(output: Path) -> bool:
    """Whether a process trains into the folder. A run that begins in this very instant could be refused by it."""
    import filelock

    if not (output / LOCK).is_file():
        return False
    claim = filelock.FileLock(output / LOCK, is_singleton=False)
    try:
        claim.acquire(blocking=False)
    except (filelock.Timeout, OSError):
        return True
    claim.release()
    return False


def check_writable(output: Path) -> None:
    """Refuse a folder that cannot be made or written to; nothing is changed.

    Raises:
        ConfigError: naming what is in the way.
    """
    place = next(path for path in (output, *output.absolute().parents) if path.exists() or path.is_symlink())
    try:
        with tempfile.TemporaryFile(dir=place):
            return
    except OSError as error:
        where = str(output) if place == output else f"{output}（{place}）"
        fix = "换 --output-dir，或改权限"
        raise ConfigError("输出目录写不进去", where=where, found=reason(error), fix=fix) from None


def room(output: Path) -> int:
    """Free bytes on the disk that holds the folder, which need not be there yet."""
    return shutil.disk_usage(next(path for path in (output, *output.absolute().parents) if path.is_dir())).free


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of the system, of safetensors or of PyTorch says that the disk, a quota or a limit is full."""
    return any(word in str(error) for word in _FULL)


def disk_full(output: Path, checkpoint: str) -> CornucopiaError:
    """The error when the disk filled up during a run."""
    begin = f"加 --resume 从 {checkpoint} 接着练" if checkpoint else "再运行一次（还没有完整的检查点）"
    fix = f"腾出空间，或调小 --save-total-limit、调大 --save-steps，然后{begin}"
    return CornucopiaError(
        "磁盘满了（或到了配额、文件大小的上限），训练已停下，写好的检查点没有动", where=str(output), fix=fix
    )


def _written(output: Path) -> dict[str, str]:
    """Names that runs wrote, with the digests of those that count."""
    try:
        known = json.loads((output / MANIFEST).read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    except (OSError, ValueError):
        pass
    if not is_run(output):
        return {}
    try:  # a run from before there was a manifest
        method = json.loads((output / IDENTITY).read_text(encoding="utf-8"))["method"]
        whole = METHODS[method].leaves == "model"
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    own = dict.fromkeys([*ALWAYS, *(_MODEL if whole else _ADAPTER)], "")
    readme = output / "README.md"
    blank = readme.is_file() and "[More Information Needed]" in readme.read_text(encoding="utf-8", errors="replace")
    return own | ({"README.md": _digest(readme)} if blank else {})


def _ours(output: Path, name: str, known: dict[str, str]) -> bool:
    if name.startswith("checkpoint-"):
        return bool(known) and name.removeprefix("checkpoint-").isdigit()
    return name in known and (not known[name] or known[name] == _digest(output / name))


def _digest(path: Path) -> str:
    """Of a text that people edit; "" for all else."""
    counts = path.name in _EDITED and path.is_file()
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if counts else ""


def _is_leftover(path: Path) -> bool:
    parts = path.name.split(".")
    return path.is_file() and path.name[0] == "." and parts[-1] == "tmp" and parts[-2].isdigit()
