"""A radar of tasks and bars of categories as inline SVG. Knows numbers and names; colours live in the style sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

from cornucopia.evaluation.statistics import Interval

_SIZE, _RADIUS, _MIDDLE = 420, 140, 210
_ROW, _LEFT, _WIDTH, _SPAN = 16, 150, 640, 330
LEAST_AXES = 3


def radar(scores: Mapping[str, Mapping[str, Interval | None]]) -> str:
    """A polygon for each model over the tasks that all have a score of; '' below three tasks."""
    names = [task for task in next(iter(scores.values()), {}) if all(found.get(task) for found in scores.values())]
    if len(names) < LEAST_AXES:
        return ""
    parts = []
    for step in (0.25, 0.5, 0.75, 1):
        parts.append(f'<polygon class="grid" points="{_points([step] * len(names))}"/>')
    for place, name in enumerate(names):
        x, y = _place(1.16, place, len(names))
        parts.append(f'<text class="tick" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(name)}</text>')
    for number, found in enumerate(scores.values()):
        values = [score.value if (score := found[name]) else 0.0 for name in names]
        parts.append(f'<polygon class="line c{number % 6}" points="{_points(values)}"/>')
    spoken = "；".join(
        f"{model} " + "，".join(f"{name} {100 * score.value:.1f}%" for name in names if (score := found[name]))
        for model, found in scores.items()
    )
    return _svg(_SIZE, _SIZE, f"雷达图：{spoken}", parts)


def _points(values: list[float]) -> str:
    places = (_place(min(max(value, 0.0), 1.0), place, len(values)) for place, value in enumerate(values))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _place(share: float, place: int, count: int) -> tuple[float, float]:
    angle = 2 * math.pi * place / count - math.pi / 2
    return _MIDDLE + share * _RADIUS * math.cos(angle), _MIDDLE + share * _RADIUS * math.sin(angle)


def category_bars(models: Mapping[str, Mapping[str, tuple[Interval, int]]]) -> str:
    """A row of bars, with intervals, for each category; '' where there are none."""
    names = list(dict.fromkeys(name for found in models.values() for name in found))
    parts, y = [], 4
    for name in names:
        count = max(found[name][1] for found in models.values() if name in found)
        parts.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name[:10])}（{count}）</text>'
        )
        for number, (model, found) in enumerate(models.items()):
            if name in found:
                parts.append(_bar(found[name][0], y, number, f"{name} · {model}"))
                y += _ROW
        y += 6
    spoken = "；".join(
        f"{name} {model} {100 * found[name][0].value:.1f}%"
        for name in names
        for model, found in models.items()
        if name in found
    )
    return _svg(_WIDTH, y + 4, f"分类成绩：{spoken}", parts) if names else ""


def _bar(score: Interval, y: int, number: int, title: str) -> str:
    width = max(score.value, 0) * _SPAN
    text = f"{100 * score.value:.1f}%"
    whisker = ""
    if score.low is not None and score.high is not None:
        low, high = _LEFT + score.low * _SPAN, _LEFT + score.high * _SPAN
        whisker = f'<path class="whisker" d="M{low:.1f} {y + 6}H{high:.1f}"/>'
        text += f" [{100 * score.low:.1f}, {100 * score.high:.1f}]"
    return (
        f'<g><title>{escape(title)}：{text}</title><rect class="bar c{number % 6}" x="{_LEFT}" y="{y}" '
        f'width="{max(width, 1):.1f}" height="12" rx="2"/>{whisker}'
        f'<text class="tick" x="{_LEFT + _SPAN + 12}" y="{y + 11}">{text}</text></g>'
    )


def _svg(width: int, height: int, label: str, parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
