"""One training run from recipe to adapter: plan, load, train, save; resumable to the bit.

Knows nothing of the command line.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cornucopia.core import console
from cornucopia.core.device import choose_device
from cornucopia.core.errors import CornucopiaError, Interrupted, first_line
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.models.load import Base, load_base
from cornucopia.models.meta import ModelMeta
from cornucopia.models.spec import ResolvedModel, resolve
from cornucopia.training.data.plan import DataPlan
from cornucopia.training.data.prepare import prepare, save_rejects
from cornucopia.training.methods import METHODS
from cornucopia.training.methods.method import Method
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.objectives.objective import Objective
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import checkpoint as ck
from cornucopia.training.run import output as folder
from cornucopia.training.run import planner, ranks
from cornucopia.training.run.best import best_metric, larger_is_better
from cornucopia.training.run.build import check_processes, make_trainer, spec_to_load, trainable
from cornucopia.training.run.card import card
from cornucopia.training.run.divergence import Diverged
from cornucopia.training.run.generated import Measure, Rollouts, number_accuracy
from cornucopia.training.run.plan import compile_hint, repays_compiling, show, total_steps
from cornucopia.training.run.rehearsal import rehearse, trained_parameters
from cornucopia.training.run.save import as_yaml, make_meta, save, summary
from cornucopia.training.run.start import as_started, check_output, goes_on, open_output
from cornucopia.training.run.trackers import check_trackers, start_trackers


def train(recipe: TrainRecipe, rollouts: Rollouts | None = None) -> dict[str, Any]:
    """Run a recipe.

    Args:
        recipe: all settings.
        rollouts: makes what answers questions with the model in training (`inference.rollouts.Rollouts`), for
            eval_generate and for objectives that learn from the model's own answers; handed in, as training does not
            know inference.

    Returns:
        The result, as in train_result.json: steps, losses, seconds, tokens per second.

    Raises:
        CornucopiaError: bad recipe, data or model. Interrupted: after Ctrl-C, with state saved.
    """
    recipe = as_started(recipe)
    ranks.join(choose_device(recipe.device))
    console.quiet(not ranks.is_first())
    if recipe.dry_run:
        with TemporaryDirectory() as scratch:
            return _train(recipe, rehearse(recipe, Path(scratch)), [], rollouts)
    resolved = resolve(recipe.spec())
    claims: list[Any] = []  # of the output folder, once it is this run's
    try:
        return _train(recipe, resolved, claims, rollouts)
    except RuntimeError as error:
        if ranks.is_lost(error):
            raise ranks.lost(error, recipe.output_dir) from None
        raise
    finally:
        for claim in claims:
            folder.unlock(claim)


def _train(
    recipe: TrainRecipe, resolved: ResolvedModel, claims: list[Any], rollouts: Rollouts | None
) -> dict[str, Any]:
    output, shape, template = Path(recipe.output_dir), resolved.shape, resolved.template
    check_trackers(recipe)
    check_processes(recipe)
    counts = trained_parameters(recipe, resolved.folder)
    if recipe.dry_run:
        folder.check_writable(output)
    else:
        ranks.first_decides(lambda: check_output(recipe, output, resolved.folder))
    objective = OBJECTIVES[recipe.objective](recipe, template, resolved.tokenizer)
    if objective.samples:
        objective.open_rollouts = rollouts
    plan = prepare(recipe, objective, keep=not recipe.dry_run)
    best_metric(recipe, objective, plan)  # before anything is loaded, as it may not be there
    generated = number_accuracy(recipe, rollouts, resolved.tokenizer, template)
    size = resolved.dtype.itemsize
    own, free = planner.room(resolved.device)
    fitted = _fitted(recipe, output, lambda most: planner.fit(most, plan, shape, size, free - own))
    memory, steps = planner.memory_of(fitted, plan, shape, size), total_steps(recipe, len(plan.train))
    disk = planner.disk_of(recipe, memory, steps)
    hint = compile_hint(recipe, repays_compiling(recipe, plan, shape.parameters, resolved.device), resolved.device)
    show(fitted, plan, template.name, memory, own, free, (disk.total, folder.room(output)), hint, counts)
    if recipe.dry_run:
        return {"dry_run": True, "steps": steps, "rejects": len(plan.rejects)}
    identity = recipe.identity() | {
        "base_fingerprint": resolved.weights_fingerprint,
        "data_fingerprint": plan.fingerprint,
        "start": resolved.adapter_fingerprint,
    }
    meta = make_meta(recipe, template, resolved.folder, plan, identity["base_fingerprint"])
    ranks.first_decides(lambda: planner.check_disk(disk, output))

    def open_() -> str | None:
        claims.append(folder.lock(output))
        check_output(recipe, output, resolved.folder)  # again, now that nobody else can change it
        return _open(recipe, fitted, output, plan, identity)

    start = ranks.first_decides(open_)
    if start == "finished":
        return ck.finished(output) or {}
    return _fit(fitted, output, plan, objective, meta, start, generated)


def _open(
    recipe: TrainRecipe, fitted: TrainRecipe, output: Path, plan: DataPlan, identity: dict[str, Any]
) -> str | None:
    """Make the output folder ready and write what is known before the first step; see `open_output`."""
    start = open_output(recipe, output, identity)
    if start != "finished":
        start_trackers(recipe)
        save_rejects(plan, output / "rejects.jsonl")
        write_text(output / "recipe.yaml", as_yaml(recipe))
        if recipe.auto:
            planner.remember(output, fitted)
    return start


def _fitted(recipe: TrainRecipe, output: Path, choose: Callable[[TrainRecipe], TrainRecipe]) -> TrainRecipe:
    """The recipe in the portions it is computed in: an earlier start's where the run goes on, which keeps it exact.

    With --auto they are made smaller still when the memory has become less.
    """
    before = planner.remembered(output, recipe) if goes_on(recipe) else None
    most = before or planner.divided(recipe)
    return choose(most) if recipe.auto else most


def _fit(
    recipe: TrainRecipe,
    output: Path,
    plan: DataPlan,
    objective: Objective,
    meta: ModelMeta,
    start: str | None,
    generated: Measure | None,
) -> dict[str, Any]:
    """Train; when memory runs out, go on from the last checkpoint in smaller portions."""
    for failures in range(1, planner.TRIES + 1):
        try:
            return _fit_once(recipe, output, plan, objective, meta, start, generated)
        except Exception as error:  # some are told better: safetensors and PyTorch have their own for a full disk
            if folder.is_disk_full(error):
                raise _disk_full(output) from None
            smaller = planner.step_down(recipe, failures) if planner.is_out_of_memory(error) else None
            if smaller is None and planner.is_out_of_memory(error):
                raise planner.too_small(recipe, first_line(error)) from None
            if smaller is None:
                raise
        _release()  # after the except block: until then the traceback holds the model
        recipe, last = smaller, ck.last_complete(output)
        start = str(last) if last else start
        ck.trim_log(output / "log.jsonl", ck.step_of(Path(start)) if start else 0)
        planner.remember(output, recipe)
        planner.tell_step_down(recipe, start)
    raise AssertionError("step_down gives up before the last try")


def _disk_full(output: Path) -> CornucopiaError:
    """The error, with what was half-written gone."""
    folder.sweep(output)
    last = ck.last_complete(output)
    return folder.disk_full(output, last.name if last else "")


def _release() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _fit_once(
    recipe: TrainRecipe,
    output: Path,
    plan: DataPlan,
    objective: Objective,
    meta: ModelMeta,
    start: str | None,
    generated: Measure | None,
) -> dict[str, Any]:
    from cornucopia.training.run.callbacks import CheckpointCallback, EarlyStop, InterruptCallback, LogCallback
    from cornucopia.training.run.plot import plot_loss

    base, method, model = _loaded(recipe, objective)
    interrupt = InterruptCallback()
    log = LogCallback(output / "log.jsonl")
    callbacks = [log, CheckpointCallback(meta, base.path if method.leaves == "model" else None), interrupt]
    if recipe.early_stopping:
        best = best_metric(recipe, objective, plan)
        callbacks.append(EarlyStop(recipe.early_stopping, best, larger_is_better(best)))
    trainer = make_trainer(recipe, output, plan, model, objective, method, callbacks, generated)
    began = time.monotonic()
    interrupt.install()
    try:
        trainer.train(resume_from_checkpoint=start)
        trainer.check_weights()
    except Diverged as error:
        log.diverged(error)
        raise _told(error, trainer, output, time.monotonic() - began, plan) from None
    finally:
        interrupt.remove()
        log.close()
    result = summary(trainer, time.monotonic() - began, plan) | {"finished": not interrupt.stopped}
    with trainer.whole():
        if ranks.is_first():
            save(output, trainer.model, method, base, meta, card(recipe, meta, plan, result))
            write_json(output / ck.RESULT, result)
            plot_loss(output / "log.jsonl", output / "loss.png")
    ranks.wait()
    if interrupt.stopped:
        raise Interrupted(
            "训练已中断，进度和适配器都已保存",
            where=str(output),
            fix=f"接着练：同样的命令加 --resume（第 {result['steps']} 步）",
        )
    return result


def _loaded(recipe: TrainRecipe, objective: Objective) -> tuple[Base, Method, Any]:
    """The base, the method, and the model as it is trained; everything random begins here."""
    import transformers

    transformers.set_seed(recipe.seed)
    random.seed(recipe.seed)
    base = load_base(resolve(spec_to_load(recipe)), scores=objective.scores)
    method = METHODS[recipe.method](recipe)
    model = trainable(recipe, base, method)
    if objective.refers:
        objective.reference = method.reference(model)  # type: ignore[attr-defined]
    if objective.samples:
        objective.begin(model)  # type: ignore[attr-defined]
    return base, method, model


def _told(error: Diverged, trainer: Any, output: Path, seconds: float, plan: DataPlan) -> Diverged:
    """A run that diverged: its result on the disk, and the error with what is left of the run."""
    last = ranks.first_decides(lambda: ck.last_complete(output))
    if ranks.is_first():
        result = summary(trainer, seconds, plan) | {"finished": False, "diverged_at": error.step}
        write_json(output / ck.RESULT, result)
    return error.at(str(output), last.name if last else "")
