"""`cornucopia doctor`: a check-up of the machine, each row with what to do."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from cornucopia.core.config import Config, option
from cornucopia.core.options import parse

if TYPE_CHECKING:
    from cornucopia.core.doctor import Row

_MARKS = {"正常": "√", "注意": "!", "不行": "×"}  # all of them in GBK


class DoctorOptions(Config):
    """Options of `doctor`."""

    as_json: bool = option(False, "输出 JSON，供程序读取或附在反馈里", aliases=("json",))
    offline: bool = option(False, "不检查网络")


def run(argv: list[str]) -> int:
    """Print the check-up; 1 if anything is 不行, else 0."""
    summary = "体检：逐项检查环境，告诉你缺什么、怎么办。"
    options, _ = parse(DoctorOptions, argv, prog="cornucopia doctor", summary=summary)
    from cornucopia.core import doctor
    from cornucopia.core.console import Progress

    checks = {**doctor.CHECKS, **({} if options.offline else doctor.ONLINE)}
    with Progress("体检", len(checks)) as bar:
        rows = doctor.check_up(checks, lambda name: bar.advance(1, name))
    if options.as_json:
        print(json.dumps([{"name": name, **asdict(row)} for name, row in rows], ensure_ascii=False, indent=2))
    else:
        print("\n".join(_text(name, row) for name, row in rows))
        print(_summary(rows))
    return 1 if any(row.status == doctor.BAD for _, row in rows) else 0


def _text(name: str, row: Row) -> str:
    advice = f"\n           → {row.fix}" if row.fix else ""
    return f"{_MARKS[row.status]} {row.status}  {name}：{row.found}{advice}"


def _summary(rows: list[tuple[str, Row]]) -> str:
    counts = {status: sum(row.status == status for _, row in rows) for status in _MARKS}
    text = "，".join(f"{status} {count} 项" for status, count in counts.items() if count)
    advice = "先解决「不行」的各项。" if counts["不行"] else "可以开始：bash scripts/quickstart.sh"
    return f"\n共 {len(rows)} 项：{text}。{advice}"
