"""`cornucopia data diff A B`: which records came, went and changed, and what of them, character by character."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.console import say, warn
from cornucopia.core.errors import UsageError
from cornucopia.core.jsonl import to_json
from cornucopia.core.options import parse
from cornucopia.records.diff import Change, Comparison, pieces
from cornucopia.records.formats import parse_columns
from cornucopia.records.rejects import printable

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS = {"+": "32", "-": "31", "~": "33"}
_AROUND = 24  # characters of unchanged text shown beside a change


class DiffConfig(Config):
    """`cornucopia data diff`"""

    files: list[Path] = option(..., "旧的和新的：两个数据文件或文件夹，格式可以不同", split="paths", min_length=2)
    ignore: list[str] = option([], "这些字段的不同不算，逗号分隔：如 as_of、extra.scores、extra")
    show: int = option(20, "最多列出多少条，0 为全部", ge=0)
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )
    json_output: bool = option(False, "输出 JSON Lines：一行一处不同，最后一行是合计", aliases=("json",))


def run(argv: list[str]) -> int:
    """Print what differs; exit code 1 when something does."""
    config, _ = parse(
        DiffConfig,
        argv,
        prog="cornucopia data diff",
        summary="比较两份数据：按 id（没有 id 的按问题）配对，列出新增、删去、改动的记录和改动的字。",
        positional="files",
        positional_help="旧的 新的",
        examples="  cornucopia data diff 旧.jsonl 新.csv --ignore as_of",
    )
    if len(config.files) != 2:
        raise UsageError("要给两个文件", where="cornucopia data diff", found=f"{len(config.files)} 个")
    left, right = config.files
    compared = Comparison(left, right, columns=parse_columns(config.columns), ignore=config.ignore)
    shown = 0
    for change in compared.changes():
        if config.json_output:
            print(to_json(asdict(change)))
        elif not config.show or shown < config.show:
            _print(change)
        shown += 1
    counts = compared.counts
    if config.json_output:
        print(to_json({"kind": "counts", **asdict(counts), "rejects": compared.rejects}))
    else:
        _total(counts, shown if not config.show else min(shown, config.show), shown)
    if compared.rejects:
        warn(f"两边共有 {compared.rejects} 处坏行没有比；逐行的原因见 cornucopia data check")
    return 1 if shown else 0


def _total(counts: Any, listed: int, differing: int) -> None:
    if differing > listed:
        say(f"列出 {listed} 条，共 {differing} 条不同；全部见 --show 0 或 --json")
    said = f"相同 {counts.same}，新增 {counts.added}，删去 {counts.removed}，改动 {counts.changed}"
    print(f"{counts.left} 条 -> {counts.right} 条：{said}")
    if counts.by_field:
        rows = sorted(counts.by_field.items(), key=lambda pair: -pair[1])
        print("改动的字段：" + "，".join(f"{name} {count}" for name, count in rows))


def _print(change: Change) -> None:
    sign = _SIGNS[change.kind]
    where = " -> ".join(part for part in (change.left, change.right) if part)
    named = f"{change.id}  " if change.id else ""
    print(printable(_coloured(sign, f"{sign} {named}{change.question}") + f"  （{where}）"))
    for name, (before, after) in change.fields.items():
        print(f"    {name}：" + "".join(_runs(_text(before), _text(after))))


def _runs(before: str, after: str) -> Iterator[str]:
    """The change in one line: what is alike shortened, what went and came in colours (elsewhere than on a terminal in
    [-...-] and {+...+}, as git's word diff has them).
    """
    for tag, text in pieces(before, after):
        shown = printable(text.replace("\n", "⏎"))
        if tag == " ":
            yield shown if len(shown) <= 2 * _AROUND else f"{shown[:_AROUND]}…{shown[-_AROUND:]}"
        elif sys.stdout.isatty():
            yield _coloured(tag, shown)
        else:
            yield f"[-{shown}-]" if tag == "-" else "{+" + shown + "+}"


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else to_json(value)


def _coloured(sign: str, text: str) -> str:
    return f"\x1b[{_COLOURS[sign]}m{text}\x1b[0m" if sys.stdout.isatty() else text
