"""The model with what is to be trained switched on, and the Hugging Face Trainer around it.

Knows nothing of output folders, of saving, or of what to do when memory runs out.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from cornucopia.adapters.load import attach
from cornucopia.core.console import say
from cornucopia.core.device import choose_device, choose_dtype
from cornucopia.models.find import find_model
from cornucopia.models.load import Base
from cornucopia.models.memory import read_shape
from cornucopia.training.examples import DataPlan
from cornucopia.training.plan import total_steps
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.start import starting_adapter
from cornucopia.training.trackers import tracker_names


def trainable(recipe: TrainRecipe, base: Base) -> Any:
    """The model with what is to be trained switched on."""
    from peft import LoraConfig, get_peft_model

    from cornucopia.kernels.four_bit import train_through
    from cornucopia.models.families import lora_targets

    model = base.model
    model.config.use_cache = False
    train_through(model)
    if recipe.method == "full":
        return model.float().train()
    if recipe.gradient_checkpointing:
        model.enable_input_require_grads()
    given = starting_adapter(recipe)
    if given:
        model = attach(model, base, given, "default")
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name)
        return model
    config = LoraConfig(
        r=recipe.lora_r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        bias="none",
        task_type="CAUSAL_LM",
        target_modules=lora_targets(model, recipe.lora_target_modules),
    )
    return get_peft_model(model, config)


def make_trainer(
    recipe: TrainRecipe, output: Path, plan: DataPlan, base: Base, model: Any, callbacks: list[Any]
) -> Any:
    """The Trainer, on the fast step where the model can take it."""
    from transformers import PrinterCallback

    from cornucopia.training.batches import Collator
    from cornucopia.training.fast import EXTRAS, extras, left_out, speed_up, switch_off
    from cornucopia.training.trainer import AnswerTrainer
    from cornucopia.training.ways import settle, ways_of

    collator = Collator(packed=False, pad_id=base.tokenizer.pad_token_id or 0)
    if recipe.packing:
        ways, tried_in = ways_of(recipe, output, plan, base.model)
        if ways.compiled:
            say("编译逐元素的运算：约 20 秒，只在第一次")
        reason = speed_up(model, compiled=ways.compiled, blocks=ways.attention)
        collator.packed = not reason
        if tried_in and not reason and not settle(ways, tried_in, recipe, output, plan, model):
            switch_off(model, "compiled")
        say(
            f"这个模型不能用无填充训练（{reason}），用普通填充"
            if reason
            else "无填充训练：每步的多条拼成一行，互不可见"
        )
        faster = [text for name, text in EXTRAS.items() if name in extras(model)]
        if faster:
            say(f"加速（已在这个模型上核对过损失和梯度）：{'、'.join(faster)}")
        unused = [f"{EXTRAS[name]}（{why}）" for name, why in left_out(model).items() if name in EXTRAS]
        if unused:
            say(f"没有用上的加速（结果不变，只是慢一些）：{'、'.join(unused)}")
    _point_trackers(recipe, output)
    trainer = AnswerTrainer(
        model=model,
        args=_arguments(recipe, output, plan, collator.packed),
        data_collator=collator,
        callbacks=callbacks,
        train_dataset=plan.train,
        eval_dataset=plan.validation or None,
        sampler_settings=(recipe.seed, recipe.batch_size, recipe.group_by_length),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(recipe: TrainRecipe, output: Path, plan: DataPlan, packed: bool) -> Any:
    import torch
    from transformers import TrainingArguments

    world = int(os.environ.get("WORLD_SIZE", "1"))
    steps = total_steps(recipe, len(plan.train))
    return TrainingArguments(
        output_dir=str(output),
        run_name=recipe.wandb_run_name or output.name,
        report_to=tracker_names(recipe) or "none",
        per_device_train_batch_size=recipe.micro,
        per_device_eval_batch_size=recipe.micro,
        gradient_accumulation_steps=max(recipe.batch_size // (recipe.micro * world), 1),
        num_train_epochs=recipe.num_epochs,
        max_steps=recipe.max_steps,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.lr_scheduler_type,
        warmup_steps=math.ceil(recipe.warmup_ratio * steps),
        weight_decay=recipe.weight_decay,
        adam_beta2=recipe.adam_beta2,
        max_grad_norm=recipe.max_grad_norm,
        optim=recipe.optim,
        activation_checkpointing=recipe.gradient_checkpointing,
        logging_steps=min(recipe.logging_steps, max(steps // 4, 1)),  # a short run has a curve too
        save_total_limit=recipe.save_total_limit,
        include_num_input_tokens_seen="all" if packed else "non_padding",
        seed=recipe.seed,
        data_seed=recipe.seed,
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
        dataloader_num_workers=0,
        ddp_find_unused_parameters=False if world > 1 else None,
        average_tokens_across_devices=world > 1,
        **_precision(recipe),
        **_validation(recipe, steps, validate=bool(plan.validation)),
    )


def _precision(recipe: TrainRecipe) -> dict[str, Any]:
    import torch

    device = choose_device(recipe.device)
    dtype = choose_dtype(recipe.dtype, device, read_shape(find_model(recipe.base_model)).parameters)
    return {"bf16": dtype == torch.bfloat16, "fp16": dtype == torch.float16, "use_cpu": device == "cpu"}


def _validation(recipe: TrainRecipe, steps: int, validate: bool) -> dict[str, Any]:
    """When to validate and save: a checkpoint can be the best only where it was validated."""
    if not validate:
        return {"save_steps": recipe.save_steps, "eval_strategy": "no"}
    every = min(recipe.eval_steps, steps)
    return {
        "save_steps": -(-recipe.save_steps // every) * every,
        "eval_strategy": "steps",
        "eval_steps": every,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
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
