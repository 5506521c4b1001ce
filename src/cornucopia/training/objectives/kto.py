"""Answers that were found good or bad, one by one (KTO: Ethayarajh et al. 2024, arXiv:2402.01306).

How far the model is from its start is measured on answers that do not belong to their prompts: each prompt of a batch
with the answer of the next one, as the paper and TRL do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.records.schema import Record
from cornucopia.tokens.pairs import encode_marked, prompt_length
from cornucopia.tokens.render import GOOD, IGNORE, Example
from cornucopia.training.objectives.next_token import NextToken, sequence_losses
from cornucopia.training.objectives.preference import PreferenceSettings

if TYPE_CHECKING:
    import torch

_OTHER = "other_"  # names of the tensors of the answers that do not belong to their prompts


class Kto(NextToken):
    """kto.

    Args:
        recipe, template, tokenizer: see `NextToken`.

    Raises:
        ConfigError: micro-batches of one answer, which has no other to be measured on.
    """

    about = "好坏标注（KTO）"
    Settings = PreferenceSettings
    rows = "kto"
    refers = True
    recipe: Any
    reference: Callable[[], AbstractContextManager[None]]

    def __init__(self, recipe: Any, template: Any, tokenizer: Any) -> None:
        super().__init__(recipe, template, tokenizer)
        self.beta: float = recipe.beta or 0.1
        if recipe.micro < 2:
            raise ConfigError("KTO 一次前向至少两条", found="micro_batch_size 1", fix="--micro-batch-size 4")

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """One example a record, marked good or bad; of a pair one for each answer."""
        for record in records:
            try:
                yield encode_marked(record, self.template, self.tokenizer, self.recipe.cutoff_len)
            except DataError as error:
                yield error

    def collate(self, examples: Sequence[Example], packed: bool) -> dict[str, torch.Tensor]:
        """The B answers, which of them are good (`good`, (B,) bool), and the prompts with the next one's answer."""
        import torch

        batch = super().collate(examples, packed)
        real = [example for example in examples if any(label >= 0 for label in example.labels)]
        fill = examples[len(real) :]  # what fills up a process's share stands last, and is nobody's other answer
        pairs = zip([*real, *fill], [*_turned(real), *fill], strict=True)
        others = [_crossed(one, two, self.recipe.cutoff_len) for one, two in pairs]
        batch["good"] = torch.tensor([example.labels[0] == GOOD for example in examples])
        return batch | {_OTHER + name: value for name, value in super().collate(others, packed).items()}

    def items(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Answers, those that only fill up left out."""
        import torch

        if "targets" not in batch:
            return (batch["labels"][:, 1:] >= 0).any(1).sum()
        owner = torch.searchsorted(batch["cu_seq_lens_q"][1:].long(), batch["logits_to_keep"], right=True)
        return (torch.bincount(owner) > 0).sum()

    def loss(self, model: Any, batch: dict[str, torch.Tensor], items: Any) -> torch.Tensor:
        """Of all answers, divided by `items`."""
        return self._measured(model, batch)["loss"] / items

    def sums(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Loss, answers, and those on whose side (more or less likely than at the start) the model is."""
        return self._measured(model, batch)

    def metrics(self, sums: dict[str, float]) -> dict[str, float]:
        """Means over the answers."""
        return {name: sums[name] / max(sums["items"], 1) for name in ("loss", "accuracy")}

    def _measured(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        import torch

        others = {name.removeprefix(_OTHER): value for name, value in batch.items() if name.startswith(_OTHER)}
        answers = {name: value for name, value in batch.items() if not name.startswith(_OTHER) and name != "good"}
        with torch.no_grad():
            with self.reference():
                start, _ = sequence_losses(model, answers)
                other_start, _ = sequence_losses(model, others)
            other, tokens = sequence_losses(model, others)
            apart = ((other_start - other).sum() / (tokens > 0).sum().clamp(min=1)).clamp(min=0)
        losses, tokens = sequence_losses(model, answers)
        good, real = batch["good"], (tokens > 0).float()
        gain = self.beta * (start - losses - apart)  # losses are negative log-probabilities
        side = torch.where(good, gain, -gain)
        weight = torch.where(good, self.recipe.kto_good_weight, self.recipe.kto_bad_weight)
        return {
            "loss": (weight * (1 - torch.sigmoid(side)) * real).sum(),
            "items": real.sum(),
            "accuracy": ((side > 0) * real).sum(),
        }


def _turned(examples: Sequence[Example]) -> list[Example]:
    return [*examples[1:], *examples[:1]]


def _crossed(one: Example, two: Example, cutoff_len: int) -> Example:
    """The prompt of one with the answer of the other."""
    prompt = one.input_ids[: prompt_length(one)]
    answer = slice(prompt_length(two), None)
    ids = [*prompt, *two.input_ids[answer]][:cutoff_len]
    labels = [*[IGNORE] * len(prompt), *two.labels[answer]][:cutoff_len]
    return Example(ids, labels)
