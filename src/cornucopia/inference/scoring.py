"""How likely a model finds the golden answer: its negative log-likelihood, the numerator of perplexity.

Shapes: B rows, T positions, K the last positions for which logits are made, V vocabulary.
Rows are padded on the left, so that every answer lies in the last K positions and no logits are made for prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from cornucopia.core.errors import CornucopiaError
from cornucopia.inference.generate import model_pads, pad_left
from cornucopia.records.schema import Record
from cornucopia.tokens.render import IGNORE, encode

if TYPE_CHECKING:
    from cornucopia.inference.transformers_engine import TransformersEngine

MOST_LOGITS = 2**27  # B x K x V of one batch: 512 MiB in float32


@dataclass(frozen=True)
class Scored:
    """One record to score: ids of the whole conversation, of which [begin, end) is the golden answer."""

    index: int
    ids: list[int]
    begin: int
    end: int

    @property
    def kept(self) -> int:
        """Positions whose logits are needed: from the token before the answer to the last but one."""
        return len(self.ids) - self.begin + 1


def golden_losses(engine: TransformersEngine, records: Sequence[Record]) -> list[tuple[float, int]]:
    """For each record (nats, tokens) of its golden answer, end of sequence included; (0.0, 0) when it has none.

    What the record's last message thinks before it is read and not counted.
    """
    result = [(0.0, 0)] * len(records)
    vocabulary = engine.shared.base.config.get_text_config().vocab_size
    budget = engine.batch_tokens if model_pads(engine.shared.base) else 1  # 1: each row alone
    for batch in _batches(_items(engine, records), budget, vocabulary):
        for item, loss in zip(batch, _losses(engine, batch), strict=True):
            result[item.index] = (loss, item.end - item.begin)
    return result


def _items(engine: TransformersEngine, records: Sequence[Record]) -> list[Scored]:
    items = []
    for index, record in enumerate(records):
        try:
            limit = engine.context() or 2**31
            example = encode(record, engine.template, engine.tokenizer, limit, train_on_reasoning=False)
        except CornucopiaError:
            continue
        begin, end = answer_span(example.labels)
        if 0 < begin < end:
            items.append(Scored(index, example.input_ids, begin, end))
    return items


def answer_span(labels: Sequence[int]) -> tuple[int, int]:
    """[begin, end) of the last run of labels that are not IGNORE; (0, 0) when there is none."""
    end = next((i + 1 for i in reversed(range(len(labels))) if labels[i] != IGNORE), 0)
    begin = next((i + 1 for i in reversed(range(end)) if labels[i] == IGNORE), 0)
    return begin, end


def _batches(items: list[Scored], budget: int, vocabulary: int) -> list[list[Scored]]:
    """Longest first; neither tokens nor logits of a batch exceed their budgets."""
    batches: list[list[Scored]] = []
    for item in sorted(items, key=lambda item: (-len(item.ids), item.ids, item.index)):
        batch = [*batches[-1], item] if batches else []
        kept = max((i.kept for i in batch), default=0)
        if batch and len(batch) * len(batch[0].ids) <= budget and len(batch) * kept * vocabulary <= MOST_LOGITS:
            batches[-1].append(item)
        else:
            batches.append([item])
    return batches


@torch.inference_mode()
def _losses(engine: TransformersEngine, batch: list[Scored]) -> list[float]:
    ids, mask = pad_left([item.ids for item in batch], engine.shared.device)  # (B, T)
    kept = max(item.kept for item in batch)
    forward: Callable[..., Any] = engine.shared.forward
    output = forward(
        engine.adapter,
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=kept,
    )
    logits = output.logits[:, -kept:, :]  # (B, K, V); position -1 predicts nothing
    losses = []
    for row, item in enumerate(batch):
        first = kept - item.kept
        wanted = ids[row, ids.shape[1] - len(item.ids) + item.begin : ids.shape[1] - len(item.ids) + item.end]
        scores = logits[row, first : first + len(wanted)].float()
        losses.append(float(torch.nn.functional.cross_entropy(scores, wanted, reduction="sum")))
    return losses
