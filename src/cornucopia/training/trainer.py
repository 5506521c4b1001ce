"""The Hugging Face Trainer with our batches and loss: packed rows, logits on trained positions only."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from transformers import Trainer

from cornucopia.kernels import packed_attention
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.batches import Collator, EpochSampler, pack_row


def answer_loss(model: Any, batch: dict[str, torch.Tensor], items: torch.Tensor | int | float) -> torch.Tensor:
    """Cross-entropy summed over the trained tokens of a batch, divided by `items`.

    Args:
        model: a causal language model.
        batch: from `pack_row` (one row of documents) or `collate` (padded rows).
        items: trained tokens of the whole update (all micro-batches, all ranks), so that every token weighs the same.

    Returns:
        A scalar.
    """
    batch = dict(batch)
    labels = batch.pop("labels")
    if "targets" in batch:
        targets = batch.pop("targets")
        logits = model(**batch, use_cache=False).logits[0]
    else:
        logits = model(**batch, use_cache=False).logits[:, :-1]
        trained = labels[:, 1:] != IGNORE
        logits, targets = logits[trained], labels[:, 1:][trained]
    return F.cross_entropy(logits.float(), targets, reduction="sum") / items


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
        examples = train_dataset if train_dataset is not None else self.train_dataset
        seed, batch_size, group = self._sampler_settings
        return EpochSampler([len(e.input_ids) for e in examples], seed, batch_size, group)

    def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        items = num_items_in_batch if num_items_in_batch is not None else (inputs["labels"][:, 1:] != IGNORE).sum().clamp(min=1)
        loss = answer_loss(model, inputs, items)
        return (loss, {}) if return_outputs else loss

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """Mean cross-entropy per trained token over the validation set (not a mean of batch means)."""
        total, count = 0.0, 0
        self.model.eval()
        with torch.no_grad():
            for batch in self.get_eval_dataloader(eval_dataset):
                batch = self._prepare_inputs(batch)
                items = int((batch["labels"][:, 1:] != IGNORE).sum())
                total += float(answer_loss(self.model, batch, 1))
                count += items
        self.model.train()
        metrics = {f"{metric_key_prefix}_loss": total / max(count, 1)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def try_packing(model: Any, collator: Collator) -> str:
    """Switch the model to packed attention when it gives what separate documents give.

    Two short documents are run packed and alone; where the losses differ, or the model refuses, the plain path stays.

    Returns:
        "" when packed training is on, else the reason why not (Chinese).
    """
    documents = [Example(list(range(3, 3 + n)), [IGNORE, *range(4, 3 + n)]) for n in (7, 5)]
    device = next(model.parameters()).device
    before = model.config._attn_implementation
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = sum(float(answer_loss(model, _to(Collator(False, 0)([d]), device), 1)) for d in documents)
            model.config._attn_implementation = packed_attention.register()
            together = float(answer_loss(model, _to(pack_row(documents), device), 1))
        reason = "" if abs(together - alone) <= 2e-2 * max(1.0, abs(alone)) else "拼行后损失不同"
    except (TypeError, ValueError, RuntimeError, KeyError, IndexError) as error:
        reason = str(error).splitlines()[0][:120]
    finally:
        model.train(training)
    collator.packed = not reason
    if reason:
        model.config._attn_implementation = before
    return reason


def _to(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    return {key: value.to(device) for key, value in batch.items()}
