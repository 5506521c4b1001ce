"""The Hugging Face Trainer with our batches, order and loss normalisation; objective and method do the rest."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

from cornucopia.training.data.batches import EpochSampler
from cornucopia.training.methods.method import Method
from cornucopia.training.objectives.objective import Objective
from cornucopia.training.run.divergence import Diverged
from cornucopia.training.run.ranks import any_of
from cornucopia.training.run.sharded import gathered, is_shared_out, own_part, shared_state, whole_state

MOST_LEFT_OUT = 25  # updates running that float16's loss scale may leave out; halved so often it is below 1


class ObjectiveTrainer(Trainer):
    """Trainer with an objective's loss and a method's weights, in an order that survives resume.

    Args:
        objective: what is learnt.
        method: what changes.
        sampler_settings: (seed, documents of one update, group by length).
        sets: validation sets by name, which together are `eval_dataset`; where there are several, each is told too.
        generated: metrics of what the model writes, by name; asked at each validation.
        **arguments: the Trainer's own.
    """

    def __init__(
        self,
        *,
        objective: Objective,
        method: Method,
        sampler_settings: tuple[int, int, bool],
        sets: dict[str, Any] | None = None,
        generated: Callable[[Any], dict[str, float]] | None = None,
        **arguments: Any,
    ) -> None:
        self._shared_out = is_shared_out(arguments["model"])
        super().__init__(**arguments)
        self._objective, self._method, self._sampler_settings = objective, method, sampler_settings
        self._sets, self._generated = sets or {}, generated
        self._update_loss: Any = 0.0
        self._left_out = 0
        self.model_accepts_loss_kwargs = True  # the loss divides by the update's items itself

    def _autocast(self) -> AbstractContextManager[Any]:
        """Of a model that accelerate has not prepared; else it is around the model's own forward pass.

        Casts are not kept: those of all blocks together would be a whole model.
        """
        dtype = torch.bfloat16 if self.args.bf16 else None
        if not self._shared_out or dtype is None:
            return nullcontext()
        return torch.autocast(self.args.device.type, dtype, cache_enabled=False)

    def _move_model_to_device(self, model: Any, device: Any) -> None:
        """Parts are where they belong."""
        if not self._shared_out:
            super()._move_model_to_device(model, device)

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        examples: Any = train_dataset if train_dataset is not None else self.train_dataset
        seed, batch_size, group = self._sampler_settings
        micro = self.args.train_batch_size
        return EpochSampler(examples.lengths, seed, batch_size, group, micro, multiple_of=self._at_once)

    def _get_eval_sampler(self, eval_dataset: Any) -> Any:
        return range(-(-len(eval_dataset) // self._at_once) * self._at_once)

    @property
    def _at_once(self) -> int:
        """Documents that the processes take together; one process alone also takes what remains."""
        return self.args.train_batch_size * self.args.world_size if self.args.world_size > 1 else 1

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> torch.Tensor:
        """Items of the whole update; one where there are none, whose loss is 0 then and not 0/0.

        It is asked once an update, before any of its batches is computed: what the model answers itself comes here.
        """
        if self._objective.samples:
            batch_samples[:] = self._objective.sampled(self.model, batch_samples, self.state.global_step)  # type: ignore[attr-defined]
        items = sum(self._objective.items(batch) for batch in batch_samples).to(device)
        return self.accelerator.reduce(items, "sum").clamp(min=1)

    def create_optimizer(self, model: Any = None) -> Any:
        """The Trainer's, with parameters of another rate in groups of their own, behind those of the usual one."""
        if self.optimizer is not None:
            return self.optimizer
        optimizer: Any = super().create_optimizer(model)
        rates = {id(p): self._method.rate(name) for name, p in self._method.trained(self.model).items()}
        groups = []
        for rate in sorted(set(rates.values()), key=lambda rate: (rate != 1, rate)):
            for group in optimizer.param_groups:
                chosen = [p for p in group["params"] if rates[id(p)] == rate]
                groups += [{**group, "params": chosen, "lr": group["lr"] * rate}] if chosen else []
        optimizer.param_groups[:] = groups
        return optimizer

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The objective's; times the processes, over which gradients are averaged."""
        with self._autocast():
            loss = self._objective.loss(model, inputs, num_items_in_batch) * self.args.world_size
        return (loss, {}) if return_outputs else loss

    def _run_epoch(self, *arguments: Any, **named: Any) -> None:
        """One pass; none where the checkpoint is of the last step, which the Trainer would train beyond."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*arguments, **named)

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._update_loss = self._update_loss + loss
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The gradient's norm, and a stop before the update if it or the update's loss is not finite."""
        norm = super()._get_grad_norm(model, grad_norm)
        loss, self._update_loss = float(self._update_loss), 0.0
        sound = math.isfinite(float(norm))
        # float16's loss scale begins too large: such updates are left out, and the scale is halved.
        self._left_out = 0 if sound or self.accelerator.scaler is None else self._left_out + 1
        broken = not math.isfinite(loss) or (not sound and not 0 < self._left_out <= MOST_LEFT_OUT)
        if any_of(broken):
            raise Diverged(self.state.global_step + 1, {"损失": loss, "梯度范数": float(norm)})
        return norm

    def log(self, logs: dict[str, float], *arguments: Any, **named: Any) -> None:
        """The Trainer's, with what the objective has to tell of the answers since the last time."""
        if self._objective.samples and "loss" in logs:
            logs = logs | self._objective.told()  # type: ignore[attr-defined]
        super().log(logs, *arguments, **named)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The objective's metrics over all validation sets, and over each of several; then what is generated."""
        metrics: dict[str, float] = {}
        totals: Counter[str] = Counter()
        parts = self._sets if len(self._sets) > 1 and eval_dataset is None else {"": eval_dataset}
        for name, part in parts.items():
            sums = self._summed(part)
            totals.update(sums)
            if name:
                metrics |= {f"{name}_{key}": value for key, value in self._objective.metrics(sums).items()}
        metrics = self._objective.metrics(dict(totals)) | metrics
        metrics |= self._generated(self.model) if self._generated else {}
        told = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        if not all(map(math.isfinite, told.values())):
            raise Diverged(self.state.global_step, {f"验证 {name}": value for name, value in told.items()})
        self.log(told)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, told)
        return told

    def _summed(self, dataset: Any) -> dict[str, float]:
        """The objective's sums over a validation set and all processes."""
        sums: dict[str, Any] = {}
        model: Any = self.model
        model.eval()
        with torch.no_grad(), self._autocast():
            for batch in self.get_eval_dataloader(dataset):
                for name, value in self._objective.sums(model, self._prepare_inputs(batch)).items():
                    sums[name] = sums.get(name, 0.0) + value.double()
        model.train()
        return {name: float(self.accelerator.reduce(value, "sum")) for name, value in sums.items()}

    def check_weights(self) -> None:
        """Refuse to keep weights that are not finite: the last update can break them without a loss that shows it.

        Raises:
            Diverged: some are not.
        """
        broken: dict[str, float] = {}
        for name, parameter in self._method.trained(self.model).items():
            own = own_part(parameter.detach())
            if not broken and not bool(torch.isfinite(own).all()):
                broken = {f"权重 {name} 的最大值": float(own.abs().max())}
        if any_of(bool(broken)):
            raise Diverged(self.state.global_step, broken or {"别的进程上的权重": math.nan})

    def whole(self, write: bool = False) -> AbstractContextManager[None]:
        """Within it the model is one that the method can save, or, to be written, load; see `sharded.gathered`."""
        return gathered(self.model, self._method.leaves == "model", write)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """A checkpoint's weights, as one process would write them."""
        with self.whole():
            self._save(output_dir)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.check_weights()
        super()._save_checkpoint(model, trial)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        if not self.args.should_save:
            return
        folder = Path(str(output_dir or self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        self._method.save(self.model, folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        with self.whole(write=True):
            self._method.load(model or self.model, Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Gathered where it is shared out, so that another number of processes can go on."""
        if not self._shared_out:
            return super()._save_optimizer_and_scheduler(output_dir)
        optimizer, rates = self._stepped()
        state = whole_state(optimizer)
        if self.args.should_save:
            torch.save(state, Path(output_dir, "optimizer.pt"))
            torch.save(rates.state_dict(), Path(output_dir, "scheduler.pt"))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if not self._shared_out or checkpoint is None:
            return super()._load_optimizer_and_scheduler(checkpoint)
        optimizer, rates = self._stepped()
        for name, target in (("optimizer", optimizer), ("scheduler", rates)):
            kept = torch.load(Path(checkpoint, f"{name}.pt"), map_location="cpu", weights_only=True)
            target.load_state_dict(shared_state(kept, target) if target is optimizer else kept)

    def _stepped(self) -> tuple[Any, Any]:
        """Optimizer and learning-rate schedule, which are there once training has begun."""
        return self.optimizer, self.lr_scheduler
