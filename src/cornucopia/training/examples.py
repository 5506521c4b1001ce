"""Training and validation examples from the recipe's files, with the statistics shown before training."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.core.console import say
from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import write_jsonl
from cornucopia.records.read import read_records
from cornucopia.records.schema import Record
from cornucopia.records.split import split_records
from cornucopia.tokens.render import Example, encode_document, encode_many
from cornucopia.tokens.template import Template
from cornucopia.training import cache
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.store import TokenStore


@dataclass
class DataPlan:
    """What will be trained on.

    Args:
        train, validation: examples.
        domains: records of each domain in the training part.
        rejects: rows that were skipped: {"where": "file:line", "reason", "raw"}.
        notes: what reading had to do (conversions, files left out).
        truncated: number of examples by what was shortened ("prompt", "answer").
        fingerprint: 16 hex digits of all token ids and labels, in order.
    """

    train: TokenStore
    validation: TokenStore
    domains: Counter[str] = field(default_factory=Counter)
    rejects: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    truncated: Counter[str] = field(default_factory=Counter)
    fingerprint: str = ""


def prepare(recipe: TrainRecipe, template: Template, tokenizer: Any) -> DataPlan:
    """Read, split and tokenise the recipe's data, or take what an earlier run kept of the same.

    Raises:
        DataError: unreadable data, nothing left to train on, a validation split larger than the data.
    """
    if not recipe.cache:
        return _prepare(recipe, template, tokenizer)
    try:
        name = cache.key(recipe, template, tokenizer)
    except OSError:  # told better by whoever reads the data
        return _prepare(recipe, template, tokenizer)
    kept = cache.load(name)
    if kept is not None:
        say("数据没有变，直接用上次分好的词（--no-cache 重新分）")
        return kept
    began = time.monotonic()
    plan = _prepare(recipe, template, tokenizer)
    if time.monotonic() - began >= cache.WORTH and not recipe.dry_run:
        cache.save(name, plan)
    return plan


def _prepare(recipe: TrainRecipe, template: Template, tokenizer: Any) -> DataPlan:
    plan = DataPlan(TokenStore.of([]), TokenStore.of([]))
    records, validation = _read_all(recipe, plan)
    plan.domains.update(record.domain or "（未标）" for record in records)
    train = _encode_all(records, recipe, template, tokenizer, plan)
    held = _encode_all(validation, recipe, template, tokenizer, plan)
    if not train:
        raise DataError(
            "没有可训练的数据",
            where="、".join(recipe.data_path),
            found="；".join(f"{r['where']} {r['reason']}" for r in plan.rejects[:3]),
            fix="cornucopia data check 看每一行的问题；格式见 docs/data.md",
        )
    plan.fingerprint = _fingerprint(train + held)
    plan.train, plan.validation = TokenStore.of(train), TokenStore.of(held)
    return plan


def save_rejects(plan: DataPlan, path: Path) -> None:
    """Keep the skipped lines beside the run."""
    if plan.rejects:
        write_jsonl(path, plan.rejects)


def _read_all(recipe: TrainRecipe, plan: DataPlan) -> tuple[list[Record], list[Record]]:
    weights = recipe.data_weights or [1.0] * len(recipe.data_path)
    train: list[Record] = []
    validation: list[Record] = []
    sizes = [0.0] * len(weights) if recipe.val_data else _val_sizes(recipe.val_set_size, len(weights))
    for path, weight, size in zip(recipe.data_path, weights, sizes, strict=True):
        records, held = split_records(_read_one(path, recipe, plan), size, seed=recipe.seed)
        validation += held
        train += _repeat(records, weight, recipe.seed)
    if recipe.val_data:
        validation = _read_one(recipe.val_data, recipe, plan)
    return train, validation


def _val_sizes(size: float, files: int) -> list[float]:
    """A fraction holds for each file; a count is spread over the files."""
    if size < 1 or size != int(size):
        return [size] * files
    return [int(size) // files + (index < int(size) % files) for index in range(files)]


def _repeat(records: list[Record], weight: float, seed: int) -> list[Record]:
    """The records `weight` times over; the fraction is a random sample, as files are often sorted."""
    whole, part = int(weight), weight - int(weight)
    return records * whole + random.Random(seed).sample(records, round(len(records) * part))


def _read_one(path: str, recipe: TrainRecipe, plan: DataPlan) -> list[Record]:
    names = {
        "prompt": recipe.prompt_column,
        "response": recipe.response_column,
        "reasoning": recipe.reasoning_column,
    }
    columns = {key: value for key, value in names.items() if value} or None
    result = read_records(
        path, strict=recipe.strict, rejects=False, columns=columns, require_answer=recipe.stage == "sft"
    )
    plan.rejects += [{"where": reject.where, "reason": reject.reason, "raw": reject.raw} for reject in result.rejects]
    plan.notes += result.notes
    return result.records


def _encode_all(
    records: list[Record], recipe: TrainRecipe, template: Template, tokenizer: Any, plan: DataPlan
) -> list[Example]:
    asked = [record for record in records if not _is_document(record, recipe)]
    answers = encode_many(asked, template, tokenizer, recipe.cutoff_len, train_on_inputs=recipe.train_on_inputs)
    examples: list[Example] = []
    for record in records:
        if _is_document(record, recipe):
            examples += encode_document(record, tokenizer, recipe.cutoff_len)
            continue
        example = next(answers)
        if isinstance(example, DataError):
            if recipe.strict:
                raise example
            plan.rejects.append({"where": example.where, "reason": example.what, "raw": record.question})
            continue
        if example.truncated:
            plan.truncated[example.truncated] += 1
        examples.append(example)
    return examples


def _is_document(record: Record, recipe: TrainRecipe) -> bool:
    return recipe.stage == "pretrain" or bool(record.text)


def _fingerprint(examples: list[Example]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        digest.update(json.dumps([example.input_ids, example.labels]).encode())
    return digest.hexdigest()[:16]
