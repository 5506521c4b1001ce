"""One self-contained HTML file: data, style and script inside, no network, answers always as text.

Knows how to lay out a comparison; measures nothing itself.
"""

from __future__ import annotations

import base64
import hashlib
import json
import platform
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from cornucopia import __version__
from cornucopia.comparison.cells import Cell, Comparison
from cornucopia.comparison.charts import MAX_GROUPS, Bar, bars, grouped
from cornucopia.comparison.interval import Estimate
from cornucopia.comparison.metrics import METRICS, Metric, Pair
from cornucopia.comparison.summary import GROUPED, Line, Summary, differ
from cornucopia.core.jsonl import write_text

_HERE = Path(__file__).parent
# Kinds the bundled questions use, as the reader sees them.
KINDS = {"qa": "问答", "paraphrase": "换说法", "unseen": "未见过", "conduct": "合规"}
_BY_KEY = {metric.key: metric for metric in METRICS}


def write_report(
    path: str | Path, comparison: Comparison, summary: Summary, *, made_at: datetime | None = None
) -> None:
    """Write report.html.

    Args:
        path: the file; replaced in one step.
        comparison, summary: what to show.
        made_at: date shown; now by default.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script, shown = _source("report.css"), _source("report.js"), _shown(summary)
    page = environment.get_template("report.html.j2").render(
        title=comparison.recipe.title or f"{len(comparison.contestants)} 个模型，{len(comparison.questions)} 道题",
        made_at=(made_at or datetime.now()).strftime("%Y-%m-%d %H:%M"),
        policy=_policy(style, script), style=style, script=script, data=_json(_data(comparison, summary)),
        comparison=comparison, summary=summary, metrics=shown, lead=shown[0] if shown else None,
        cards=_cards(comparison, summary),
        charts=_charts(summary), groups=_groups(summary), golden=any(q.record.golden for q in comparison.questions),
        settings=_settings(comparison), versions=versions(), show=show_interval, show_gap=show_gap, domains=MAX_GROUPS,
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


def versions() -> dict[str, str]:
    """Versions of what made the answers, where installed."""
    found = {
        "cornucopia": __version__,
        "Python": platform.python_version(),
        "系统": f"{platform.system()} {platform.machine()}",
    }
    for name in ("torch", "transformers", "peft", "tokenizers", "bitsandbytes"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _source(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _policy(style: str, script: str) -> str:
    """Only this very script and style may run: text in an answer cannot become code, and nothing may be fetched."""
    script_hash, style_hash = (
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'" for text in (script, style)
    )
    others = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {script_hash}; style-src {style_hash}; {others}"


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
            "id": question.id, "question": cells[0]["question"], "material": cells[0]["material"],
            "domain": question.record.domain, "kind": KINDS.get(question.record.kind, question.record.kind),
            "golden": question.record.golden,
            "source": question.record.source, "as_of": question.record.as_of, "differ": differ(cells),
            "cells": [_cell(cell, score) for cell, score in zip(cells, scores, strict=True)],
        })  # fmt: skip
    return {"contestants": [contestant.name for contestant in comparison.contestants], "rows": rows}


def _cell(cell: Cell, scores: dict[str, Pair | None]) -> dict[str, Any]:
    def value(key: str) -> float | None:
        pair = scores[key]
        return round(float(_BY_KEY[key].value(*pair)), 4) if pair else None

    return {
        "answer": cell.get("answer", ""), "error": cell.get("error", ""), "finish": cell.get("finish_reason", ""),
        "tokens": cell.get("completion_tokens", 0), "perplexity": _BY_KEY["perplexity"].show(value("perplexity")),
        **{key: value(key) for key in ("f1", "rouge_l", "repetition", "speed")},
    }  # fmt: skip


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


def _charts(summary: Summary) -> list[tuple[str, str]]:
    charts = [
        (_BY_KEY[key].label, bars(_BY_KEY[key], _bars(summary.overall, key)))
        for key in GROUPED if any(line.values[key].count for line in summary.overall)
    ]  # fmt: skip
    if charts and len(summary.by_domain) > 1:
        groups = {name: _bars(lines, "f1") for name, lines in summary.by_domain.items()}
        charts.append(("各领域的字符F1", grouped(_BY_KEY["f1"], groups)))
    return charts


def _bars(lines: Sequence[Line], key: str) -> list[Bar]:
    return [Bar(line.name, place, line.values[key]) for place, line in enumerate(lines)]


def _groups(summary: Summary) -> list[tuple[str, list[tuple[str, str, list[dict[str, str]]]]]]:
    """(heading, [(group, number of questions, a cell for each contestant)]) for the tables by domain and by kind."""
    metric, tables = _BY_KEY["f1"], []
    for heading, groups in (("领域", summary.by_domain), ("题型", summary.by_kind)):
        rows = []
        for name, lines in groups.items():
            scores = [(line.values["f1"], line.differences["f1"]) for line in lines]
            cells = [
                {"value": metric.show(score.value), "interval": show_interval(metric, score),
                 "gap": show_gap(metric, gap), "verdict": verdict(metric, gap)}
                for score, gap in scores
            ]  # fmt: skip
            rows.append((KINDS.get(name, name), str(max(score.count for score, _ in scores)), cells))
        if rows:
            tables.append((heading, rows))
    return tables


def _settings(comparison: Comparison) -> list[tuple[str, dict[str, str]]]:
    """What each contestant was run with, as text."""
    tables = []
    for contestant in comparison.contestants:
        settings = comparison.recipe.settings_of(contestant)
        settings |= comparison.settings.get(comparison.fingerprints[contestant.name], {})
        settings |= {"指纹": comparison.fingerprints[contestant.name], **settings.pop("sampling")}
        tables.append(
            (contestant.name, {key: str(value) for key, value in settings.items() if value not in (None, "", [])})
        )
    return tables
