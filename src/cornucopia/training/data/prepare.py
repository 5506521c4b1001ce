"""The recipe's data, tokenised now or taken as an earlier run kept it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from cornucopia.core.console import say
from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import write_jsonl
from cornucopia.training.data import cache
from cornucopia.training.data.examples import Encoder, encode_all
from cornucopia.training.data.mixture import mix
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.data.settings import DataSettings
from cornucopia.training.data.store import TokenStore
from cornucopia.training.data.token_files import opener


def prepare(settings: DataSettings, encoder: Encoder, *, keep: bool = True) -> DataPlan:
    """Read, split and tokenise the recipe's data, or take what an earlier run kept of the same.

    Args:
        settings: files and what is taken from them.
        encoder: the objective, which makes examples of records.
        keep: what took long may be kept for the next run.

    Raises:
        DataError: unreadable data, nothing left to train on, a validation split larger than the data.
    """
    if not settings.cache:
        return _prepare(settings, encoder)
    try:
        name = cache.key(settings, encoder)
    except OSError:  # told better by whoever reads the data
        return _prepare(settings, encoder)
    kept = cache.load(name)
    if kept is not None:
        say("数据没有变，直接用上次分好的词（--no-cache 重新分）")
        return kept
    if not keep:
        return _prepare(settings, encoder)
    began = time.monotonic()
    with cache.unfinished(name) as folder:
        plan = _prepare(settings, encoder, folder)
        if folder.exists() or time.monotonic() - began >= cache.WORTH:
            cache.save(name, plan, folder)
    return plan


def _prepare(settings: DataSettings, encoder: Encoder, folder: Path | None = None) -> DataPlan:
    plan = encode_all(mix(settings, encoder.rows), settings, encoder, opener(folder))
    if not plan.train:
        raise DataError(
            "没有可训练的数据",
            where="、".join(settings.data_path),
            found="；".join(f"{r['where']} {r['reason']}" for r in plan.rejects[:3]),
            fix="cornucopia data check 看每一行的问题；格式见 docs/data.md",
        )
    plan.fingerprint = _fingerprint([plan.train, plan.validation])
    return plan


def save_rejects(plan: DataPlan, path: Path) -> None:
    """Keep the skipped lines beside the run."""
    if plan.rejects:
        write_jsonl(path, plan.rejects)


def _fingerprint(stores: Sequence[TokenStore]) -> str:
    digest = hashlib.sha256()
    for store in stores:
        for example in store:
            digest.update(str([example.input_ids, example.labels]).encode())
    return digest.hexdigest()[:16]
