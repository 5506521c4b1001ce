"""`cornucopia data STAGE IN ... --out OUT`: one step of the data factory on files, for every row of STAGES."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import create_model

from cornucopia.cli.data_build import show_counts
from cornucopia.core.config import Config, option
from cornucopia.core.console import say
from cornucopia.core.options import parse
from cornucopia.core.paths import spare_input
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import Built, build
from cornucopia.factory.tables import STAGES, load
from cornucopia.records.formats import parse_columns
from cornucopia.records.stage import Stage

_COMPRESS = {".gz": "gz", ".zst": "zst"}


class _Files(Config):
    """What every stage's command takes."""

    inputs: list[Path] = option(..., "数据文件或文件夹，可以几个", split="paths", min_length=1)
    out: Path = option(..., "输出文件（JSON Lines；名字以 .gz、.zst 结尾就压缩）", aliases=("output",))
    format: Literal["openai", "alpaca", "sharegpt", "text", "record"] = option(
        "openai", "输出格式；openai 里文档写成 {text}"
    )
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )
    seed: int = option(42, "随机种子")
    workers: int = option(0, "用几个进程，0 为全部核", ge=0)
    engine: Literal["processes", "ray"] = option("processes", "在哪里算：processes 本机多进程，ray 用 Ray")


def run(argv: list[str]) -> int:
    """Do one stage.

    Args:
        argv: the stage's name, files and flags.
    """
    name, *words = argv
    stage: type[Stage] = load(STAGES[name])
    command: Any = create_model(f"{name.title()}Command", __base__=(stage.settings, _Files))
    config, _ = parse(
        command,
        words,
        prog=f"cornucopia data {name}",
        summary=stage.summary,
        positional="inputs",
        positional_help="数据文件或文件夹，可以几个",
        examples=f"  cornucopia data {name} instruction_data/fin_data.json --out runs/{name}.jsonl",
    )
    spare_input(config.out, *config.inputs)
    folder = config.out.with_name(f".{config.out.name}.work")
    built = build(_recipe(name, stage, config, folder))
    files = _placed(built, config.out)
    show_counts(built)
    say("已写 " + "、".join(f"{path}（{count:,} 条）" for path, count in files))
    if stage.local:
        say(f"模型的答案留在 {folder}：再运行不会重付；不用了就删掉")
    else:
        shutil.rmtree(folder)
    return 0


def _recipe(name: str, stage: type[Stage], config: Any, folder: Path) -> DataRecipe:
    columns = parse_columns(config.columns)
    names = [f"in{number}" for number in range(1, len(config.inputs) + 1)]
    sources = [
        {"kind": "records", "name": own, "path": path, "columns": columns}
        for own, path in zip(names, config.inputs, strict=True)
    ]
    settings = {field: getattr(config, field) for field in stage.settings.model_fields}
    compress = _COMPRESS.get(config.out.suffix, "none")
    return DataRecipe.build(
        {
            "output_dir": str(folder),
            "sources": sources,
            "steps": [{name: settings}],
            "output": {"format": config.format, "compress": compress, "ids": "own"},
            "seed": config.seed,
            "workers": config.workers,
            "engine": config.engine,
        }
    )


def _placed(built: Built, out: Path) -> list[tuple[Path, int]]:
    """Move the results to OUT: one file, or `OUT-train`, `OUT-valid` where the stage splits; then what was left out."""
    suffix = "".join(out.suffixes[-2:]) if out.suffix in _COMPRESS else out.suffix
    stem = out.name.removesuffix(suffix)
    placed = []
    for row in built.outputs:
        path = out if len(built.outputs) == 1 else out.with_name(f"{stem}-{row['split']}{suffix}")
        (built.folder / row["path"]).replace(path)
        placed.append((path, row["records"]))
    for label, reports in built.reports.items():
        for report in reports:
            path = out.with_name(stem + report.name.removeprefix(label))
            report.replace(path)
            say(f"另有 {path}")
    for kind in ("dropped", "rejects"):
        path = out.with_name(f"{stem}.{kind}.jsonl")
        if (built.folder / f"{kind}.jsonl").is_file():
            (built.folder / f"{kind}.jsonl").replace(path)
            say(f"{'丢掉的' if kind == 'dropped' else '读不了的行'}在 {path}，逐条有原因")
        else:
            path.unlink(missing_ok=True)
    return placed
