"""Fingerprints of model and adapter folders, over every byte of the files that decide their answers.

Hashing 14 GB takes a quarter of a minute, so each file's digest is kept under its size, time and inode.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from cornucopia.core.console import say
from cornucopia.core.jsonl import Appender, read_jsonl
from cornucopia.core.paths import cache_folder
from cornucopia.models.families import read_config

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.gguf")
_SETTINGS = (
    "config.json", "generation_config.json", "adapter_config.json", "cornucopia.json", "tokenizer*",
    "special_tokens_map.json", "added_tokens.json", "chat_template*", "vocab.*", "merges.txt",
)  # fmt: skip
_SHAPE = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
_BESIDE = ("adapter_model.*", "training_args.bin", "optimizer*", "scheduler.pt", "rng_state*", "scaler.pt")
DIGITS = 32  # hex digits of a fingerprint; those of 16 were made from samples and cannot be compared with these
LARGE = 2**30  # bytes still to hash of which the user is told
_SETTLED = 2.0  # seconds a file must be old before its digest is kept: a later write could bear the same time


def weights_fingerprint(folder: str | Path) -> str:
    """What an adapter is bound to: the architecture and every byte of the base's weights, as 32 hex digits.

    Raises:
        ModelError: config.json is absent, damaged or of a model that needs code of its own.
    """
    folder = Path(folder)
    config = read_config(folder)
    digest = hashlib.sha256(json.dumps([config.get(key) for key in _SHAPE]).encode())
    _add_files(digest, _matching(folder, _WEIGHTS) - _matching(folder, _BESIDE))
    return digest.hexdigest()[:DIGITS]


def files_fingerprint(path: str | Path) -> str:
    """What decides the answers: every byte of a model's or adapter's weights, settings, tokenizer and template files.

    Args:
        path: a folder, or a single file such as a template.

    Returns:
        32 hex digits; "" where there is nothing of the kind.
    """
    path = Path(path)
    files = {path} if path.is_file() else _matching(path, (*_WEIGHTS, *_SETTINGS))
    if not files:
        return ""
    digest = hashlib.sha256()
    _add_files(digest, files)
    return digest.hexdigest()[:DIGITS]


def _matching(folder: Path, patterns: Iterable[str]) -> set[Path]:
    return {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()}


def _add_files(digest: hashlib._Hash, files: Iterable[Path]) -> None:
    ordered = sorted(files)
    for file, content in zip(ordered, _digests(ordered), strict=True):
        digest.update(f"{file.name}:{content};".encode())


def _digests(files: list[Path]) -> list[str]:
    kept = {row["file"]: row["digest"] for row in _kept()}
    names = [_identity(file) for file in files]
    missing = [(file, name) for file, name in zip(files, names, strict=True) if name not in kept]
    size = sum(file.stat().st_size for file, _ in missing)
    if size > LARGE:
        say(f"核对 {size / 2**30:.1f} GiB 权重的每个字节（只在第一次）……")
    with ThreadPoolExecutor() as pool:
        made = dict(zip((name for _, name in missing), pool.map(_digest, (file for file, _ in missing)), strict=True))
    settled = time.time() - _SETTLED
    _keep({name: made[name] for file, name in missing if _changed(file) < settled and _identity(file) == name})
    return [kept.get(name) or made[name] for name in names]


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _identity(file: Path) -> str:
    facts = file.stat()
    return f"{file.resolve()}:{facts.st_size}:{facts.st_mtime_ns}:{facts.st_ctime_ns}:{facts.st_dev}:{facts.st_ino}"


def _changed(file: Path) -> float:
    return max(file.stat().st_mtime, file.stat().st_ctime)


def _cache() -> Path:
    return cache_folder() / "fingerprints.jsonl"


def _kept() -> list[dict[str, str]]:
    """What was kept; a cache that cannot be read is none."""
    with suppress(OSError, ValueError):
        return [row for row in read_jsonl(_cache()) if {"file", "digest"} <= row.keys()]
    return []


def _keep(digests: dict[str, str]) -> None:
    """Keep digests; a full or forbidden disk only means that they are made again."""
    if digests:
        with suppress(OSError), Appender(_cache()) as cache:
            for name, digest in digests.items():
                cache.write({"file": name, "digest": digest})
