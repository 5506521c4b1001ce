"""The reports of an evaluation: results.json, report.md and report.html (one file, no network, answers as text)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cornucopia.core.hub import human
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.core.version import __version__
from cornucopia.evaluation.dataset import BENCHMARKS
from cornucopia.evaluation.drawing import category_bars, radar
from cornucopia.evaluation.results import NAMES, Item, TaskResult
from cornucopia.evaluation.settings import EvalSettings
from cornucopia.evaluation.table import metric_of, percent, show_interval, show_score

_HERE = Path(__file__).parent
_WORST = 12
Table = Mapping[str, Mapping[str, TaskResult]]


def write_reports(
    folder: Path, table: Table, settings: EvalSettings, shown: Mapping[str, str], made_at: datetime | None = None
) -> None:
    """Write the three files.

    Args:
        folder: where.
        table: model -> task -> result; the first model is the one that others are compared to.
        settings: as evaluated.
        shown: model -> what it is, in words.
        made_at: date shown; now by default.
    """
    data = {
        "version": __version__, "made_at": (made_at or datetime.now()).strftime("%Y-%m-%d %H:%M"),
        "settings": settings.model_dump(mode="json", include=set(EvalSettings.model_fields)), "models": dict(shown),
        "results": {name: {task: one.summary() for task, one in results.items()} for name, results in table.items()},
        "differences": _differences(table),
    }  # fmt: skip
    write_json(folder / "results.json", data)
    sections = [_section(task, table) for task in next(iter(table.values()))]
    costs = [{"name": name, **_spent(list(results.values()))} for name, results in table.items()]
    write_text(folder / "report.md", _markdown(data, table, sections, costs))
    write_text(folder / "report.html", _page(data, table, sections, costs))


def _differences(table: Table) -> dict[str, dict[str, Any]]:
    """Model -> task -> its score minus the first model's, with interval and p."""
    reference, *others = table
    found: dict[str, dict[str, Any]] = {}
    for name in others:
        for task, result in table[name].items():
            gap = result.against(table[reference][task])
            if gap:
                found.setdefault(name, {})[task] = {
                    "value": gap.value, "low": gap.low, "high": gap.high, "p": gap.p, "sign": gap.sign,
                }  # fmt: skip
    return found


def _section(task: str, table: Table) -> dict[str, Any]:
    """What the reports show of one task."""
    results = {name: found[task] for name, found in table.items()}
    reference = next(iter(results.values()))
    rows = [_row(name, result, reference) for name, result in results.items()]
    first = next((result for result in results.values() if result.items), reference)
    one = BENCHMARKS.get(first.benchmark)
    return {
        "task": task, "title": one.title if one else task, "licence": one.licence if one else "", "rows": rows,
        "source": one.source if one else "", "metric": NAMES.get(first.lead, first.lead), "questions": len(first.items),
        "telling": " ".join(row["verdict"] for row in rows if row["verdict"]),
        "fewshot": first.fewshot, "bars": category_bars({name: one.by_category() for name, one in results.items()}),
        "worst": _worst(results), "metrics": [NAMES.get(name, name) for name in first.metrics[1:]],
    }  # fmt: skip


def _row(name: str, result: TaskResult, reference: TaskResult) -> dict[str, Any]:
    gap = None if result is reference else result.against(reference)
    comparable = result is reference or bool(gap)
    clean, robust = result.clean_score(), result.robust()
    return {
        "name": name, "problem": result.problem, "score": show_interval(result.score()) if result.items else "—",
        "others": [metric_of(result, metric) for metric in result.metrics[1:]], "comparable": comparable,
        "gap": show_interval(gap, sign=True) if gap else "", "p": f"{gap.p:.3g}" if gap and gap.p is not None else "",
        "verdict": {1: "better", -1: "worse"}.get(gap.sign, "") if gap else "",
        "clean": f"{show_interval(clean)}（去掉 {len(result.contaminated)} 题）" if clean else "",
        "robust": show_interval(robust) if robust else "", "unextracted": percent(result.unextracted),
        "truncated": percent(result.share("length")), "failed": percent(result.share("error")), "cut": result.cut,
        **_spent([result]),
        "value": round(score.value, 6) if (score := result.score()) else "",
        "hash": result.prompt_hash, "seed": result.seed,
        "cell": show_score(result),
    }  # fmt: skip


def _spent(results: Sequence[TaskResult]) -> dict[str, Any]:
    """What a model spent on tasks: tokens and time together, memory at its highest."""
    tokens, seconds = sum(one.tokens for one in results), sum(one.seconds for one in results)
    host, card = (max((getattr(one, name) for one in results), default=0) for name in ("memory", "card_memory"))
    return {
        "tokens": tokens, "seconds": f"{seconds:.1f}", "pace": f"{tokens / seconds:.0f}" if seconds else "—",
        "bytes": host, "memory": human(host) if host else "—", "card_bytes": card,
        "card_memory": human(card) if card else "—",
    }  # fmt: skip


def _worst(results: Mapping[str, TaskResult]) -> list[dict[str, Any]]:
    """Questions that the models answer worst, those where they differ first, all answers beside each other."""
    names = [name for name, result in results.items() if result.items]
    if not names:
        return []
    by_key = {name: {item.key: item for item in results[name].items} for name in names}
    last = names[-1]
    shared = [item for item in results[last].items if all(item.key in by_key[name] for name in names)]

    def order(item: Item) -> tuple[float, float]:
        values = [_value(by_key[name][item.key], results[name].lead) for name in names]
        return values[-1] - max(values), sum(values)

    chosen = [item for item in sorted(shared, key=order) if _value(item, results[last].lead) < 1][:_WORST]
    return [
        {
            "question": item.question, "golden": item.golden,
            "answers": [
                {"name": name, "text": by_key[name][item.key].answer, "finish": by_key[name][item.key].finish,
                 "right": _value(by_key[name][item.key], results[name].lead)} for name in names
            ],
        }
        for item in chosen
    ]  # fmt: skip


def _value(item: Item, lead: str) -> float:
    """A question's own score, 0 to 1; of pairs whether they agree."""
    value = item.scores.get(lead, 0.0)
    return float(value[0] == value[1]) if isinstance(value, list) else float(value)


def _markdown(
    data: Mapping[str, Any], table: Table, sections: list[dict[str, Any]], costs: list[dict[str, Any]]
) -> str:
    lines = ["# 评测报告", "", f"{data['made_at']}，聚宝盆 {data['version']}，种子 {data['settings']['seed']}。", ""]
    lines += [f"- {name}：{what}" for name, what in data["models"].items()] + [""]
    lines += ["| 任务 | 指标 | 题数 | " + " | ".join(table) + " |", "|---" * (3 + len(table)) + "|"]
    for section in sections:
        cells = [_plain(row["cell"] + (f"；比基准 {row['gap']}" if row["gap"] else "")) for row in section["rows"]]
        lines.append(f"| {section['task']} | {section['metric']} | {section['questions']} | {' | '.join(cells)} |")
    lines += ["", "方括号里是 95% 区间。读不出的答案计 0 分，份额写在分数旁边。每题的回答在 samples/。", ""]
    lines += ["| 模型 | 词元 | 秒 | 每秒词元 | 内存 | 显存 |", "|---" * 6 + "|"]
    for cost in costs:
        cells = [_plain(str(cost[name])) for name in ("name", "tokens", "seconds", "pace", "memory", "card_memory")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _page(data: Mapping[str, Any], table: Table, sections: list[dict[str, Any]], costs: list[dict[str, Any]]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = (
        (_HERE / name).read_text(encoding="utf-8").replace("\r\n", "\n") for name in ("report.css", "report.js")
    )
    scores = {
        name: {task: one.score() for task, one in results.items() if one.items} for name, results in table.items()
    }
    return environment.get_template("report.html.j2").render(
        data=data, models=list(table), sections=sections, costs=costs, radar=radar(scores), style=style,
        script=script, policy=f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}",
    )  # fmt: skip


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
