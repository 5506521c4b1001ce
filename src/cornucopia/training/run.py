"""One training run from recipe to adapter: plan, load, train, save; resumable to the bit.

Knows nothing of the command line.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from cornucopia.adapters.load import attach, find_adapter
from cornucopia.adapters.meta import AdapterMeta, library_versions, write_meta
from cornucopia.core.console import say
from cornucopia.core.device import choose_device, choose_dtype
from cornucopia.core.errors import ConfigError, Interrupted
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.models.load import Base, find_model, fingerprint, load_base
from cornucopia.models.memory import read_shape
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.tokens.template import PromptTemplate, Template, resolve_template
from cornucopia.training import checkpoint as ck
from cornucopia.training.examples import DataPlan, prepare, save_rejects
from cornucopia.training.plan import show, total_steps
from cornucopia.training.recipe import TrainRecipe

# What a model folder needs beside its weights and config.json.
_COMPANIONS = (
    "tokenizer*",
    "*tokens*.json",
    "vocab.json",
    "merges.txt",
    "chat_template*.jinja",
    "generation_config.json",
)


def train(recipe: TrainRecipe) -> dict[str, Any]:
    """Run a recipe.

    Returns:
        The result, as in train_result.json: steps, losses, seconds, tokens per second.

    Raises:
        CornucopiaError: bad recipe, data or model. Interrupted: after Ctrl-C, with state saved.
    """
    output = Path(recipe.output_dir)
    folder = find_model(recipe.base_model)
    shape = read_shape(folder)
    tokenizer = load_tokenizer(folder)
    template = resolve_template(recipe.prompt_template_name, tokenizer)
    _check_trackers(recipe)
    plan = prepare(recipe, template, tokenizer)
    device = choose_device(recipe.device)
    dtype = choose_dtype(recipe.dtype, device, shape.parameters)
    show(recipe, plan, folder, template.name, dtype.itemsize, free_memory(device))
    if recipe.dry_run:
        return {"dry_run": True, "steps": total_steps(recipe, len(plan.train)), "rejects": len(plan.rejects)}
    identity = recipe.identity() | {"base_fingerprint": fingerprint(folder), "data_fingerprint": plan.fingerprint}
    adapter = _starting_adapter(recipe)
    identity["start"] = hashlib.sha256(_weights_of(adapter).read_bytes()).hexdigest()[:16] if adapter else ""
    start = _open_output(recipe, output, identity)
    if start == "finished":
        return ck.finished(output) or {}
    save_rejects(plan, output / "rejects.jsonl")
    write_text(output / "recipe.yaml", _as_yaml(recipe))
    meta = _meta(recipe, template, folder, plan, identity["base_fingerprint"])
    return _fit(recipe, output, plan, meta, start)


def _weights_of(adapter: Path) -> Path:
    safe = adapter / "adapter_model.safetensors"
    return safe if safe.is_file() else adapter / "adapter_model.bin"


def free_memory(device: str) -> int:
    """Bytes free on the device."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info()[0]
    import psutil

    return psutil.virtual_memory().available


def _check_trackers(recipe: TrainRecipe) -> None:
    names = set(recipe.report_to) | ({"wandb"} if recipe.wandb_project else set())
    for name in sorted(names):
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"没有安装 {name}", where="--report-to", fix=f"pip install {name}，或 --report-to none")


def _open_output(recipe: TrainRecipe, output: Path, identity: dict[str, Any]) -> str | None:
    """Make the output folder ready; returns the checkpoint to go on from, "finished", or None."""
    if recipe.overwrite and not recipe.resume:
        ck.clear(output)
    given = _given_checkpoint(recipe)
    own = given is not None and given.resolve().parent == output.resolve()
    if ck.is_used(output) and not recipe.resume and not own:
        raise ConfigError(
            "输出目录里已有训练", where=str(output), fix="--resume 接着练，--overwrite 清掉重来，或换 --output-dir"
        )
    if recipe.resume or own:
        ck.check_identity(output, identity)
    if recipe.resume and ck.finished(output):
        say(f"{output} 的训练已经完成，不再重复")
        return "finished"
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / ck.IDENTITY, identity)
    last = ck.last_complete(output) if recipe.resume else None
    start = last or given
    if recipe.resume:
        say(f"从 {last.name} 接着练" if last else "还没有完整的检查点，从头开始")
    ck.trim_log(output / "log.jsonl", ck.step_of(start) if start else 0)
    return str(start) if start else None


def _given_checkpoint(recipe: TrainRecipe) -> Path | None:
    """The Trainer's checkpoint named by --resume-from-checkpoint; None when it names none, or a finished adapter."""
    given = Path(recipe.resume_from_checkpoint) if recipe.resume_from_checkpoint else None
    return given if given and (given / "trainer_state.json").is_file() else None


def _starting_adapter(recipe: TrainRecipe) -> Path | None:
    """The finished adapter that --resume-from-checkpoint names, if it names one."""
    if not recipe.resume_from_checkpoint or _given_checkpoint(recipe):
        return None
    return find_adapter(recipe.resume_from_checkpoint)


def _fit(recipe: TrainRecipe, output: Path, plan: DataPlan, meta: AdapterMeta, start: str | None) -> dict[str, Any]:
    import transformers

    from cornucopia.training.callbacks import CheckpointCallback, InterruptCallback, LogCallback

    transformers.set_seed(recipe.seed)
    random.seed(recipe.seed)
    base = load_base(recipe.base_model, bits=recipe.base_bits, dtype=recipe.dtype, device=recipe.device)
    model = _trainable(recipe, base)
    interrupt = InterruptCallback()
    callbacks = [LogCallback(output / "log.jsonl"), CheckpointCallback(meta), interrupt]
    trainer = _trainer(recipe, output, plan, base, model, callbacks)
    began = time.monotonic()
    interrupt.install()
    try:
        trainer.train(resume_from_checkpoint=start)
    finally:
        interrupt.remove()
    seconds = time.monotonic() - began
    _save(recipe, output, trainer.model, base, meta)
    result = _result(trainer, seconds, not interrupt.stopped, plan)
    write_json(output / ck.RESULT, result)
    _plot(output)
    if interrupt.stopped:
        raise Interrupted(
            "训练已中断，进度和适配器都已保存",
            where=str(output),
            fix=f"接着练：同样的命令加 --resume（第 {result['steps']} 步）",
        )
    return result


def _trainable(recipe: TrainRecipe, base: Base) -> Any:
    """The model with what is to be trained switched on."""
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    from cornucopia.models.families import lora_targets

    model = base.model
    model.config.use_cache = False
    if recipe.method == "full":
        return model.float().train()
    if recipe.base_bits:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=recipe.gradient_checkpointing)
    elif recipe.gradient_checkpointing:
        model.enable_input_require_grads()
    given = _starting_adapter(recipe)
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


def _trainer(recipe: TrainRecipe, output: Path, plan: DataPlan, base: Base, model: Any, callbacks: list[Any]) -> Any:
    from transformers import PrinterCallback

    from cornucopia.training.batches import Collator
    from cornucopia.training.fast import speed_up
    from cornucopia.training.trainer import AnswerTrainer

    collator = Collator(packed=False, pad_id=base.tokenizer.pad_token_id or 0)
    if recipe.packing:
        reason = speed_up(model)
        collator.packed = not reason
        say(
            f"这个模型不能用无填充训练（{reason}），用普通填充"
            if reason
            else "无填充训练：每步的多条拼成一行，互不可见"
        )
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
    device = choose_device(recipe.device)
    dtype = choose_dtype(recipe.dtype, device, read_shape(find_model(recipe.base_model)).parameters)
    trackers = sorted(set(recipe.report_to) | ({"wandb"} if recipe.wandb_project else set()))
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(output / "tensorboard")
    for key, value in (
        ("WANDB_PROJECT", recipe.wandb_project),
        ("WANDB_WATCH", recipe.wandb_watch),
        ("WANDB_LOG_MODEL", recipe.wandb_log_model),
    ):
        if value:
            os.environ[key] = value
    validate = bool(plan.validation)
    every = min(recipe.eval_steps, steps)  # a checkpoint can be the best only where it was validated
    return TrainingArguments(
        output_dir=str(output),
        run_name=recipe.wandb_run_name or output.name,
        report_to=trackers or "none",
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
        save_steps=-(-recipe.save_steps // every) * every if validate else recipe.save_steps,
        save_total_limit=recipe.save_total_limit,
        eval_strategy="steps" if validate else "no",
        eval_steps=every if validate else None,
        load_best_model_at_end=validate,
        metric_for_best_model="eval_loss" if validate else None,
        greater_is_better=False if validate else None,
        include_num_input_tokens_seen="all" if packed else "non_padding",
        seed=recipe.seed,
        data_seed=recipe.seed,
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        use_cpu=device == "cpu",
        dataloader_pin_memory=torch.cuda.is_available(),
        dataloader_num_workers=0,
        ddp_find_unused_parameters=False if world > 1 else None,
        average_tokens_across_devices=world > 1,
    )


def _meta(recipe: TrainRecipe, template: Template, folder: Path, plan: DataPlan, base_fingerprint: Any) -> AdapterMeta:
    text = None
    if isinstance(template, PromptTemplate):
        text = {
            "prompt_input": template.prompt_input,
            "prompt_no_input": template.prompt_no_input,
            "response_split": template.response_split,
        }
    return AdapterMeta(
        template=template.name,
        template_text=text,
        base=recipe.base_model,
        base_fingerprint=str(base_fingerprint),
        vocab_size=read_shape(folder).vocabulary,
        data_fingerprint=plan.fingerprint,
        recipe=recipe.model_dump(mode="json"),
        versions=library_versions(),
    )


def _save(recipe: TrainRecipe, output: Path, model: Any, base: Base, meta: AdapterMeta) -> None:
    """Write the result in a folder beside and move it in file by file: a kill leaves whole files."""
    from cornucopia.training.fast import slow_down

    slow_down(model)
    staging = output / ".saving"
    shutil.rmtree(staging, ignore_errors=True)
    model.config.use_cache = True
    if recipe.method == "full":
        model.to(choose_dtype(recipe.dtype, "cpu", 0)).save_pretrained(str(staging))
        for pattern in _COMPANIONS:
            for file in base.path.glob(pattern):
                shutil.copy(file, staging / file.name)
    else:
        model.peft_config["default"].base_model_name_or_path = str(base.path)
        model.save_pretrained(str(staging))
    write_meta(staging, meta)
    for file in sorted(staging.iterdir()):
        file.replace(output / file.name)
    staging.rmdir()


def _result(trainer: Any, seconds: float, finished: bool, plan: DataPlan) -> dict[str, Any]:
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    evals = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    tokens = trainer.state.num_input_tokens_seen
    return {
        "finished": finished,
        "steps": trainer.state.global_step,
        "loss_first": losses[0] if losses else None,
        "loss_last": losses[-1] if losses else None,
        "eval_loss_best": min(evals) if evals else None,
        "tokens": tokens,
        "seconds": round(seconds, 2),
        "trained_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "rejects": len(plan.rejects),
    }


def _plot(output: Path) -> None:
    from cornucopia.training.plot import plot_loss

    plot_loss(output / "log.jsonl", output / "loss.png")


def _as_yaml(recipe: TrainRecipe) -> str:
    import yaml

    return yaml.safe_dump(recipe.model_dump(mode="json"), allow_unicode=True, sort_keys=False)
