"""Where a run begins: afresh, from a checkpoint of its own or of another run, or from a finished adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cornucopia.core.console import say
from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import write_json
from cornucopia.models.find import find_adapter
from cornucopia.training.methods import METHODS
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import checkpoint as ck
from cornucopia.training.run import output as folder

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")


def goes_on(recipe: TrainRecipe) -> bool:
    """Whether the run goes on with what its own output folder holds."""
    given = _given_checkpoint(recipe)
    return recipe.resume or (given is not None and given.resolve().parent == Path(recipe.output_dir).resolve())


def open_output(recipe: TrainRecipe, output: Path, identity: dict[str, Any]) -> str | None:
    """Make the output folder, which `check_output` has passed, ready.

    Args:
        recipe: what is trained.
        output: the folder.
        identity: what decides the weights; kept in the folder.

    Returns:
        The checkpoint to go on from, "finished", or None.

    Raises:
        ConfigError: the folder holds this run with other settings.
    """
    if output.is_dir() and recipe.overwrite and not recipe.resume:
        folder.clear(output)
    if goes_on(recipe):
        ck.check_identity(output, identity, TrainRecipe().model_dump(mode="json"))
    if recipe.resume and ck.finished(output):
        say(f"{output} 的训练已经完成，不再重复")
        return "finished"
    folder.sweep(output)
    folder.note(output, *folder.ALWAYS)
    write_json(output / folder.IDENTITY, identity)
    last = ck.last_complete(output) if recipe.resume else None
    start = last or _given_checkpoint(recipe)
    if recipe.resume:
        say(f"从 {last.name} 接着练" if last else "还没有完整的检查点，从头开始")
    ck.trim_log(output / "log.jsonl", ck.step_of(start) if start else 0)
    return str(start) if start else None


def check_output(recipe: TrainRecipe, output: Path, base: Path) -> None:
    """Refuse a folder no run of this recipe may write into; nothing is changed.

    Raises:
        ConfigError: it is the base, cannot be written, holds another run or files that no run wrote.
    """
    if output.exists() and output.samefile(base):
        raise ConfigError("输出目录就是基座，训练会盖掉它", where=str(output), fix="换 --output-dir")
    folder.check_writable(output)
    foreign = folder.others(output)
    found = "、".join(foreign[:5]) + (f" 等 {len(foreign)} 个" if len(foreign) > 5 else "")
    if foreign and not folder.is_run(output):
        raise ConfigError(
            "输出目录不是空的，也不是这里的训练结果", where=str(output), found=found,
            fix="换一个空的或新的 --output-dir（--overwrite 只清掉训练自己写的文件）",
        )  # fmt: skip
    if not folder.is_run(output) or goes_on(recipe):
        return
    if not recipe.overwrite:
        raise ConfigError(
            "输出目录里已有训练", where=str(output), fix="--resume 接着练，--overwrite 清掉重来，或换 --output-dir"
        )
    weights = next((name for name in foreign if Path(name).suffix in _WEIGHTS or name in folder.ALWAYS), "")
    if weights:
        raise ConfigError(
            "输出目录里有别处来的文件，训练会盖掉它",
            where=str(output),
            found=weights,
            fix="换 --output-dir",
        )


def as_started(recipe: TrainRecipe) -> TrainRecipe:
    """The recipe with the settings that a finished adapter given as start decides, so that what is recorded is true.

    Raises:
        ConfigError: the method has no use for an adapter. ModelError: there is none.
    """
    if not recipe.adapter and (not recipe.resume_from_checkpoint or _given_checkpoint(recipe)):
        return recipe
    adapter = find_adapter(recipe.adapter or str(recipe.resume_from_checkpoint))
    settings = METHODS[recipe.method](recipe).begin_from(adapter)
    given = recipe.model_dump()
    changes = {key: value for key, value in settings.items() if given[key] != value}
    if changes:
        told = "，".join(f"{key} {_words(given[key])} → {_words(value)}" for key, value in changes.items())
        say(f"以适配器 {adapter} 为起点，它的设置为准：{told}")
    return TrainRecipe.build(given | changes | {"adapter": str(adapter)}, where=str(adapter))


def _words(value: Any) -> str:
    return "、".join(map(str, value)) if isinstance(value, list) else str(value)


def _given_checkpoint(recipe: TrainRecipe) -> Path | None:
    """The Trainer's checkpoint named by --resume-from-checkpoint; None when it names none, or a finished adapter."""
    given = Path(recipe.resume_from_checkpoint) if recipe.resume_from_checkpoint else None
    return given if given and (given / "trainer_state.json").is_file() else None
