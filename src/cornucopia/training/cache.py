"""Tokenised data kept on disk by content: the same files, tokenizer and settings are tokenised once.

One safetensors file for each key, written in one step, with a digest of what it holds; a file that is damaged or of
another make is passed over and written anew. Knows nothing of models.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cornucopia.core.paths import cache_folder
from cornucopia.tokens.template import PromptTemplate, Template
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.store import TokenStore

if TYPE_CHECKING:
    from cornucopia.training.examples import DataPlan

WORTH = 3.0  # seconds of reading and tokenising from which on keeping the result is worth a file
LIMIT = 4 * 2**30  # bytes of all cached files together; the longest unused go first
_SETTINGS = (
    "stage", "data_path", "data_weights", "val_data", "val_set_size", "prompt_column", "response_column",
    "reasoning_column", "cutoff_len", "train_on_inputs", "strict", "seed",
)  # fmt: skip
_CODE = ("records/*.py", "tokens/*.py", "training/examples.py", "training/store.py", "training/cache.py")
_ARRAYS = ("offsets", "ids", "labels")


def key(recipe: TrainRecipe, template: Template, tokenizer: Any) -> str:
    """Names everything that decides the tokens: data, settings, template, tokenizer, and the code between them.

    Raises:
        OSError: if a data file cannot be read.
    """
    package = Path(__file__).resolve().parents[1]
    parts = [
        json.dumps({name: getattr(recipe, name) for name in _SETTINGS}, ensure_ascii=False),
        repr(template) if isinstance(template, PromptTemplate) else template.name,
        tokenizer.backend_tokenizer.to_str(),
        repr((tokenizer.bos_token_id, tokenizer.eos_token, tokenizer.chat_template)),
        *(version(name) for name in ("tokenizers", "transformers")),
    ]
    digest = hashlib.sha256(json.dumps(parts).encode())
    files = [file for pattern in _CODE for file in sorted(package.glob(pattern))]
    for path in [*recipe.data_path, *([recipe.val_data] if recipe.val_data else [])]:
        files += sorted(p for p in Path(path).rglob("*") if p.is_file()) if Path(path).is_dir() else [Path(path)]
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
        digest.update(file.name.encode())
    return digest.hexdigest()[:32]


def load(name: str) -> DataPlan | None:
    """The plan kept under a key; None if there is none, or it is damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = _path(name)
    try:
        tensors = load_file(path)
        if tensors.pop("digest").tobytes() != _digest(tensors):
            return None
        plan = _plan(tensors)
        os.utime(path)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None
    return plan


def save(name: str, plan: DataPlan) -> None:
    """Keep a plan; a disk that is full or not writable only means that nothing is kept."""
    from safetensors.numpy import save as as_bytes

    rest = {field: getattr(plan, field) for field in ("domains", "rejects", "notes", "truncated", "fingerprint")}
    tensors = {"rest": np.frombuffer(json.dumps(rest, ensure_ascii=False).encode(), np.uint8)}
    for part in ("train", "validation"):
        tensors |= {f"{part}.{array}": getattr(getattr(plan, part), array) for array in _ARRAYS}
    tensors["digest"] = np.frombuffer(_digest(tensors), np.uint8)
    path = _path(name)
    temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(as_bytes(tensors))
            temporary.replace(path)
            _prune(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _path(name: str) -> Path:
    return cache_folder() / "tokens" / f"{name}.safetensors"


def _digest(tensors: dict[str, np.ndarray]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(np.ascontiguousarray(tensors[name]).data)
    return digest.digest()


def _plan(tensors: dict[str, np.ndarray]) -> DataPlan:
    from cornucopia.training.examples import DataPlan

    rest = json.loads(tensors["rest"].tobytes())
    train, validation = (
        TokenStore(*(tensors[f"{part}.{array}"] for array in _ARRAYS)) for part in ("train", "validation")
    )
    return DataPlan(
        train,
        validation,
        domains=Counter(rest["domains"]),
        rejects=rest["rejects"],
        notes=rest["notes"],
        truncated=Counter(rest["truncated"]),
        fingerprint=rest["fingerprint"],
    )


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
    total = sum(file.stat().st_size for file in files)
    for file in files[:-1]:
        if total <= LIMIT:
            break
        total -= file.stat().st_size
        file.unlink(missing_ok=True)
