"""`cornucopia data stats`: what a data set holds, counted as it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.console import show_table
from cornucopia.core.jsonl import to_json
from cornucopia.core.options import parse
from cornucopia.records.formats import parse_columns
from cornucopia.records.overlap import overlap
from cornucopia.records.read import tell
from cornucopia.records.schema import Record
from cornucopia.records.stats import MOST_COMPARED, Tally
from cornucopia.records.stream import RecordStream

_MOST_PAIRS = 10_000  # near-duplicate pairs in the JSON report
_MOST_ROWS = 12  # rows of a table for people
_WIDEST = 40  # characters of a name shown
_PARTS = {"question": "提问", "material": "材料", "answer": "回答", "system": "系统提示", "document": "文档"}
_NAMES = (("领域", "domains"), ("类型", "kinds"), ("许可证", "licences"), ("来源", "sources"))


class StatsConfig(Config):
    """`cornucopia data stats`"""

    file: Path = option(..., "数据文件或文件夹")
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )
    sheet: str = option("", "Excel 的工作表名；留空取第一张不隐藏的")
    model: str | None = option(None, "按这个模型的分词器数词元：目录、base_models/ 下的名字，或 nano", aliases=("m",))
    against: Path | None = option(None, "另一个文件（留出题）：列出两边重合的题目")
    threshold: float = option(0.6, "字符五元组 Jaccard 相似度达到多少算近似重复", gt=0, le=1)
    compare: int = option(MOST_COMPARED, "在前多少条里找近似重复，0 为不找；更多的用 cornucopia data deduplicate", ge=0)
    show: int = option(10, "最多列出多少对近似的题目", ge=0)
    json_output: bool = option(False, "输出 JSON，供程序读取", aliases=("json",))


def run(argv: list[str]) -> int:
    """Print statistics; with --against also what both files share."""
    config, _ = parse(
        StatsConfig,
        argv,
        prog="cornucopia data stats",
        summary="统计：领域、类型、许可证、来源、长度、词元、分数、重复；--against 查与留出题的重合。",
        positional="file",
        positional_help="数据文件或文件夹",
        examples="  cornucopia data stats instruction_data/fin_data.json --against instruction_data/infer.json",
    )
    columns = parse_columns(config.columns)
    compared = 2**62 if config.against else config.compare
    source = RecordStream(config.file, columns=columns, sheet=config.sheet)
    stream, tally = _counted(source, compared, _counter(config.model) if config.model else None)
    stats = tally.stats(config.threshold)
    format_ = "+".join(name for name, _ in stream.formats.most_common())
    report: dict[str, Any] = {"path": str(config.file), "format": format_, "rejects": stream.rejects}
    near = [_named(pair, tally.asked, tally.asked) for pair in stats.near[:_MOST_PAIRS]]
    report |= stats.to_dict() | {"near_pairs": len(stats.near), "near": near}
    if config.against:
        _, other = _counted(RecordStream(config.against, columns=columns), 2**62)
        pairs = overlap(tally.asked, other.asked, config.threshold)
        report["against"] = {"path": str(config.against), "records": len(other.asked)}
        report["overlap"] = [_named(pair, tally.asked, other.asked) for pair in pairs]
    if config.json_output:
        print(to_json(report, 2))
    else:
        _show(report, config.show)
    return 0


def _counted(
    stream: RecordStream, compared: int, measure: Callable[[str], int] | None = None
) -> tuple[RecordStream, Tally]:
    """
    Raises:
        DataError: if the file cannot be read, or has no good row.
    """
    tally = Tally(measure, compared)
    for item in stream:
        if isinstance(item, Record):
            tally.add(item)
    if not stream.records:
        raise stream.nothing()
    tell(stream)
    return stream, tally


def _counter(model: str) -> Callable[[str], int]:
    """Tokens of a text by the model's tokenizer, its special ones not counted."""
    from cornucopia.models.find import find_model
    from cornucopia.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(find_model(model))
    return lambda text: len(tokenizer(text, add_special_tokens=False).input_ids)


def _named(pair: Any, left: Sequence[Record], right: Sequence[Record]) -> dict[str, Any]:
    one, two = left[pair.left], right[pair.right]
    row = {"similarity": pair.similarity, "left": one.origin, "right": two.origin}
    return row | {"left_text": (one.question or one.text)[:200], "right_text": (two.question or two.text)[:200]}


def _show(report: dict[str, Any], show: int) -> None:
    counts = [("记录", report["records"]), ("格式", report["format"]), ("坏行", report["rejects"])]
    counts += [("文档", report["documents"]), ("没有答案", report["unanswered"]), ("多轮对话", report["multi_turn"])]
    counts += [("题目完全重复", report["exact_duplicates"]), ("同题不同答", report["contradictions"])]
    among = "" if report["compared"] == report["records"] else f"，前 {report['compared']} 条里"
    print(report["path"])
    show_table("概况", ["项目", "数量"], [*counts, (f"近似重复（对{among}）", report["near_pairs"])])
    for title, key in _NAMES:
        if list(report[key]) != ["（未标）"]:
            _show_names(title, report[key], report["records"])
    columns = ["部分", "个数", "最短", "中位", "平均", "95%", "最长", "总数"]
    for title, key in (("长度（字）", "lengths"), ("长度（词元）", "tokens")):
        if report[key]:
            show_table(title, columns, [(_PARTS[name], *part.values()) for name, part in report[key].items()])
    _show_ratio(report)
    _show_scores(report)
    _show_pairs("近似重复", report["near"], report["near_pairs"], show)
    if "against" in report:
        leaked = len({pair["right"] for pair in report["overlap"]})
        print(f"与 {report['against']['path']} 重合：{report['against']['records']} 条里有 {leaked} 条")
        _show_pairs("重合的题目", report["overlap"], len(report["overlap"]), show)


def _show_names(title: str, names: dict[str, int], total: int) -> None:
    rows = list(names.items())
    more = f"（共 {len(rows)} 种，列出 {_MOST_ROWS} 种；全部见 --json）" if len(rows) > _MOST_ROWS else ""
    show_table(
        title + more, [title, "条数", "占比"], [(k[:_WIDEST], n, f"{n / total:.1%}") for k, n in rows[:_MOST_ROWS]]
    )


def _show_ratio(report: dict[str, Any]) -> None:
    characters = sum(part["total"] for part in report["lengths"].values())
    tokens = sum(part["total"] for part in report["tokens"].values())
    if tokens and characters:
        print(f"{characters} 字，{tokens} 个词元：每字 {tokens / characters:.2f} 个词元")


def _show_scores(report: dict[str, Any]) -> None:
    if report["scores"]:
        columns = ["分数", "条数", "最低", "5%", "中位", "平均", "95%", "最高"]
        show_table("分数", columns, [(name, *spread.values()) for name, spread in report["scores"].items()])
    if report["flaws"]:
        rows = [(name, n, f"{n / report['records']:.1%}") for name, n in report["flaws"].items()]
        show_table("扣分的规则", ["规则", "条数", "占比"], rows)


def _show_pairs(title: str, pairs: list[dict[str, Any]], total: int, show: int) -> None:
    shown = [
        (f"{p['left']}\n{p['left_text'][:60]}", f"{p['right']}\n{p['right_text'][:60]}", f"{p['similarity']:.2f}")
        for p in pairs[:show]
    ]
    if shown:
        more = f"（共 {total} 对，列出 {len(shown)} 对；更多见 --json）" if total > len(shown) else ""
        show_table(title + more, ["一条", "另一条", "相似度"], shown)
