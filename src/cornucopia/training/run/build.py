"""The model with what is to be trained switched on, and the Hugging Face Trainer around it.

Knows nothing of output folders, of saving, or of what to do when memory runs out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from cornucopia.core.console import say
from cornucopia.core.device import choose_device, choose_dtype
from cornucopia.core.errors import ConfigError
from cornucopia.models.find import find_model
from cornucopia.models.load import Base
from cornucopia.models.memory import read_shape
from cornucopia.models.spec import ModelSpec
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.methods.method import Method
from cornucopia.training.objectives.objective import Objective
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import ranks
from cornucopia.training.run.best import best_metric, larger_is_better
from cornucopia.training.run.deepspeed_file import deepspeed_arguments
from cornucopia.training.run.plan import total_steps
from cornucopia.training.run.trackers import tracker_names


def spec_to_load(recipe: TrainRecipe) -> ModelSpec:
    """Where the base is loaded to: one that is shared out comes to the cards in parts."""
    spec = recipe.spec()
    return spec.model_copy(update={"device": "cpu"}) if recipe.shard == "fsdp2" else spec


def trainable(recipe: TrainRecipe, base: Base, method: Method) -> Any:
    """The model with what is to be trained switched on."""
    from cornucopia.kernels.four_bit import train_through

    base.model.config.use_cache = False
    train_through(base.model)
    return method.apply_start(base, Path(recipe.adapter)) if recipe.adapter else method.apply(base.model)


def make_trainer(
    recipe: TrainRecipe,
    output: Path,
    plan: DataPlan,
    model: Any,
    objective: Objective,
    method: Method,
    callbacks: list[Any],
    generated: Callable[[Any], dict[str, float]] | None = None,
) -> Any:
    """The Trainer, on the fast step where model and objective can take it."""
    from transformers import PrinterCallback

    from cornucopia.training.run.sharded import shard
    from cornucopia.training.run.trainer import ObjectiveTrainer

    packed = recipe.packing and _speed_up(recipe, output, plan, model, objective, method)
    if recipe.shard == "fsdp2":
        model = shard(model, choose_device(recipe.device), recipe.shard_offload)
    _point_trackers(recipe, output)
    trainer = ObjectiveTrainer(
        objective=objective,
        method=method,
        model=model,
        args=_arguments(recipe, output, plan, objective, packed),
        data_collator=partial(objective.collate, packed=packed),
        callbacks=callbacks,
        train_dataset=_dataset(plan.train),
        eval_dataset=_dataset(plan.validation) if plan.validation else None,
        sets=_sets(plan),
        generated=generated,
        sampler_settings=(recipe.seed, recipe.batch_size, recipe.group_by_length),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _dataset(examples: Any) -> Any:
    from cornucopia.training.data.batches import Filled

    return Filled(examples) if ranks.world() > 1 else examples


def _sets(plan: DataPlan) -> dict[str, Any]:
    from cornucopia.training.data.batches import Stretch

    ends = list(accumulate(size for _, size in plan.sets))
    return {
        name: _dataset(Stretch(plan.validation, end - size, end))
        for (name, size), end in zip(plan.sets, ends, strict=True)
    }


def _speed_up(
    recipe: TrainRecipe, output: Path, plan: DataPlan, model: Any, objective: Objective, method: Method
) -> bool:
    """Switch the model to the fast step as far as it can take it; returns whether batches are to be packed."""
    from cornucopia.training.run.fast import EXTRAS, extras, left_out, speed_up, speed_up_layers, switch_off
    from cornucopia.training.run.ways import settle, ways_of

    reason = "这个目标要逐条的批次" if method.packs else "虚拟词元在每一行的开头，不在每条的开头"
    if objective.packs and method.packs:
        ways, tried_in = ways_of(recipe, output, plan, model)
        if ways.compiled:
            say("编译逐元素的运算：约 20 秒，只在第一次")
        reason = speed_up(model, compiled=ways.compiled, blocks=ways.attention)
        if tried_in and not reason and not settle(ways, tried_in, recipe, output, plan, model, objective):
            switch_off(model, "compiled")
    else:
        speed_up_layers(model)
    say(f"不能用无填充训练（{reason}），用普通填充" if reason else "无填充训练：每步的多条拼成一行，互不可见")
    faster = [text for name, text in EXTRAS.items() if name in extras(model)]
    if faster:
        say(f"加速（已在这个模型上核对过损失和梯度）：{'、'.join(faster)}")
    unused = [f"{EXTRAS[name]}（{why}）" for name, why in left_out(model).items() if name in EXTRAS]
    if unused:
        say(f"没有用上的加速（结果不变，只是慢一些）：{'、'.join(unused)}")
    return not reason


def _arguments(recipe: TrainRecipe, output: Path, plan: DataPlan, objective: Objective, packed: bool) -> Any:
    import torch
    from transformers import TrainingArguments

    world = ranks.world()
    steps = total_steps(recipe, len(plan.train))
    best = best_metric(recipe, objective, plan)
    arguments = TrainingArguments(
        output_dir=str(output),
        run_name=recipe.wandb_run_name or output.name,
        report_to=(tracker_names(recipe) if ranks.is_first() else []) or "none",
        per_device_train_batch_size=recipe.micro,
        per_device_eval_batch_size=recipe.micro,
        gradient_accumulation_steps=recipe.batch_size // (recipe.micro * world),
        num_train_epochs=recipe.num_epochs,
        max_steps=recipe.max_steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.lr_scheduler_type,
        warmup_steps=math.ceil(recipe.warmup_ratio * steps) if recipe.warmup_steps is None else recipe.warmup_steps,
        weight_decay=recipe.weight_decay,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
        optim=recipe.optim,
        activation_checkpointing=recipe.gradient_checkpointing,
        logging_steps=min(recipe.logging_steps, max(steps // 4, 1)),  # a short run has a curve too
        logging_nan_inf_filter=False,  # it would hide what the run must stop at
        save_total_limit=recipe.save_total_limit,
        include_num_input_tokens_seen="all" if packed else "non_padding",
        seed=recipe.seed,
        data_seed=recipe.seed,
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
        dataloader_num_workers=0,
        ddp_backend="gloo" if world > 1 and choose_device(recipe.device) == "cpu" else None,
        ddp_find_unused_parameters=False if world > 1 else None,
        average_tokens_across_devices=world > 1,
        **deepspeed_arguments(recipe.deepspeed, world),
        **_precision(recipe),
        **_validation(recipe, steps, best if plan.validation else ""),
    )
    _one_card(arguments)
    return arguments


def check_processes(recipe: TrainRecipe) -> None:
    """Refuse, before anything is loaded, what this many processes cannot do; a plan alone may be asked of one.

    Raises:
        ConfigError: sharing out in one process, which has nobody to share with, or in float16, whose loss scale each
            process would choose apart; a DeepSpeed configuration that cannot be used.
    """
    if recipe.dry_run:
        return
    deepspeed_arguments(recipe.deepspeed, ranks.world())
    if recipe.shard == "fsdp2" and ranks.world() == 1:
        fix = "torchrun --nproc-per-node 卡数 -m cornucopia train 配方；只有一个进程就去掉 shard"
        raise ConfigError("shard fsdp2 要几个进程一起", found="1 个进程", fix=fix)
    if recipe.shard == "fsdp2" and _precision(recipe)["fp16"]:
        raise ConfigError("shard fsdp2 不用 float16", where="dtype", found="float16", fix="--dtype bfloat16")


def _one_card(arguments: Any) -> None:
    """Keep the Trainer from splitting batches over all cards of one process, which packed rows do not survive."""
    cards = arguments.n_gpu
    if cards > 1:
        arguments._n_gpu = 1
        say(f"看得见 {cards} 张卡，一个进程只用一张；全用：torchrun --nproc-per-node {cards} -m cornucopia train 配方")


def _precision(recipe: TrainRecipe) -> dict[str, Any]:
    import torch

    device = choose_device(recipe.device)
    dtype = choose_dtype(recipe.dtype, device, read_shape(find_model(recipe.base)).parameters)
    return {"bf16": dtype == torch.bfloat16, "fp16": dtype == torch.float16, "use_cpu": device == "cpu"}


def _validation(recipe: TrainRecipe, steps: int, best: str) -> dict[str, Any]:
    """When to validate and save: a checkpoint can be the best only where it was validated."""
    if not best:
        return {"save_steps": recipe.save_steps, "eval_strategy": "no"}
    every = min(recipe.eval_steps, steps)
    return {
        "save_steps": -(-recipe.save_steps // every) * every,
        "eval_strategy": "steps",
        "eval_steps": every,
        "load_best_model_at_end": True,
        "metric_for_best_model": best,
        "greater_is_better": larger_is_better(best),
    }


def _point_trackers(recipe: TrainRecipe, output: Path) -> None:
    """Tell the trackers by their environment variables where and how to log."""
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(output / "tensorboard")
    for key, value in (
        ("WANDB_PROJECT", recipe.wandb_project),
        ("WANDB_WATCH", recipe.wandb_watch),
        ("WANDB_LOG_MODEL", recipe.wandb_log_model),
    ):
        if value:
            os.environ[key] = value
