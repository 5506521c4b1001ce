"""Tokenised data kept on disk by content: the same files, tokenizer and settings are tokenised once.

A folder for each key, put in place in one step, holds the arrays, which are mapped and not read, and a page with their
digests; one that is damaged or of another make is passed over and written anew. Knows nothing of models.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cornucopia.core.paths import cache_folder
from cornucopia.training.data.examples import Encoder
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.data.settings import DataSettings
from cornucopia.training.data.store import TokenStore
from cornucopia.training.data.token_files import DTYPES, ORDER, mapped

WORTH = 3.0  # seconds of reading and tokenising from which on keeping the result is worth a folder
LIMIT = 4 * 2**30  # bytes of all that is kept; the longest unused goes first, what was written last always stays
WHOLE = 2**26  # bytes of an array up to which all of it is compared; of a larger one blocks all over it
_BLOCK, _BLOCKS = 2**16, 256
_QUIET = 600  # seconds without a write after which an unfinished folder is no longer being written
_PAGE = "plan.json"
_PARTS = ("train", "validation")
_REST = ("domains", "rejects", "notes", "truncated", "sets", "fingerprint")
_SETTINGS = (
    "data_path", "data_weights", "data_temperature", "data_caps", "max_samples", "val_data", "val_set_size",
    "prompt_column", "response_column", "reasoning_column", "system",
    "cutoff_len", "train_on_inputs", "strict", "seed",
)  # fmt: skip
FORMAT = 3  # of what is kept; a change of this file that old folders do not fit raises it
_CODE = ("records/*.py", "tokens/*.py", "training/data/examples.py", "training/data/mixture.py")  # decides the tokens


def key(settings: DataSettings, encoder: Encoder) -> str:
    """Names everything that decides the tokens: data, settings, objective, and the code between them.

    Raises:
        OSError: if a data file cannot be read.
    """
    package = Path(__file__).resolve().parents[2]
    chosen = {name: getattr(settings, name) for name in _SETTINGS}
    digest = hashlib.sha256(json.dumps([FORMAT, chosen, encoder.key()]).encode())
    files = [file for pattern in _CODE for file in sorted(package.glob(pattern))]
    for path in [*settings.data_path, *([settings.val_data] if settings.val_data else [])]:
        files += sorted(p for p in Path(path).rglob("*") if p.is_file()) if Path(path).is_dir() else [Path(path)]
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
        digest.update(file.name.encode())
    return digest.hexdigest()[:32]


def load(name: str) -> DataPlan | None:
    """The plan kept under a key; None if there is none, or it is damaged."""
    folder = _folder(name)
    try:
        digest, page = (folder / _PAGE).read_bytes().split(b"\n", 1)
        if hashlib.sha256(page).hexdigest().encode() != digest:
            return None
        kept = json.loads(page)
        arrays = {file: mapped(folder / file, _dtype(file)) for file in kept["arrays"]}
        if {file: _digest(numbers) for file, numbers in arrays.items()} != kept["arrays"]:
            return None
        plan = _plan(kept, arrays)
        os.utime(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return plan


@contextlib.contextmanager
def unfinished(name: str) -> Iterator[Path]:
    """A folder to put arrays in, not yet made; gone in the end unless `save` put it in place."""
    folder = _folder(name)
    folder = folder.with_name(f".{name}.{os.getpid()}.tmp")
    _sweep(folder.parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def save(name: str, plan: DataPlan, folder: Path) -> None:
    """Keep a plan; a disk that is full or not writable only means that nothing is kept.

    Args:
        name: its key.
        plan: what to keep.
        folder: from `unfinished`; arrays that are there already are not written again.
    """
    arrays = {f"{part}.{array}": getattr(getattr(plan, part), array) for part in _PARTS for array in (*DTYPES, "order")}
    arrays = {file: numbers for file, numbers in arrays.items() if numbers is not None}
    page: dict[str, Any] = {field: getattr(plan, field) for field in _REST}
    page["arrays"] = {file: _digest(numbers) for file, numbers in arrays.items()}
    body = json.dumps(page, ensure_ascii=False).encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for file, numbers in arrays.items():
            if not (folder / file).exists():
                numbers.tofile(folder / file)
        (folder / _PAGE).write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        _sync(folder)
        if load(name) is None:  # else another process was faster, and may be using its own already
            shutil.rmtree(_folder(name), ignore_errors=True)
            folder.replace(_folder(name))
        _prune(_folder(name).parent)


def _folder(name: str) -> Path:
    return cache_folder() / "tokens" / name


def _dtype(file: str) -> np.dtype:
    part, array = file.split(".")
    if part not in _PARTS:
        raise ValueError(file)
    return ORDER if array == "order" else DTYPES[array]


def _digest(numbers: np.ndarray) -> str:
    """Of an array's size and bytes, all of them or blocks from its beginning to its end: it may be huge."""
    data = numbers.view(np.uint8)
    last = max(len(data) - _BLOCK, 0)
    starts = range(0, len(data), _BLOCK) if len(data) <= WHOLE else np.linspace(0, last, _BLOCKS, dtype=np.int64)
    digest = hashlib.sha256(str(len(data)).encode())
    for start in starts:
        digest.update(data[start : start + _BLOCK].data)
    return digest.hexdigest()


def _plan(kept: dict[str, Any], arrays: dict[str, np.ndarray]) -> DataPlan:
    train, validation = (
        TokenStore(**{array: arrays[f"{part}.{array}"] for array in DTYPES}, order=arrays.get(f"{part}.order"))
        for part in _PARTS
    )
    plan = DataPlan(train, validation, **{field: kept[field] for field in _REST})
    plan.domains, plan.truncated = Counter(plan.domains), Counter(plan.truncated)
    return plan


def _sync(folder: Path) -> None:
    """Have everything on the disk before the folder gets its name: only blocks of it are compared later."""
    for file in folder.iterdir():
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())


def _prune(folder: Path) -> None:
    kept = sorted((path for path in folder.iterdir() if path.name[0] != "."), key=lambda path: path.stat().st_mtime)
    sizes = [sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file()) for path in kept]
    total = sum(sizes)
    for path, size in zip(kept[:-1], sizes, strict=False):
        if total <= LIMIT:
            break
        total -= size
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _sweep(folder: Path) -> None:
    """Remove what programs that were killed left unfinished."""
    import psutil

    with contextlib.suppress(OSError):
        for path in folder.glob(".*.tmp"):
            written = max(file.stat().st_mtime for file in (path, *path.rglob("*")))
            process = path.name.split(".")[-2]
            if time.time() - written > _QUIET and not (process.isdecimal() and psutil.pid_exists(int(process))):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
