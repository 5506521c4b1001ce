"""Choosing each row's next token from its logits, and whether the row ends with it.

Shapes: B rows, V vocabulary. A row draws from a generator of its own, seeded by the run's seed and the prompt, so that
an answer does not depend on the rows beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cornucopia.inference.engine import FinishReason
from cornucopia.inference.generate import Row, Scored


def choose(rows: Sequence[Row], logits: torch.Tensor) -> list[int]:
    """Token ids for rows with (B, V) logits; rows that want log-probabilities get them in `scored`."""
    logits = logits.float()
    best = logits.argmax(-1).tolist()
    for group in _alike(rows).values():
        chosen = _drawn([rows[index] for index in group], logits[group])
        for index, token in zip(group, chosen, strict=True):
            best[index] = token
    for index, row in enumerate(rows):
        if row.top is not None:
            row.scored.append(_scored(logits[index], best[index], row.top))
    return best


def end_of(row: Row) -> FinishReason | None:
    """Why a row ends with its last token; None when it goes on."""
    whole = row.guide is not None and row.guide.take(row.tokens[-1])
    if whole or row.tokens[-1] in row.settings.eos or (row.stops is not None and row.stops.reached(row.tokens)):
        return "stop"
    return "length" if len(row.tokens) >= row.limit else None


def _alike(rows: Sequence[Row]) -> dict[tuple[object, ...], list[int]]:
    """Indices of the rows that are not simply greedy, those with the same settings together."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, row in enumerate(rows):
        if row.settings.do_sample or row.settings.history or row.guide:
            groups.setdefault((row.settings.do_sample, *sorted(row.settings.values.items())), []).append(index)
    return groups


def _drawn(rows: Sequence[Row], scores: torch.Tensor) -> list[int]:
    settings = rows[0].settings
    if settings.history:
        scores = torch.cat([_with_history(row, scores[i : i + 1]) for i, row in enumerate(rows)])
    if any(row.guide for row in rows):
        scores = torch.cat(
            [r.guide.allow(scores[i : i + 1]) if r.guide else scores[i : i + 1] for i, r in enumerate(rows)]
        )
    if not settings.do_sample:
        return scores.argmax(-1).tolist()
    for warper in settings.warpers:
        scores = warper(None, scores)
    mass = scores.softmax(-1).cumsum(-1)  # (B, V)
    draws = torch.stack([torch.rand(1, generator=row.random) for row in rows]).to(mass.device)
    # The first token whose cumulated mass exceeds the draw; one of zero probability never is.
    return torch.searchsorted(mass, draws * mass[:, -1:], right=True).squeeze(1).clamp(max=mass.shape[1] - 1).tolist()


def _with_history(row: Row, scores: torch.Tensor) -> torch.Tensor:
    # Row by row, without padding: a pad id must not be taken for a word already said.
    history = torch.tensor([row.prompt + row.tokens], device=scores.device)
    for processor in row.settings.history:
        scores = processor(history, scores)
    return scores


def _scored(logits: torch.Tensor, token: int, top: int) -> Scored:
    logprobs = logits.log_softmax(-1)
    values, ids = logprobs.topk(min(top, len(logprobs)))
    return Scored(float(logprobs[token]), tuple(zip(ids.tolist(), values.tolist(), strict=True)))
