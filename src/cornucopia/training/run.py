"""One training run from recipe to adapter: plan, load, train, save; resumable to the bit.

Knows nothing of the command line.
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
import time
from pathlib import Path
from typing import Any

from cornucopia.adapters.meta import AdapterMeta
from cornucopia.core.device import choose_device, choose_dtype
from cornucopia.core.errors import ConfigError, Interrupted
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.models.load import find_model, fingerprint, load_base
from cornucopia.models.memory import read_shape
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.tokens.template import resolve_template
from cornucopia.training import checkpoint as ck
from cornucopia.training.build import make_trainer, trainable
from cornucopia.training.examples import DataPlan, prepare, save_rejects
from cornucopia.training.plan import show, total_steps
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.save import as_yaml, make_meta, save, summary
from cornucopia.training.start import open_output, starting_adapter, weights_of


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
    adapter = starting_adapter(recipe)
    identity["start"] = hashlib.sha256(weights_of(adapter).read_bytes()).hexdigest()[:16] if adapter else ""
    start = open_output(recipe, output, identity)
    if start == "finished":
        return ck.finished(output) or {}
    save_rejects(plan, output / "rejects.jsonl")
    write_text(output / "recipe.yaml", as_yaml(recipe))
    meta = make_meta(recipe, template, folder, plan, identity["base_fingerprint"])
    return _fit(recipe, output, plan, meta, start)


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


def _fit(recipe: TrainRecipe, output: Path, plan: DataPlan, meta: AdapterMeta, start: str | None) -> dict[str, Any]:
    import transformers

    from cornucopia.training.callbacks import CheckpointCallback, InterruptCallback, LogCallback
    from cornucopia.training.plot import plot_loss

    transformers.set_seed(recipe.seed)
    random.seed(recipe.seed)
    base = load_base(recipe.base_model, bits=recipe.base_bits, dtype=recipe.dtype, device=recipe.device)
    model = trainable(recipe, base)
    interrupt = InterruptCallback()
    callbacks = [LogCallback(output / "log.jsonl"), CheckpointCallback(meta), interrupt]
    trainer = make_trainer(recipe, output, plan, base, model, callbacks)
    began = time.monotonic()
    interrupt.install()
    try:
        trainer.train(resume_from_checkpoint=start)
    finally:
        interrupt.remove()
    seconds = time.monotonic() - began
    save(recipe, output, trainer.model, base, meta)
    result = summary(trainer, seconds, not interrupt.stopped, plan)
    write_json(output / ck.RESULT, result)
    plot_loss(output / "log.jsonl", output / "loss.png")
    if interrupt.stopped:
        raise Interrupted(
            "训练已中断，进度和适配器都已保存",
            where=str(output),
            fix=f"接着练：同样的命令加 --resume（第 {result['steps']} 步）",
        )
    return result
