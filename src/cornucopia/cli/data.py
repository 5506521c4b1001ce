"""`cornucopia data ...`: look at data, check it, convert it. Each sub-command is a row of SUBCOMMANDS."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.console import say, show_table
from cornucopia.core.errors import UsageError, nearest
from cornucopia.core.jsonl import to_json
from cornucopia.core.options import parse
from cornucopia.factory.tables import STAGES, load
from cornucopia.records.formats import parse_columns
from cornucopia.records.read import read_records, scan_records
from cornucopia.records.schema import Record

SUBCOMMANDS: dict[str, tuple[str, str, str]] = {
    "stats": ("cornucopia.cli.data", "run_stats", "统计：领域、长度、重复；--against 查与留出题的重合"),
    "check": ("cornucopia.cli.data", "run_check", "逐行检查，列出坏行的 文件:行号 和原因"),
    "convert": ("cornucopia.cli.data_convert", "run", "转换格式：alpaca、sharegpt、openai、csv、xlsx 等，读回来不变"),
    "diff": ("cornucopia.cli.data_diff", "run", "比较两份数据：新增、删去、改动的记录和改动的字"),
    "rephrase": ("cornucopia.cli.data_rephrase", "run", "给每条回答配上多种问法，扩成更多的训练数据"),
    "read": ("cornucopia.cli.data_read", "run", "读文档：PDF、Word、Excel、网页变成按页的文字，或一段一行"),
    "crawl": ("cornucopia.cli.data_crawl", "run", "抓网页：守 robots.txt，限速，不出允许范围，可续跑"),
    "build": ("cornucopia.cli.data_build", "run", "数据工厂：按配方从来源做出训练数据"),
    "preview": ("cornucopia.cli.data_preview", "run", "彩色预览：每个词元算不算损失"),
    "review": ("cornucopia.cli.data_review", "run", "在浏览器里逐条审：来源在旁边，按键采纳、修改、不要"),
}

_MOST_PAIRS = 10_000  # near-duplicate pairs in the JSON report
_PARTS = {"question": "提问", "material": "材料", "answer": "回答", "system": "系统提示", "document": "文档"}


class _Source(Config):
    """What every sub-command reads."""

    file: Path = option(..., "数据文件或文件夹：JSON、JSONL、CSV、TSV、Excel、Parquet、TXT、MD，压缩的也行")
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )
    sheet: str = option("", "Excel 的工作表名；留空取第一张不隐藏的")


class StatsConfig(_Source):
    """`cornucopia data stats`"""

    against: Path | None = option(None, "另一个文件（留出题）：列出两边重合的题目")
    threshold: float = option(0.6, "字符五元组 Jaccard 相似度达到多少算近似重复", gt=0, le=1)
    show: int = option(10, "最多列出多少对近似的题目", ge=0)
    json_output: bool = option(False, "输出 JSON，供程序读取", aliases=("json",))


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


def run_stats(argv: list[str]) -> int:
    """Print statistics; with --against also what both files share."""
    from cornucopia.records.overlap import overlap
    from cornucopia.records.stats import compute_stats

    config = _parse(StatsConfig, argv, "stats", "instruction_data/fin_data.json --against instruction_data/infer.json")
    columns = parse_columns(config.columns)
    result = read_records(config.file, rejects=False, columns=columns, sheet=config.sheet)
    stats = compute_stats(result.records, config.threshold)
    report: dict[str, Any] = {"path": str(result.path), "format": result.format, "rejects": len(result.rejects)}
    near = [_named(pair, result.records, result.records) for pair in stats.near[:_MOST_PAIRS]]
    report |= stats.to_dict() | {"near_pairs": len(stats.near), "near": near}
    if config.against:
        other = read_records(config.against, rejects=False, columns=columns)
        pairs = overlap(result.records, other.records, config.threshold)
        report["against"] = {"path": str(other.path), "records": len(other.records)}
        report["overlap"] = [_named(pair, result.records, other.records) for pair in pairs]
    if config.json_output:
        print(to_json(report, 2))
    else:
        _show_stats(report, config.show)
    return 0


def _named(pair: Any, left: list[Record], right: list[Record]) -> dict[str, Any]:
    one, two = left[pair.left], right[pair.right]
    row = {"similarity": pair.similarity, "left": one.origin, "right": two.origin}
    return row | {"left_text": (one.question or one.text)[:200], "right_text": (two.question or two.text)[:200]}


def _show_stats(report: dict[str, Any], show: int) -> None:
    counts = [("记录", report["records"]), ("格式", report["format"]), ("坏行", report["rejects"])]
    counts += [("文档", report["documents"]), ("没有答案", report["unanswered"]), ("多轮对话", report["multi_turn"])]
    counts += [("题目完全重复", report["exact_duplicates"]), ("同题不同答", report["contradictions"])]
    print(report["path"])
    show_table("概况", ["项目", "数量"], [*counts, ("近似重复（对）", report["near_pairs"])])
    for title, key in (("领域", "domains"), ("类型", "kinds")):
        if list(report[key]) != ["（未标）"]:
            total = report["records"]
            show_table(title, [title, "条数", "占比"], [(k, n, f"{n / total:.1%}") for k, n in report[key].items()])
    columns = ["部分", "个数", "最短", "中位", "平均", "95%", "最长", "总字数"]
    show_table("长度（字）", columns, [(_PARTS[name], *part.values()) for name, part in report["lengths"].items()])
    _show_pairs("近似重复", report["near"], report["near_pairs"], show)
    if "against" in report:
        leaked = len({pair["right"] for pair in report["overlap"]})
        print(f"与 {report['against']['path']} 重合：{report['against']['records']} 条里有 {leaked} 条")
        _show_pairs("重合的题目", report["overlap"], len(report["overlap"]), show)


def _show_pairs(title: str, pairs: list[dict[str, Any]], total: int, show: int) -> None:
    shown = [
        (f"{p['left']}\n{p['left_text'][:60]}", f"{p['right']}\n{p['right_text'][:60]}", f"{p['similarity']:.2f}")
        for p in pairs[:show]
    ]
    if shown:
        more = f"（共 {total} 对，列出 {len(shown)} 对；更多见 --json）" if total > len(shown) else ""
        show_table(title + more, ["一条", "另一条", "相似度"], shown)


def run_check(argv: list[str]) -> int:
    """List every bad row; exit code 1 when there is one."""
    config = _parse(CheckConfig, argv, "check", "instruction_data/fin_data.json")
    columns = parse_columns(config.columns)
    objective = "sft" if config.require_answer else ""
    result = scan_records(config.file, columns=columns, sheet=config.sheet, objective=objective)
    for reject in result.rejects:
        print(reject)
    for note in result.notes:
        say(note)
    name = f"（{result.format}）" if result.format else ""
    if not (result.records or result.rejects):
        say("文件是空的")
    print(f"{result.path}：好的 {len(result.records)} 条{name}，坏的 {len(result.rejects)} 处")
    return 0 if result.records and not result.rejects else 1
