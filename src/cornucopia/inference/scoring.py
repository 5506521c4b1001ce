"""How likely given tokens are: their negative log-likelihood, the numerator of perplexity, and whether each is greedy.

Shapes: B rows, T positions, K the last positions for which logits are made, V vocabulary.
Rows are padded on the left, so that every span lies in the last K positions and no logits are made for prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cornucopia.inference.engine import Score, TokenSpan
from cornucopia.inference.generate import pad_left
from cornucopia.tokens.render import IGNORE

MOST_LOGITS = 2**27  # B x K x V of one batch: 512 MiB in float32


def score_spans(
    forward: Callable[..., Any], spans: Sequence[TokenSpan], *, budget: int, vocabulary: int, device: Any
) -> list[Score]:
    """Score each span; one without tokens scores nothing.

    Args:
        forward: the model's forward, keyword tensors -> output with `.logits`.
        spans: what to score.
        budget: most tokens of a padded batch; 1 for each row alone.
        vocabulary: V.
        device: where inputs go.
    """
    result = [Score()] * len(spans)
    for batch in _batches(spans, budget, vocabulary):
        for index, score in zip(batch, _scores(forward, [spans[index] for index in batch], device), strict=True):
            result[index] = score
    return result


def answer_span(labels: Sequence[int]) -> tuple[int, int]:
    """[begin, end) of the last run of labels that are not IGNORE; (0, 0) when there is none."""
    end = next((i + 1 for i in reversed(range(len(labels))) if labels[i] != IGNORE), 0)
    begin = next((i + 1 for i in reversed(range(end)) if labels[i] == IGNORE), 0)
    return begin, end


def _kept(span: TokenSpan) -> int:
    """Positions whose logits are needed: from the token before the span to the last."""
    return len(span.ids) - span.begin + 1


def _batches(spans: Sequence[TokenSpan], budget: int, vocabulary: int) -> list[list[int]]:
    """Indices of the spans, longest first; neither tokens nor logits of a batch exceed their budgets."""
    batches: list[list[int]] = []
    wanted = [index for index, span in enumerate(spans) if 0 < span.begin < span.end <= len(span.ids)]
    for index in sorted(wanted, key=lambda index: (-len(spans[index].ids), list(spans[index].ids), index)):
        batch = [*batches[-1], index] if batches else []
        kept = max((_kept(spans[i]) for i in batch), default=0)
        width = len(spans[batch[0]].ids) if batch else 0
        if batch and len(batch) * width <= budget and len(batch) * kept * vocabulary <= MOST_LOGITS:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


@torch.inference_mode()
def _scores(forward: Callable[..., Any], batch: list[TokenSpan], device: Any) -> list[Score]:
    ids, mask = pad_left([span.ids for span in batch], device)  # (B, T)
    kept = max(_kept(span) for span in batch)
    output = forward(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        use_cache=False,
        logits_to_keep=kept,
    )
    logits = output.logits[:, -kept:, :]  # (B, K, V); position -1 predicts nothing
    result = []
    for row, span in enumerate(batch):
        first, offset = kept - _kept(span), ids.shape[1] - len(span.ids)
        wanted = ids[row, offset + span.begin : offset + span.end]
        scores = logits[row, first : first + len(wanted)].float()
        nats = float(torch.nn.functional.cross_entropy(scores, wanted, reduction="sum"))
        logs = scores.log_softmax(-1)
        own, (best, likeliest) = logs.gather(1, wanted[:, None])[:, 0], logs.max(-1)
        each = tuple(zip(own.tolist(), likeliest.tolist(), best.tolist(), strict=True))
        result.append(Score(nats, len(wanted), tuple((likeliest == wanted).tolist()), each))
    return result
