"""What a data set is made of: sources, steps, output. Knows nothing of shards and processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError
from cornucopia.factory import tables
from cornucopia.factory.intake.intake import IntakeConfig


class OutputConfig(Config):
    """`output:` of a recipe."""

    format: Literal["openai", "alpaca", "sharegpt", "text", "record"] = option(
        "openai", "输出格式；record 一样不少，只给本项目读"
    )
    compress: Literal["none", "gz", "zst"] = option("none", "压缩：none、gz、zst")
    per_file: int | None = option(None, "每个文件约多少条，按内部分片凑整；不写则一份一个文件", gt=0)
    ids: Literal["factory", "own"] = option(
        "factory", "编号：factory 用「来源名:行号」，own 用数据里原来的（没有才用前者）"
    )


class _Recipe(Config):
    output_dir: str = option("runs/data", "结果文件夹：train.jsonl、dropped.jsonl、manifest.json")
    sources: list[Any] = option([], "来源表：[{kind: records, path: 文件}, ...]，见 docs/data-factory.md")
    steps: list[Any] = option([], "步骤表：[clean, {deduplicate: {threshold: 0.8}}, ...]，按顺序做")
    output: OutputConfig = option(OutputConfig(), "输出：{format: openai, compress: none}")
    seed: int = option(42, "随机种子：同样的输入、设置和种子给出同样的字节")
    workers: int = option(0, "用几个进程，0 为全部核", ge=0)
    engine: Literal["processes", "ray"] = option("processes", "在哪里算：processes 本机多进程，ray 本机或集群上的 Ray")
    shard_records: int = option(10_000, "一片最多多少条；内存不够就调小", gt=0)
    shard_kb: int = option(8192, "一片约多少 KB 输入；内存不够就调小", gt=0)
    keep_steps: bool = option(True, "留着中间结果，改后面的设置时前面不用重做；--no-keep-steps 省磁盘")
    overwrite: bool = option(False, "不用上次的中间结果，全部重做")


class DataRecipe(_Recipe):
    """A whole data set. `sources` and `steps` are checked when it is read; what they name must exist."""

    @classmethod
    def load(cls, path: str | Path | None, overrides: dict[str, Any] | None = None) -> Self:
        """See Config; a path that is not in the current folder is also looked for beside the recipe."""
        recipe = super().load(path, overrides)
        if path:
            for item in [*recipe.sources, *recipe.steps]:
                _look_beside(item.settings, Path(path).parent)
        return recipe

    @model_validator(mode="after")
    def _hand_weights_on(self) -> Self:
        """The weights of sources to the steps that mix by source."""
        weights = {source.settings.name: source.settings.weight for source in self.sources}
        for step in self.steps:
            if step.name == "mix" and step.settings.by == "source" and set(weights.values()) - {1.0}:
                step.settings = step.settings.model_copy(update={"source_weights": weights})
        return self

    @field_validator("sources", mode="after")
    @classmethod
    def _read_sources(cls, values: list[Any]) -> list[Any]:
        made = [_source(value, number) for number, value in enumerate(values, 1)]
        names = [source.settings.name for source in made]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise ConfigError("两个来源同名", found=twice, fix="给每个来源不同的 name")
        return made

    @field_validator("steps", mode="after")
    @classmethod
    def _read_steps(cls, values: list[Any]) -> list[Any]:
        return [_step(value, number) for number, value in enumerate(values, 1)]

    @model_validator(mode="after")
    def _weigh(self) -> Self:
        """Weights that sources name are those of the step that mixes by source, where it gives none itself."""
        named = {part.settings.name: part.settings.weight for part in self.sources if part.settings.weight != 1}
        mixes = [part.settings for part in self.steps if part.name == "mix" and part.settings.by == "source"]
        if named and not mixes:
            fix = "在 steps 里加 {mix: {by: source}}，或去掉 weight"
            raise ConfigError("来源写了 weight，却没有按来源混合的步骤", found="、".join(named), fix=fix)
        for settings in mixes:
            settings.weights = named | settings.weights
        return self


class Part:
    """One entry of `sources` or `steps`.

    Args:
        name: its kind, as in the tables.
        target: "module:class".
        settings: its Config.
    """

    def __init__(self, name: str, target: str, settings: Any) -> None:
        self.name, self.target, self.settings = name, target, settings

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"name": self.name, **self.settings.model_dump(mode="json")}

    def open(self) -> Any:
        """The Stage or Intake."""
        return tables.load(self.target)(self.settings)


def _source(value: Any, number: int) -> Part:
    where = f"第 {number} 个来源"
    if isinstance(value, Part):
        return value
    if isinstance(value, str):
        value = {"kind": "records", "path": value}
    if not isinstance(value, dict) or "kind" not in value:
        raise ConfigError("来源写法有误", where=where, found=repr(value)[:80], fix="写成 {kind: records, path: 文件}")
    settings = dict(value)
    kind = settings.pop("kind")
    target = tables.named(tables.INTAKES, kind, "来源", where)
    made: IntakeConfig = tables.load(target).settings.build(settings, where=f"{where} {kind}")
    made.name = made.name or f"{kind}{number}"
    if set(made.name) & set(":/\\") or made.name.startswith("."):
        raise ConfigError("来源的名字里不能有 : / \\，也不能以点开头", where=where, found=made.name)
    return Part(kind, target, made)


def _step(value: Any, number: int) -> Part:
    where = f"第 {number} 步"
    if isinstance(value, Part):
        return value
    given = {value: {}} if isinstance(value, str) else value
    if not isinstance(given, dict) or len(given) != 1:
        fix = "写成 clean，或 {deduplicate: {threshold: 0.8}}"
        raise ConfigError("步骤写法有误", where=where, found=repr(value)[:80], fix=fix)
    ((name, settings),) = given.items()
    target = tables.named(tables.STAGES, name, "步骤", where)
    if not isinstance(settings or {}, dict):
        raise ConfigError("步骤的设置应为「键: 值」", where=f"{where} {name}", found=repr(settings)[:80])
    return Part(name, target, tables.load(target).settings.build(settings or {}, where=f"{where} {name}"))


def _look_beside(settings: Config, folder: Path) -> None:
    """Relative paths that the current folder lacks and the recipe's has."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, Path):
            setattr(settings, name, _beside(value, folder))
        elif isinstance(value, list) and any(isinstance(item, Path) for item in value):
            setattr(settings, name, [_beside(item, folder) if isinstance(item, Path) else item for item in value])


def _beside(path: Path, folder: Path) -> Path:
    try:
        return folder / path if not path.exists() and (folder / path).exists() else path
    except (OSError, ValueError):  # too long, or a character no file name may have
        return path
