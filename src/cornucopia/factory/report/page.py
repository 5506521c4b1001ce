"""report.html of a run, drawn from its report_data.json: style inside, no script, no network, data always as text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import to_json, write_text
from cornucopia.factory.report.charts import bars, equal_bins, filled, histogram, quantile

_HERE = Path(__file__).parent
_MOST_ROWS = 20  # of a table that a step left
_COUNTS = {
    "domains": "领域", "kinds": "类型", "intakes": "从哪个来源读入", "licences": "许可证", "splits": "训练、验证、测试",
    "turns": "对话的轮数", "sources": "出处",
}  # fmt: skip
_LENGTHS = {
    "question": "提问的长度（字，各格宽度不等）",
    "answer": "回答的长度（字，各格宽度不等）",
    "document": "文档的长度（字，各格宽度不等）",
}
_OUTPUT = "写出"
_MANY_SOURCES = 40  # different ones; with more of them the chart shows only that they are many


def write_report(folder: Path, *, made_at: datetime | None = None) -> Path:
    """Write report.html into a run's folder.

    Args:
        folder: with report_data.json, whose shape factory/manifest.py tells.
        made_at: date shown; now by default.

    Raises:
        DataError: the folder is no finished run.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    try:
        data = json.loads((folder / "report_data.json").read_bytes())
        timings = json.loads((folder / "timings.json").read_bytes())
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        fix = "先运行 cornucopia data build 配方"
        raise DataError("这个文件夹不是数据工厂做完的结果", where=str(folder), fix=fix) from None
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("report.html.j2").render(
        title=folder.resolve().name,
        made_at=(made_at or datetime.now()).strftime("%Y-%m-%d %H:%M"),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        style=style, data=data, timings=timings, manifest=manifest, lead=conclusion(data), cards=cards(data),
        flow=_flow(data),
        charts=_charts(data["profile"]), tables=_tables, text=to_json,
    )  # fmt: skip
    path = folder / "report.html"
    write_text(path, page)
    return path


def _flow(data: Mapping[str, Any]) -> str:
    """How many records are left after each step, as shares of what was read."""
    read = sum(source["records"] for source in data["sources"])
    left = [(_OUTPUT if stage["label"] == "output" else stage["label"], stage["out"]) for stage in data["stages"]]
    return bars([("读入", read), *left], width=900, most=40, whole=read)


def conclusion(data: Mapping[str, Any]) -> list[str]:
    """What came out, in two or three sentences."""
    read = sum(source["records"] for source in data["sources"])
    rejects, left = data["rejects"]["count"], data["profile"]["records"]
    said = [
        f"{len(data['sources'])} 个来源读入 {read:,} 条，写出 {left:,} 条"
        + (f"；读不了 {rejects:,} 处" if rejects else "")
    ]
    dropped = [
        (stage["label"], rule, count) for stage in data["stages"] for rule, count in stage["dropped"].items() if count
    ]
    dropped.sort(key=lambda row: -row[2])
    if dropped:
        most = "，".join(f"{label} {rule} {count:,} 条" for label, rule, count in dropped[:3])
        said.append(f"一共丢掉 {sum(row[2] for row in dropped):,} 条，最多的是：{most}")
    changed = sum(sum(stage["changed"].values()) for stage in data["stages"])
    return [*said, *([f"改动 {changed:,} 处"] if changed else [])]


def cards(data: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, figure and remark of the figures that are shown large."""
    profile = data["profile"]
    characters = sum(profile["characters"].values())
    answers = profile["lengths"]["answer"]
    shown = [("写出", f"{profile['records']:,}", "条记录"), ("字数", _large(characters), "提问、回答和文档")]
    if answers:
        shown.append(
            ("回答长度中位数", f"{quantile(answers, 0.5):g}", f"字；九成在 {quantile(answers, 0.9):g} 字档以内")
        )
    domains = [name for name in profile["counts"]["domains"] if not name.startswith("（")]
    if domains:
        shown.append(("领域", str(len(domains)), "、".join(domains[:4]) + (" 等" if len(domains) > 4 else "")))
    return shown


def _large(number: int) -> str:
    return f"{number / 1e8:.2f} 亿" if number >= 1e8 else f"{number / 1e4:.1f} 万" if number >= 1e4 else f"{number:,}"


def _charts(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Heading and SVG of each thing that is worth a chart."""
    made = []
    for name, heading in _COUNTS.items():
        rows = list(profile["counts"][name].items())
        told = [row for row in rows if not row[0].startswith("（未标")]
        if len(rows) > 1 or told:
            many = f"，共 {len(rows)} 种" if len(rows) > _MANY_SOURCES else ""
            made.append((heading + many, bars(rows)))
    for name, heading in _LENGTHS.items():
        if profile["lengths"][name]:
            made.append((heading, histogram(filled(profile["lengths"][name]))))
    for name, values in profile["scores"].items():
        made.append((f"分数 {name}", histogram(equal_bins(values))))
    return made


def _tables(report: Any) -> list[tuple[str, list[str], list[list[str]]]]:
    """What a step left for the report as tables: heading, column names, rows.

    A list of rows is a table of its own, a mapping a table of two columns, and plain figures share one.
    """
    if not isinstance(report, Mapping):
        return []
    plain = [[str(key), _cell(value)] for key, value in report.items() if not isinstance(value, (list, dict))]
    made: list[tuple[str, list[str], list[list[str]]]] = [("", ["项", "值"], plain)] if plain else []
    for key, value in report.items():
        if isinstance(value, Mapping) and value:
            rows = [[str(name), _cell(count)] for name, count in list(value.items())[:_MOST_ROWS]]
            made.append((f"{key}{_more(len(value))}", ["项", "值"], rows))
        elif isinstance(value, list) and value:
            columns = list(value[0]) if isinstance(value[0], Mapping) else ["值"]
            rows = [
                [_cell(row.get(name, "")) for name in columns] if isinstance(row, Mapping) else [_cell(row)]
                for row in value[:_MOST_ROWS]
            ]
            made.append((f"{key}{_more(len(value))}", columns, rows))
    return made


def _more(count: int) -> str:
    return f"（列出前 {_MOST_ROWS} 个，共 {count} 个）" if count > _MOST_ROWS else ""


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else to_json(value)
