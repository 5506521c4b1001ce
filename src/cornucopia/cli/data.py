"""`cornucopia data ...`: look at data, check it, convert it. Each sub-command is a row of SUBCOMMANDS."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.console import say
from cornucopia.core.errors import UsageError, nearest
from cornucopia.core.options import parse
from cornucopia.factory.tables import STAGES, load
from cornucopia.records.formats import parse_columns
from cornucopia.records.rejects import Reject
from cornucopia.records.stream import RecordStream

SUBCOMMANDS: dict[str, tuple[str, str, str]] = {
    "stats": ("cornucopia.cli.data_stats", "run", "统计：领域、长度、词元、分数、重复；--against 查与留出题的重合"),
    "check": ("cornucopia.cli.data", "run_check", "逐行检查，列出坏行的 文件:行号 和原因"),
    "convert": ("cornucopia.cli.data_convert", "run", "转换格式：alpaca、sharegpt、openai、csv、xlsx 等，读回来不变"),
    "diff": ("cornucopia.cli.data_diff", "run", "比较两份数据：新增、删去、改动的记录和改动的字"),
    "export": ("cornucopia.cli.data_export", "run", "写成 LLaMA-Factory、ms-swift、TRL 直接能读的文件夹，附数据卡"),
    "rephrase": ("cornucopia.cli.data_rephrase", "run", "给每条回答配上多种问法，扩成更多的训练数据"),
    "read": ("cornucopia.cli.data_read", "run", "读文档：PDF、Word、Excel、网页变成按页的文字，或一段一行"),
    "crawl": ("cornucopia.cli.data_crawl", "run", "抓网页：守 robots.txt，限速，不出允许范围，可续跑"),
    "build": ("cornucopia.cli.data_build", "run", "数据工厂：按配方从来源做出训练数据"),
    "preview": ("cornucopia.cli.data_preview", "run", "彩色预览：每个词元算不算损失"),
    "review": ("cornucopia.cli.data_review", "run", "在浏览器里逐条审：来源在旁边，按键采纳、修改、不要"),
}


class _Source(Config):
    """What every sub-command reads."""

    file: Path = option(..., "数据文件或文件夹：JSON、JSONL、CSV、TSV、Excel、Parquet、TXT、MD，压缩的也行")
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )
    sheet: str = option("", "Excel 的工作表名；留空取第一张不隐藏的")


class CheckConfig(_Source):
    """`cornucopia data check`"""

    require_answer: bool = option(False, "按指令微调的要求查：没有答案、含图片、标为坏回答的也算坏行")


def run(argv: list[str]) -> int:
    """Look the sub-command up and run it."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        rows = [f"  {name:<14}{summary}" for name, summary in _summaries().items()]
        print(
            "\n".join(
                ["用法：cornucopia data 子命令 文件 [选项]", "", *rows, "", "选项：cornucopia data 子命令 --help"]
            )
        )
        return 0
    if argv[0] in STAGES:
        from cornucopia.cli import data_stage

        return data_stage.run(argv)
    if argv[0] not in SUBCOMMANDS:
        close = nearest(argv[0], [*SUBCOMMANDS, *STAGES])
        fix = f"最接近的是 cornucopia data {close}" if close else "cornucopia data --help"
        raise UsageError("没有这个子命令", where="cornucopia data", found=argv[0], fix=fix)
    module, function, _ = SUBCOMMANDS[argv[0]]
    return getattr(importlib.import_module(module), function)(argv[1:])


def _summaries() -> dict[str, str]:
    """Every sub-command; each stage of the data factory is one."""
    own = {name: summary for name, (_, _, summary) in SUBCOMMANDS.items()}
    return own | {name: load(target).summary for name, target in STAGES.items()}


def _parse(config: Any, argv: list[str], name: str, example: str) -> Any:
    return parse(
        config,
        argv,
        prog=f"cornucopia data {name}",
        summary=SUBCOMMANDS[name][2],
        positional="file",
        positional_help="数据文件或文件夹",
        examples=f"  cornucopia data {name} {example}",
    )[0]


def run_check(argv: list[str]) -> int:
    """List every bad row; exit code 1 when there is one."""
    config = _parse(CheckConfig, argv, "check", "instruction_data/fin_data.json")
    columns = parse_columns(config.columns)
    objective = "sft" if config.require_answer else ""
    stream = RecordStream(config.file, columns=columns, sheet=config.sheet, objective=objective)
    for item in stream:
        if isinstance(item, Reject):
            print(item)
    for note in stream.notes:
        say(note)
    names = "+".join(name for name, _ in stream.formats.most_common())
    if not (stream.records or stream.rejects):
        say("文件是空的")
    print(f"{config.file}：好的 {stream.records} 条{f'（{names}）' if names else ''}，坏的 {stream.rejects} 处")
    return 0 if stream.records and not stream.rejects else 1
