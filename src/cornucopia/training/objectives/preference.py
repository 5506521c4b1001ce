"""One answer rather than another: DPO, IPO, SimPO and ORPO on pairs of a chosen and a rejected answer.

Symbols: for a pair, c and r are log-probabilities of the chosen and the rejected answer under the model, summed over
their tokens; c', r' the same under the model at the start; |c|, |r| their tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record
from cornucopia.tokens.pairs import encode_pairs
from cornucopia.tokens.render import Example
from cornucopia.training.objectives.next_token import NextToken, sequence_losses, trained_tokens

if TYPE_CHECKING:
    import torch


class PreferenceSettings(Config):
    """How strongly answers are told apart."""

    beta: float | None = option(
        None,
        "偏好训练的 β：越大越贴近起点；不写则 dpo、ipo、orpo、kto 为 0.1，simpo 为 2",
        aliases=("pref_beta",),
        gt=0,
    )
    label_smoothing: float = option(0.0, "dpo 里标注可能反了的比例", aliases=("dpo_label_smoothing",), ge=0, lt=0.5)
    simpo_gamma: float = option(0.5, "simpo 的目标间隔 γ：好回答的平均对数概率乘 β 之后至少高出多少", ge=0)
    sft_weight: float = option(
        0.0, "偏好训练里另加好回答的交叉熵（每词元平均），它的权重", aliases=("pref_ftx", "rpo_alpha"), ge=0
    )
    kto_good_weight: float = option(
        1.0,
        "kto 里好回答的权重；好坏条数不等时，调到两边的总权重相近",
        aliases=("kto_chosen_weight", "desirable_weight"),
        gt=0,
    )
    kto_bad_weight: float = option(
        1.0, "kto 里坏回答的权重", aliases=("kto_rejected_weight", "undesirable_weight"), gt=0
    )


@dataclass(frozen=True)
class Pairs:
    """What a batch of B pairs comes to; each (B,) float32.

    Args:
        chosen, rejected: c and r, in nats.
        chosen_start, rejected_start: c' and r'; 0 where the objective needs no start.
        chosen_tokens, rejected_tokens: |c| and |r|, at least 1.
    """

    chosen: torch.Tensor
    rejected: torch.Tensor
    chosen_start: torch.Tensor
    rejected_start: torch.Tensor
    chosen_tokens: torch.Tensor
    rejected_tokens: torch.Tensor

    @property
    def gain(self) -> torch.Tensor:
        """(c - c') - (r - r')."""
        return self.chosen - self.chosen_start - self.rejected + self.rejected_start

    @property
    def means(self) -> tuple[torch.Tensor, torch.Tensor]:
        """c / |c| and r / |r|."""
        return self.chosen / self.chosen_tokens, self.rejected / self.rejected_tokens


def pair_rows(examples: Sequence[Example]) -> list[Example]:
    """The 2B sequences of B pairs, each chosen one before its rejected; an example of one sequence is a pair of it."""
    pairs = [example.sequences() for example in examples]
    return [sequence for pair in pairs for sequence in (pair[0], pair[-1])]


class Preference(NextToken):
    """An `Objective` but for `losses` and `margin`.

    Args:
        recipe, template, tokenizer: see `NextToken`.
    """

    Settings = PreferenceSettings
    rows = "preference"
    refers = True
    usual_beta = 0.1
    recipe: Any
    reference: Callable[[], AbstractContextManager[None]]

    def __init__(self, recipe: Any, template: Any, tokenizer: Any) -> None:
        super().__init__(recipe, template, tokenizer)
        self.beta: float = recipe.beta or self.usual_beta

    def losses(self, pairs: Pairs) -> torch.Tensor:
        """(B,), of each pair."""
        raise NotImplementedError

    def margin(self, pairs: Pairs) -> torch.Tensor:
        """(B,), by how much the chosen answer is preferred; above 0 where the model agrees."""
        return self.beta * pairs.gain

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """One example a rejected answer."""
        for record in records:
            try:
                yield encode_pairs(record, self.template, self.tokenizer, self.recipe.cutoff_len)
            except DataError as error:
                yield error

    def collate(self, examples: Sequence[Example], packed: bool) -> dict[str, torch.Tensor]:
        """The 2B sequences, each chosen one before its rejected; what fills up a process's share counts as a pair."""
        return super().collate(pair_rows(examples), packed)

    def items(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Pairs, those that only fill up left out."""
        return (trained_tokens(batch)[::2] > 0).sum()

    def loss(self, model: Any, batch: dict[str, torch.Tensor], items: Any) -> torch.Tensor:
        """Of all pairs, divided by `items`."""
        pairs, real = self._pairs(model, batch)
        losses = self.losses(pairs) - self.recipe.sft_weight * pairs.means[0]
        return (losses * real).sum() / items

    def sums(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Loss, pairs, pairs in which the chosen answer is preferred, and by how much."""
        pairs, real = self._pairs(model, batch)
        margin = self.margin(pairs)
        losses = self.losses(pairs) - self.recipe.sft_weight * pairs.means[0]
        return {
            "loss": (losses * real).sum(), "items": real.sum(),
            "accuracy": ((margin > 0) * real).sum(), "margin": (margin * real).sum(),
        }  # fmt: skip

    def metrics(self, sums: dict[str, float]) -> dict[str, float]:
        """Means over the pairs: loss, accuracy (the chosen answer is preferred), margin."""
        return {name: sums[name] / max(sums["items"], 1) for name in ("loss", "accuracy", "margin")}

    def _pairs(self, model: Any, batch: dict[str, torch.Tensor]) -> tuple[Pairs, torch.Tensor]:
        """The pairs, and (B,) float32: 1, or 0 of what only fills up."""
        import torch

        start = None
        if self.refers:
            with torch.no_grad(), self.reference():
                start, _ = sequence_losses(model, batch)
        losses, tokens = sequence_losses(model, batch)
        start = torch.zeros_like(losses) if start is None else start
        real, tokens = (tokens > 0).float(), tokens.clamp(min=1).float()
        pairs = Pairs(-losses[::2], -losses[1::2], -start[::2], -start[1::2], tokens[::2], tokens[1::2])
        return pairs, real[::2] * real[1::2]


class Dpo(Preference):
    """Rafailov et al. 2023, arXiv:2305.18290; with label smoothing, Mitchell's conservative DPO (2023)."""

    about = "偏好（DPO）"

    def losses(self, pairs: Pairs) -> torch.Tensor:
        """-(1 - e) log s(b gain) - e log s(-b gain)."""
        from torch.nn.functional import logsigmoid

        gain, wrong = self.beta * pairs.gain, self.recipe.label_smoothing
        return -(1 - wrong) * logsigmoid(gain) - wrong * logsigmoid(-gain)


class Ipo(Preference):
    """Azar et al. 2023, arXiv:2310.12036; log-probabilities by token, as its authors and TRL have them."""

    about = "偏好（IPO）"

    def losses(self, pairs: Pairs) -> torch.Tensor:
        """(gain by token - 1 / 2b)^2."""
        return (self.margin(pairs) - 1 / (2 * self.beta)) ** 2

    def margin(self, pairs: Pairs) -> torch.Tensor:
        """The gain by token."""
        chosen = (pairs.chosen - pairs.chosen_start) / pairs.chosen_tokens
        return chosen - (pairs.rejected - pairs.rejected_start) / pairs.rejected_tokens


class SimPo(Preference):
    """Meng et al. 2024, arXiv:2405.14734: no start is needed."""

    about = "偏好（SimPO，不要参照模型）"
    refers = False
    usual_beta = 2.0

    def losses(self, pairs: Pairs) -> torch.Tensor:
        """-log s(b (c/|c| - r/|r|) - g)."""
        from torch.nn.functional import logsigmoid

        return -logsigmoid(self.margin(pairs) - self.recipe.simpo_gamma)

    def margin(self, pairs: Pairs) -> torch.Tensor:
        """b (c/|c| - r/|r|)."""
        chosen, rejected = pairs.means
        return self.beta * (chosen - rejected)


class Orpo(Preference):
    """Hong et al. 2024, arXiv:2403.07691: instruction tuning and preference in one, no start is needed."""

    about = "偏好（ORPO，不要参照模型）"
    refers = False

    def losses(self, pairs: Pairs) -> torch.Tensor:
        """-c/|c| - b log s(log odds of the chosen over the rejected)."""
        from torch.nn.functional import logsigmoid

        return -pairs.means[0] - self.beta * logsigmoid(self.margin(pairs))

    def margin(self, pairs: Pairs) -> torch.Tensor:
        """log (p / (1 - p)) of the chosen less that of the rejected; p is the mean probability of a token."""
        import torch

        chosen, rejected = (mean.clamp(max=-1e-6) for mean in pairs.means)  # p = 1 has no odds
        return chosen - rejected - torch.log(-torch.expm1(chosen)) + torch.log(-torch.expm1(rejected))
