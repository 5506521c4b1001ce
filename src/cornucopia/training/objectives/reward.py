"""A reward model: one number a conversation, higher for the chosen answer than for the rejected one.

Bradley-Terry loss (Ouyang et al. 2022, arXiv:2203.02155), with a margin of each pair's own (Touvron et al. 2023,
arXiv:2307.09288) and centred scores (Eisenstein et al. 2023, arXiv:2312.09244), as TRL's RewardTrainer has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import DataError
from cornucopia.models.scorer import scores_of
from cornucopia.records.schema import Record
from cornucopia.tokens.pairs import encode_pairs
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.objectives.next_token import NextToken, trained_tokens
from cornucopia.training.objectives.preference import pair_rows

if TYPE_CHECKING:
    import torch

MARGIN = "margin"  # of a row: by how much its chosen answer is better
_MOST = 1000.0
_BASE, _STEPS = -10_000, 1000  # a first label of _BASE - n is a margin of n / _STEPS


class RewardSettings(Config):
    """Where scores lie."""

    center_rewards: float = option(
        0.0,
        "reward 的分数往 0 拉：一对两个分数之和的平方乘它，加进损失；常用 0.01",
        aliases=("center_rewards_coefficient",),
        ge=0,
    )


class Reward(NextToken):
    """reward.

    Args:
        recipe, template, tokenizer: see `NextToken`.
    """

    about = "奖励模型（给回答打分）"
    Settings = RewardSettings
    rows = "preference"
    scores = True
    recipe: Any

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """One example a rejected answer, the record's margin at its first label."""
        for record in records:
            try:
                mark = _marked(record)
                pairs = encode_pairs(record, self.template, self.tokenizer, self.recipe.cutoff_len)
                yield [replace(pair, labels=[mark, *pair.labels[1:]]) for pair in pairs]
            except DataError as error:
                yield error

    def collate(self, examples: Sequence[Example], packed: bool) -> dict[str, torch.Tensor]:
        """The 2B sequences, each chosen one before its rejected, and `margin`, (B,) float32."""
        import torch

        margins = [max(_BASE - example.labels[0], 0) / _STEPS for example in examples]
        return super().collate(pair_rows(examples), packed) | {MARGIN: torch.tensor(margins)}

    def items(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Pairs, those that only fill up left out."""
        return (trained_tokens(batch)[::2] > 0).sum()

    def loss(self, model: Any, batch: dict[str, torch.Tensor], items: Any) -> torch.Tensor:
        """-log s(c - r - m) + w (c + r)^2 of the scores c and r, summed over the pairs, divided by `items`."""
        return self.sums(model, batch)["loss"] / items

    def sums(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Loss, pairs, pairs whose chosen answer scores higher, by how much, and the scores of the chosen."""
        from torch.nn.functional import logsigmoid

        scores, real = scores_of(model, batch), (trained_tokens(batch)[::2] > 0).float()
        chosen, rejected = scores[::2], scores[1::2]
        ahead = chosen - rejected
        losses = self.recipe.center_rewards * (chosen + rejected) ** 2 - logsigmoid(ahead - batch[MARGIN])
        return {
            "loss": (losses * real).sum(), "items": real.sum(),
            "accuracy": ((ahead > 0) * real).sum(), "margin": (ahead * real).sum(), "chosen": (chosen * real).sum(),
        }  # fmt: skip

    def metrics(self, sums: dict[str, float]) -> dict[str, float]:
        """Means over the pairs: loss, accuracy (the chosen answer scores higher), margin, score of the chosen."""
        return {name: sums[name] / max(sums["items"], 1) for name in ("loss", "accuracy", "margin", "chosen")}


def _marked(record: Record) -> int:
    """The first label of a pair of the record.

    Raises:
        DataError: a margin that is no number of 0 to _MOST.
    """
    margin = record.extra.get(MARGIN, 0)
    usable = isinstance(margin, int | float) and not isinstance(margin, bool) and math.isfinite(margin)
    if not usable or not 0 <= margin <= _MOST:
        raise DataError(f"margin 应为 0 到 {_MOST:g} 的数", where=record.origin, found=str(margin)[:40])
    return _BASE - round(margin * _STEPS) if margin else IGNORE
