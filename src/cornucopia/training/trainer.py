"""The Hugging Face Trainer with our batches, order and loss normalisation."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from transformers import Trainer

from cornucopia.tokens.render import IGNORE
from cornucopia.training.batches import EpochSampler


def answer_loss(model: Any, batch: dict[str, torch.Tensor], items: torch.Tensor | int | float) -> torch.Tensor:
    """Cross-entropy summed over the trained tokens of a batch, divided by `items`.

    Args:
        model: a causal language model.
        batch: from `pack_row` (one row of documents; the model is then a `fast` one) or `collate` (padded rows).
        items: trained tokens of the whole update (all micro-batches, all ranks), so that every token weighs the same.

    Returns:
        A scalar.
    """
    batch = dict(batch)
    labels = batch.pop("labels")
    if "targets" in batch:
        return model(**batch, use_cache=False).loss / items
    logits = model(**batch, use_cache=False).logits[:, :-1]
    trained = labels[:, 1:] != IGNORE
    return F.cross_entropy(logits[trained].float(), labels[:, 1:][trained], reduction="sum") / items


class AnswerTrainer(Trainer):
    """Trainer with answer_loss and an order that survives resume.

    Args:
        sampler_settings: (seed, documents of one update, group by length).
        **arguments: the Trainer's own.
    """

    def __init__(self, *, sampler_settings: tuple[int, int, bool], **arguments: Any) -> None:
        super().__init__(**arguments)
        self._sampler_settings = sampler_settings
        self.model_accepts_loss_kwargs = True  # answer_loss divides by the update's tokens itself

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        examples: Any = train_dataset if train_dataset is not None else self.train_dataset
        seed, batch_size, group = self._sampler_settings
        return EpochSampler(examples.lengths, seed, batch_size, group)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        items = (
            num_items_in_batch
            if num_items_in_batch is not None
            else (inputs["labels"][:, 1:] != IGNORE).sum().clamp(min=1)
        )
        loss = answer_loss(model, inputs, items)
        return (loss, {}) if return_outputs else loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Mean cross-entropy per trained token over the validation set (not a mean of batch means)."""
        total, count = 0.0, 0
        model: Any = self.model
        model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in self.get_eval_dataloader(eval_dataset):
                batch = self._prepare_inputs(batch)
                items = int((batch["labels"][:, 1:] != IGNORE).sum())
                total += float(answer_loss(model, batch, 1))
                count += items
        model.train()
        metrics = {f"{metric_key_prefix}_loss": total / max(count, 1)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics
