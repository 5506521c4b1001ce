"""How likely given tokens are: their negative log-likelihood, the numerator of perplexity, and whether each is greedy.

Shapes: B rows, T positions, K the last positions for which logits are made, V vocabulary.
Rows are padded on the left, so that every span lies in the last K positions and no logits are made for prompts. What
spans begin with in common is computed once and read from the cache, see prefix_tree.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from cornucopia.inference.engine import Score, TokenSpan
from cornucopia.inference.generate import pad_left
from cornucopia.inference.growing_cache import can_join
from cornucopia.inference.prefix_tree import Leaf, Node, prefix_tree
from cornucopia.tokens.render import IGNORE

MOST_LOGITS = 2**27  # B x K x V of one batch: 512 MiB in float32


def score_spans(
    forward: Callable[..., Any],
    spans: Sequence[TokenSpan],
    *,
    budget: int,
    vocabulary: int,
    device: Any,
    new_cache: Callable[[], Any] | None = None,
) -> list[Score]:
    """Score each span; one without tokens scores nothing.

    Args:
        forward: the model's forward, keyword tensors -> output with `.logits`.
        spans: what to score.
        budget: most tokens of a padded batch; 1 for each row alone.
        vocabulary: V.
        device: where inputs go.
        new_cache: makes an empty key/value cache; None when the model has none that rows can share.
    """
    result = [Score()] * len(spans)
    shares = new_cache is not None and can_join(new_cache())
    root = prefix_tree(spans) if shares else Node(leaves=_alone(spans))
    waiting: list[tuple[Node, Any]] = [(root, None)]
    while waiting:
        node, cache = waiting.pop()
        if node.ids:
            assert new_cache is not None
            cache = _read_on(forward, node, cache, new_cache, device)
        for batch in _batches(node.leaves, budget, vocabulary):
            for place, score in _scores(forward, batch, len(node.ids), cache, new_cache, device):
                result[place] = score
        waiting += [(child, cache) for child in reversed(node.children)]
    return result


def _alone(spans: Sequence[TokenSpan]) -> list[Leaf]:
    wanted = [(place, span) for place, span in enumerate(spans) if 0 < span.begin < span.end <= len(span.ids)]
    return [Leaf(tuple(span.ids[: span.end - 1]), ((place, span),)) for place, span in wanted]


def answer_span(labels: Sequence[int]) -> tuple[int, int]:
    """[begin, end) of the last run of labels that are not IGNORE; (0, 0) when there is none."""
    end = next((i + 1 for i in reversed(range(len(labels))) if labels[i] != IGNORE), 0)
    begin = next((i + 1 for i in reversed(range(end)) if labels[i] == IGNORE), 0)
    return begin, end


def _kept(leaf: Leaf) -> int:
    """Positions whose logits are needed: from the token before the first span to the last."""
    return len(leaf.ids) - leaf.own


def _batches(leaves: Sequence[Leaf], budget: int, vocabulary: int) -> list[list[Leaf]]:
    """The leaves, longest first; neither tokens nor logits of a batch exceed their budgets."""
    batches: list[list[Leaf]] = []
    for leaf in sorted(leaves, key=lambda leaf: (-len(leaf.ids), leaf.ids)):
        batch = [*batches[-1], leaf] if batches else []
        kept = max(map(_kept, batch), default=0)
        width = len(batch[0].ids) if batch else 0
        if batch and len(batch) * width <= budget and len(batch) * kept * vocabulary <= MOST_LOGITS:
            batches[-1].append(leaf)
        else:
            batches.append([leaf])
    return batches


@torch.inference_mode()
def _read_on(forward: Callable[..., Any], node: Node, cache: Any, new_cache: Callable[[], Any], device: Any) -> Any:
    """The cache of all the node's tokens, given its parent's."""
    grown = _repeated(cache, 1, new_cache) if cache is not None else new_cache()
    ids = torch.tensor([node.ids[node.start :]], device=device)  # (1, T)
    mask = ids.new_ones(1, len(node.ids))
    positions = torch.arange(node.start, len(node.ids), device=device)[None]
    forward(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=grown, use_cache=True,
        logits_to_keep=1,
    )  # fmt: skip
    return grown


def _repeated(cache: Any, rows: int, new_cache: Callable[[], Any]) -> Any:
    """A cache of so many rows that each hold what the one row of `cache` holds."""
    result = new_cache()
    for place, layer in enumerate(cache.layers):
        keys, values = (states.expand(rows, *states.shape[1:]) for states in (layer.keys, layer.values))
        result.update(keys, values, place)
    return result


@torch.inference_mode()
def _scores(
    forward: Callable[..., Any],
    batch: Sequence[Leaf],
    shared: int,
    cache: Any,
    new_cache: Callable[[], Any] | None,
    device: Any,
) -> list[tuple[int, Score]]:
    """(place, score) of every span of the leaves, whose first `shared` tokens are in `cache`."""
    ids, mask = pad_left([leaf.ids[shared:] for leaf in batch], device)  # (B, T)
    positions = (mask.cumsum(1) - 1).clamp(min=0) + shared
    extra: dict[str, Any] = {"use_cache": False}
    if shared and new_cache is not None:
        extra = {"use_cache": True, "past_key_values": _repeated(cache, len(batch), new_cache)}
        mask = torch.cat([mask.new_ones(len(batch), shared), mask], dim=1)
    kept = max(map(_kept, batch))
    output = forward(input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=kept, **extra)
    logits = output.logits[:, -kept:, :]  # (B, K, V)
    result = []
    for row, leaf in enumerate(batch):
        for place, span in leaf.spans:
            first = kept - (len(leaf.ids) - (span.begin - 1))
            wanted = torch.tensor(span.ids[span.begin : span.end], device=logits.device)
            scores = logits[row, first : first + len(wanted)].float()
            nats = float(torch.nn.functional.cross_entropy(scores, wanted, reduction="sum"))
            logs = scores.log_softmax(-1)
            own, (best, likeliest) = logs.gather(1, wanted[:, None])[:, 0], logs.max(-1)
            each = tuple(zip(own.tolist(), likeliest.tolist(), best.tolist(), strict=True))
            result.append((place, Score(nats, len(wanted), tuple((likeliest == wanted).tolist()), each)))
    return result
