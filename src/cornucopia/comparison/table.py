"""The comparison as text: Markdown tables, the answers' like the original README's, and a summary for the terminal."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from cornucopia.comparison.cells import Comparison
from cornucopia.comparison.interval import Estimate
from cornucopia.comparison.metrics import METRICS, Metric
from cornucopia.comparison.summary import GROUPED, Summary
from cornucopia.core.console import say, show_table

Table = tuple[list[str], list[list[str]]]  # columns, rows


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
    return _markdown_table(header, rows)


def markdown_scores(comparison: Comparison, summary: Summary) -> str:
    """The metrics, overall and by kind, each table under its heading; '' when nothing was scored."""
    parts = [
        f"## {heading}\n\n{_markdown_table(columns, rows)}\n"
        for heading, (columns, rows) in (("成绩", overall_table(summary)), ("按题型", kind_table(summary)))
        if rows
    ]
    title = _title(comparison)
    return f"{title}\n\n{''.join(parts)}" if parts else ""


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(escape(cell) for cell in line) + " |\n" for line in lines)


def escape(text: str) -> str:
    """Text as it must stand in a cell of a Markdown table: shown as written, on one line."""
    shown = re.sub(r"[\\|`*_~\[\]]", r"\\\g<0>", html.escape(text, quote=False))
    return "<br>".join(shown.splitlines())


def show_summary(comparison: Comparison, summary: Summary) -> None:
    """The metrics, overall and by kind, on standard output; the conclusion on standard error."""
    for title, (columns, rows), names in (
        (_title(comparison), overall_table(summary), 1),
        ("按题型", kind_table(summary), 2),
    ):
        if rows:
            show_table(title, columns, rows, whole=names)
    for sentence in summary.conclusion:
        say(sentence)


def _title(comparison: Comparison) -> str:
    return f"{len(comparison.questions)} 道题；方括号内为 95% 区间"


def overall_table(summary: Summary) -> Table:
    """A line for each contestant that answered anything."""
    lines = [line for line in summary.overall if line.scored]
    metrics = [metric for metric in METRICS if any(line.values[metric.key].count for line in lines)]
    failed = any(line.failed for line in lines)
    columns = ["选手", *(metric.label for metric in metrics), *(["出错"] if failed else [])]
    rows = [
        [line.name, *(_cell(metric, line.values[metric.key]) for metric in metrics)]
        + ([str(line.failed or "")] if failed else [])
        for line in lines
    ]
    return columns, rows


def kind_table(summary: Summary) -> Table:
    """For each kind of question a line for each contestant; no lines where there are not two kinds."""
    metrics = [metric for metric in METRICS if metric.key in GROUPED]
    rows = []
    for kind, lines in summary.by_kind.items() if len(summary.by_kind) > 1 else ():
        for place, line in enumerate(line for line in lines if line.scored):
            cells = [cell for metric in metrics for cell in _counted(metric, line.values[metric.key])]
            rows.append(["" if place else kind, line.name, *cells])
    counts = {"numbers": "有数字的题"}
    columns = [column for metric in metrics for column in (metric.label, counts.get(metric.key, "题数"))]
    return ["题型", "选手", *columns], rows


def _counted(metric: Metric, score: Estimate) -> tuple[str, str]:
    return _cell(metric, score), str(score.count)


def _cell(metric: Metric, score: Estimate) -> str:
    value = metric.show(score.value)
    if metric.key in GROUPED and score.low is not None:
        return f"{value} [{metric.show(score.low)}, {metric.show(score.high)}]"
    return value
