"""The Hugging Face Trainer with our batches, order and loss normalisation; objective and method do the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

from cornucopia.training.data.batches import EpochSampler
from cornucopia.training.methods.method import Method
from cornucopia.training.objectives.objective import Objective


class ObjectiveTrainer(Trainer):
    """Trainer with an objective's loss and a method's weights, in an order that survives resume.

    Args:
        objective: what is learnt.
        method: what changes.
        sampler_settings: (seed, documents of one update, group by length).
        **arguments: the Trainer's own.
    """

    def __init__(
        self, *, objective: Objective, method: Method, sampler_settings: tuple[int, int, bool], **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._objective, self._method, self._sampler_settings = objective, method, sampler_settings
        self.model_accepts_loss_kwargs = True  # the loss divides by the update's items itself

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        examples: Any = train_dataset if train_dataset is not None else self.train_dataset
        seed, batch_size, group = self._sampler_settings
        return EpochSampler(examples.lengths, seed, batch_size, group)

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> torch.Tensor:
        """Items of the whole update; one where there are none, whose loss is 0 then and not 0/0."""
        return sum(self._objective.items(batch) for batch in batch_samples).clamp(min=1).to(device)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = self._objective.loss(model, inputs, num_items_in_batch)
        return (loss, {}) if return_outputs else loss

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The objective's metrics over the validation set."""
        sums: dict[str, float] = {}
        model: Any = self.model
        model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in self.get_eval_dataloader(eval_dataset):
                for name, value in self._objective.sums(model, self._prepare_inputs(batch)).items():
                    sums[name] = sums.get(name, 0.0) + float(value)
        model.train()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in self._objective.metrics(sums).items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """A checkpoint's weights."""
        folder = Path(str(output_dir or self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        self._method.save(self.model, folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        self._method.load(model or self.model, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        self._method.load(self.model, Path(str(self.state.best_model_checkpoint)))
