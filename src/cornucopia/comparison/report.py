"""One self-contained HTML file: data, style and script inside, no network, answers always as text.

Knows how to lay out a comparison; measures nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cornucopia.comparison.cells import Cell, Comparison, Question
from cornucopia.comparison.charts import Bar, bars, grouped
from cornucopia.comparison.doubts import doubts, number_score
from cornucopia.comparison.html import render, source
from cornucopia.comparison.interval import Estimate
from cornucopia.comparison.judging.outcome import Judgement
from cornucopia.comparison.judging.page import STYLE, section_values
from cornucopia.comparison.metrics import METRICS, Metric, Pair
from cornucopia.comparison.report_settings import questions_digest, settings_tables, versions
from cornucopia.comparison.summary import GROUPED, KINDS, Line, Summary, differ
from cornucopia.core.jsonl import write_text

_BY_KEY = {metric.key: metric for metric in METRICS}


def write_report(
    path: str | Path,
    comparison: Comparison,
    summary: Summary,
    *,
    made_at: datetime | None = None,
    judgement: Judgement | None = None,
) -> None:
    """Write report.html.

    Args:
        path: the file; replaced in one step.
        comparison, summary: what to show.
        made_at: date shown; now by default.
        judgement: what judges said, None where none was asked.
    """
    style, shown = source("report.css") + (source(STYLE) if judgement else ""), _shown(summary)
    script = source("report_judge.js") + source("report.js")
    page = render(
        "report.html.j2",
        title=comparison.recipe.title or f"{len(comparison.contestants)} 个模型，{len(comparison.questions)} 道题",
        made_at=(made_at or datetime.now()).strftime("%Y-%m-%d %H:%M"),
        style=style, script=script, data=_json(_data(comparison, summary)),
        comparison=comparison, summary=summary, metrics=shown, lead=shown[0] if shown else None,
        cards=_cards(comparison, summary),
        charts=_charts(summary), domains=_group_table(summary, summary.by_domain),
        kinds=_group_table(summary, summary.by_kind), grouped=[_BY_KEY[key] for key in GROUPED],
        numbers=_BY_KEY["numbers"], golden=any(q.record.golden for q in comparison.questions),
        settings=settings_tables(comparison), versions=versions(),
        digest=questions_digest(comparison), show=show_interval, **section_values(judgement),
    )  # fmt: skip
    write_text(path, page)


def show_interval(metric: Metric, score: Estimate) -> str:
    """ "[0.18, 0.28]", or '' where there is no interval."""
    return f"[{metric.show(score.low)}, {metric.show(score.high)}]" if score.low is not None else ""


def show_gap(metric: Metric, gap: Estimate) -> str:
    """ "+0.23 [+0.18, +0.28]", or '' where there is nothing to compare."""
    if gap.value is None:
        return ""
    if gap.value == gap.low == gap.high == 0:
        return "相同"
    interval = (
        f" [{metric.show(gap.low, sign=True)}, {metric.show(gap.high, sign=True)}]" if gap.low is not None else ""
    )
    return metric.show(gap.value, sign=True) + interval


def verdict(metric: Metric, gap: Estimate) -> str:
    """ "better", "worse" or "" (not told apart, or neither end is better)."""
    if not gap.sign or not metric.better:
        return ""
    return "better" if (gap.sign > 0) == (metric.better == "up") else "worse"


def _json(value: Any) -> str:
    """JSON that no HTML parser can leave: `<` never appears in it."""
    return (
        json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
    )


def _data(comparison: Comparison, summary: Summary) -> dict[str, Any]:
    rows = []
    for index, question in enumerate(comparison.questions):
        cells = [comparison.cells[contestant.name][question.id] for contestant in comparison.contestants]
        scores = [summary.scores[contestant.name][index] for contestant in comparison.contestants]
        rows.append({
            "id": question.id, "print": question.fingerprint, "turns": _turns(question),
            "question": cells[0]["question"], "material": cells[0]["material"],
            "domain": question.record.domain, "kind": KINDS.get(question.record.kind, question.record.kind),
            "golden": question.record.golden,
            "source": question.record.source, "as_of": question.record.as_of, "differ": differ(cells),
            "cells": [_cell(cell, score) for cell, score in zip(cells, scores, strict=True)],
        })  # fmt: skip
    names = [contestant.name for contestant in comparison.contestants]
    return {"contestants": names, "prints": [comparison.fingerprints[name] for name in names], "rows": rows}


def _turns(question: Question) -> list[dict[str, str]]:
    """The conversation before the answer, where it is more than one question."""
    turns = question.record.prompt().messages
    return [{"role": turn.role, "content": turn.content} for turn in turns] if len(turns) > 1 else []


def _cell(cell: Cell, scores: dict[str, Pair | None]) -> dict[str, Any]:
    def value(key: str) -> float | None:
        pair = scores[key]
        return round(float(_BY_KEY[key].value(*pair)), 4) if pair else None

    return {
        "answer": cell.get("answer", ""), "reasoning": cell.get("reasoning", ""),
        "error": cell.get("error", ""), "finish": cell.get("finish_reason", ""),
        "tokens": cell.get("completion_tokens", 0), "asked": cell.get("prompt_tokens", 0),
        "seconds": cell.get("seconds") or 0, "perplexity": _BY_KEY["perplexity"].show(value("perplexity")),
        **{key: value(key) for key in ("f1", "rouge_l", "numbers", "repetition", "speed")}, **_strays(cell),
        "doubts": [doubt.text for doubt in doubts(cell) or ()],
    }  # fmt: skip


def _strays(cell: Cell) -> dict[str, Any]:
    """Where the answer's unsupported numbers stand, as the page's script counts characters (UTF-16)."""
    score = number_score(cell)
    if not score:
        return {"strays": [], "numbers_note": ""}
    places = [[len(cell["answer"][:at].encode("utf-16-le")) // 2 for at in span] for span in score.strays]
    return {"strays": places, "numbers_note": score.explanation}


def _shown(summary: Summary) -> list[Metric]:
    return [metric for metric in METRICS if any(line.values[metric.key].count for line in summary.overall)]


def _cards(comparison: Comparison, summary: Summary) -> list[dict[str, Any]]:
    cards = []
    for contestant, line in zip(comparison.contestants, summary.overall, strict=True):
        where = contestant.endpoint and f"{contestant.model} · {contestant.endpoint}"
        gaps = {key: (show_gap(_BY_KEY[key], gap), verdict(_BY_KEY[key], gap)) for key, gap in line.differences.items()}
        cards.append({
            "name": contestant.name, "line": line, "gaps": gaps,
            "about": where or " + ".join(part for part in (contestant.base, contestant.adapter) if part),
        })  # fmt: skip
    return cards


def _charts(summary: Summary) -> list[tuple[str, str, bool]]:
    """(heading, drawing, whether it takes the whole width)."""
    keys = [key for key in ("f1", "numbers", "rouge_l") if any(line.values[key].count for line in summary.overall)]
    charts = [(_BY_KEY[key].label, bars(_BY_KEY[key], _bars(summary.overall, key)), False) for key in keys[:2]]
    for heading, groups in (("各题型的字符F1", summary.by_kind), ("各领域的字符F1", summary.by_domain)):
        if charts and len(groups) > 1:
            drawn = grouped(_BY_KEY["f1"], {name: _bars(lines, "f1") for name, lines in groups.items()}, heading)
            charts.append((heading, drawn, True))
    return charts


def _bars(lines: Sequence[Line], key: str) -> list[Bar]:
    return [Bar(line.name, place, line.values[key]) for place, line in enumerate(lines) if line.scored]


def _group_table(summary: Summary, groups: dict[str, list[Line]]) -> list[tuple[str, list[dict[str, str]]]]:
    """(group, a cell for each metric and contestant that answered) by kind or domain; empty for a lone group."""
    if len(groups) < 2:
        return []
    places = [place for place, line in enumerate(summary.overall) if line.scored]
    return [
        (name, [_group_cell(_BY_KEY[key], lines[place]) for key in GROUPED for place in places])
        for name, lines in groups.items()
    ]


def _group_cell(metric: Metric, line: Line) -> dict[str, str]:
    score, gap = line.values[metric.key], line.differences[metric.key]
    return {
        "value": metric.show(score.value), "interval": show_interval(metric, score), "count": str(score.count),
        "gap": show_gap(metric, gap), "verdict": verdict(metric, gap),
    }  # fmt: skip
