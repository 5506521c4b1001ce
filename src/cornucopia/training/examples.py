"""Training and validation examples from the recipe's files, with the statistics shown before training.

Data may be larger than memory: the files are gone through twice, once to decide what is used (`mixture`) and once to
tokenise it, and the tokens go to files when they become many.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cornucopia.core.console import Progress, say
from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import write_jsonl
from cornucopia.records.schema import Record
from cornucopia.tokens.render import TOGETHER, Example, encode_document, encode_many
from cornucopia.tokens.template import Template
from cornucopia.training import cache
from cornucopia.training.mixture import Mixture, Part, Skipped, mix
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.store import TokenStore
from cornucopia.training.token_files import Opener, TokenWriter, opener

_CUTS = ("", "prompt", "answer")  # what `Example.truncated` can be
_MANY = 20_000  # records from which on tokenising takes long enough to be shown
_TEXT = 2**19  # characters tokenised together: a token takes some 150 bytes while it is a Python object


@dataclass
class DataPlan:
    """What will be trained on.

    Args:
        train, validation: examples.
        domains: records of each domain in the training part.
        rejects: rows that were skipped, the first thousands of them: {"where": "file:line", "reason", "raw"}.
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
    if recipe.dry_run:
        return _prepare(recipe, template, tokenizer)
    began = time.monotonic()
    with cache.unfinished(name) as folder:
        plan = _prepare(recipe, template, tokenizer, folder)
        if folder.exists() or time.monotonic() - began >= cache.WORTH:
            cache.save(name, plan, folder)
    return plan


def _prepare(recipe: TrainRecipe, template: Template, tokenizer: Any, folder: Path | None = None) -> DataPlan:
    mixture = mix(recipe)
    plan = _encode_all(mixture, recipe, template, tokenizer, opener(folder))
    if not plan.train:
        raise DataError(
            "没有可训练的数据",
            where="、".join(recipe.data_path),
            found="；".join(f"{r['where']} {r['reason']}" for r in plan.rejects[:3]),
            fix="cornucopia data check 看每一行的问题；格式见 docs/data.md",
        )
    plan.fingerprint = _fingerprint([plan.train, plan.validation])
    return plan


def save_rejects(plan: DataPlan, path: Path) -> None:
    """Keep the skipped lines beside the run."""
    if plan.rejects:
        write_jsonl(path, plan.rejects)


class _Encoded:
    """What became of the R records of a part.

    Args:
        records: R.

    Attributes:
        first, count: (R,) number of a record's first example in its store, and how many it gave.
        cut: (R,) what was shortened of it, as a number of _CUTS.
        bad: (R,) whether it could not be used; `errors` holds what is told of the first of these.
    """

    def __init__(self, records: int) -> None:
        self.first, self.count = np.zeros(records, np.int64), np.zeros(records, np.int32)
        self.cut, self.bad = np.zeros(records, np.int8), np.zeros(records, bool)
        self.errors = Skipped()
        self._row: dict[int, dict[str, str]] = {}

    def refuse(self, number: int, row: dict[str, str]) -> None:
        """A record that cannot be used."""
        self.bad[number] = True
        if not self.errors.is_full:
            self._row[number] = row
        self.errors.add(row)

    def skip(self, numbers: NDArray[np.int64], skipped: Skipped) -> None:
        """Tell the bad ones among these."""
        for number in numbers[self.bad[numbers]].tolist():
            skipped.add(self._row.get(number))

    def examples(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of all examples of these records, in their order."""
        count = self.count[numbers]
        skipped = np.cumsum(count, dtype=np.int64) - count
        return np.repeat(self.first[numbers] - skipped, count) + np.arange(count.sum(dtype=np.int64))


def _encode_all(
    mixture: Mixture, recipe: TrainRecipe, template: Template, tokenizer: Any, open_file: Opener
) -> DataPlan:
    train, validation = (TokenWriter(name, open_file) for name in ("train", "validation"))
    skipped, later, cuts = mixture.skipped, Skipped(), np.zeros(len(_CUTS), np.int64)
    orders: list[NDArray[np.int64]] = []
    for part in mixture.parts:
        encoded = _encode_part(part, recipe, template, tokenizer, (train, validation))
        held = np.flatnonzero(part.held)
        encoded.skip(part.order, skipped)
        encoded.skip(held, later)
        for numbers in (part.order, held):
            cuts += np.bincount(encoded.cut[numbers], minlength=len(_CUTS))
        orders.append(encoded.examples(part.order))
    for row in later.rows:
        skipped.add(row)
    skipped.count += later.count - len(later.rows)
    return DataPlan(
        train.finish(_order(orders, len(train))),
        validation.finish(),
        mixture.domains,
        skipped.rows,
        [*mixture.notes, *skipped.notes()],
        Counter({name: int(count) for name, count in zip(_CUTS, cuts, strict=True) if name and count}),
    )


def _order(orders: Sequence[NDArray[np.int64]], kept: int) -> NDArray[np.int64] | None:
    """The parts' orders one after another; None where every example stands in its place."""
    order = np.concatenate(orders)
    return None if len(order) == kept and bool(np.all(order == np.arange(kept))) else order


def _encode_part(
    part: Part, recipe: TrainRecipe, template: Template, tokenizer: Any, writers: tuple[TokenWriter, TokenWriter]
) -> _Encoded:
    """Tokenise a part's records into the training or the validation writer, each once."""
    encoded, total = _Encoded(len(part.held)), int(part.used.sum())
    bar: Progress | nullcontext[None] = Progress("分词", total) if total > _MANY else nullcontext()
    with bar:
        for batch in _batches(part.records(recipe)):
            _encode_batch(batch, part, recipe, template, tokenizer, writers, encoded)
            if isinstance(bar, Progress):
                bar.advance(len(batch))
    return encoded


def _encode_batch(
    batch: list[tuple[int, Record]],
    part: Part,
    recipe: TrainRecipe,
    template: Template,
    tokenizer: Any,
    writers: tuple[TokenWriter, TokenWriter],
    encoded: _Encoded,
) -> None:
    asked = [record for _, record in batch if not _is_document(record, recipe)]
    answers = encode_many(asked, template, tokenizer, recipe.cutoff_len, train_on_inputs=recipe.train_on_inputs)
    for number, record in batch:
        writer = writers[int(part.held[number])]
        encoded.first[number] = len(writer)
        if _is_document(record, recipe):
            for example in encode_document(record, tokenizer, recipe.cutoff_len):
                writer.add(example)
        else:
            _take(next(answers), number, record, writer, encoded, recipe.strict)
        encoded.count[number] = len(writer) - encoded.first[number]


def _take(
    example: Example | DataError, number: int, record: Record, writer: TokenWriter, encoded: _Encoded, strict: bool
) -> None:
    if isinstance(example, DataError):
        if strict:
            raise example
        encoded.refuse(number, {"where": example.where, "reason": example.what, "raw": record.question})
        return
    encoded.cut[number] = _CUTS.index(example.truncated)
    writer.add(example)


def _batches(records: Iterable[tuple[int, Record]]) -> Iterator[list[tuple[int, Record]]]:
    """Records to be tokenised together: many short ones or a few long ones."""
    batch: list[tuple[int, Record]] = []
    size = 0
    for number, record in records:
        batch.append((number, record))
        size += (
            len(record.text) + len(record.material) + sum(len(m.content) + len(m.reasoning) for m in record.messages)
        )
        if len(batch) == TOGETHER or size >= _TEXT:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _is_document(record: Record, recipe: TrainRecipe) -> bool:
    return recipe.stage == "pretrain" or bool(record.text)


def _fingerprint(stores: Sequence[TokenStore]) -> str:
    digest = hashlib.sha256()
    for store in stores:
        for example in store:
            digest.update(str([example.input_ids, example.labels]).encode())
    return digest.hexdigest()[:16]
