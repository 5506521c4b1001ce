"""The comparison as text: a Markdown table like the original README's, and a summary for the terminal."""

from __future__ import annotations

import html
import re

from cornucopia.comparison.cells import Comparison
from cornucopia.comparison.interval import Estimate
from cornucopia.comparison.metrics import METRICS, Metric
from cornucopia.comparison.summary import Summary
from cornucopia.core.console import say, show_table


def markdown(comparison: Comparison) -> str:
    """Questions down, contestants across; a golden column where any question has a golden answer."""
    golden = any(question.record.golden for question in comparison.questions)
    names = [contestant.name for contestant in comparison.contestants]
    header = ["问题", *(["参考答案"] if golden else []), *names]
    rows = []
    for question in comparison.questions:
        cells = [comparison.cells[name][question.id] for name in names]
        asked = "\n".join(part for part in (cells[0]["question"], cells[0]["material"]) if part)
        answers = [f"（出错：{cell['error']}）" if cell.get("error") else cell.get("answer", "") for cell in cells]
        rows.append([asked, *([question.record.golden] if golden else []), *answers])
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(escape(cell) for cell in line) + " |\n" for line in lines)


def escape(text: str) -> str:
    """Text as it must stand in a cell of a Markdown table: shown as written, on one line."""
    shown = re.sub(r"[\\|`*_~\[\]]", r"\\\g<0>", html.escape(text, quote=False))
    return "<br>".join(shown.splitlines())


def show_summary(comparison: Comparison, summary: Summary) -> None:
    """The metrics on standard output, the conclusion on standard error."""
    metrics = [metric for metric in METRICS if any(line.values[metric.key].count for line in summary.overall)]
    rows = [
        [line.name, *(_cell(metric, line.values[metric.key]) for metric in metrics), line.failed or ""]
        for line in summary.overall
    ]
    title = f"{len(comparison.questions)} 道题；方括号内为 95% 区间"
    show_table(title, ["选手", *(metric.label for metric in metrics), "出错"], rows)
    for sentence in summary.conclusion:
        say(sentence)


def _cell(metric: Metric, score: Estimate) -> str:
    value = metric.show(score.value)
    if metric.key == "f1" and score.low is not None:
        return f"{value} [{metric.show(score.low)}, {metric.show(score.high)}]"
    return value
