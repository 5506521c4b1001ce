"""Bar charts with error bars as inline SVG. Knows numbers and names, no models. Colours live in the style sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from cornucopia.comparison.interval import Estimate
from cornucopia.comparison.metrics import Metric

_ROW, _BAR, _LABEL, _NUMBER = 40, 18, 132, 150  # px: row height, bar height, room for names and for numbers
_GROUP_HEIGHT, _BASELINE = 240, 200
MAX_GROUPS = 14


@dataclass(frozen=True)
class Bar:
    """One bar: `place` chooses the contestant's colour."""

    name: str
    place: int
    score: Estimate


def bars(metric: Metric, items: Sequence[Bar], width: int = 560) -> str:
    """Horizontal bars, one a contestant, with the 95% interval drawn over each."""
    span = width - _LABEL - _NUMBER
    top = _scale([item.score for item in items], metric)
    parts = [_axis_horizontal(metric, top, span, len(items) * _ROW)]
    for index, item in enumerate(items):
        y = index * _ROW + _ROW / 2
        parts.append(
            f'<text class="name" x="{_LABEL - 12}" y="{y + 4}" text-anchor="end">{escape(_short(item.name))}</text>'
        )
        if item.score.value is None:
            parts.append(f'<text class="none" x="{_LABEL + 6}" y="{y + 4}">没有数据</text>')
            continue
        x = _x(item.score.value, top, span)
        parts.append(f'<rect class="bar c{item.place}" x="{_LABEL}" y="{y - _BAR / 2}" '
                     f'width="{max(x - _LABEL, 1):.1f}" height="{_BAR}" rx="3"/>')  # fmt: skip
        parts.append(_whisker(item.score, top, span, y))
        parts.append(
            f'<text class="number" x="{width - 4}" y="{y + 4}" text-anchor="end">{_numbers(metric, item.score)}</text>'
        )
    return _svg(width, len(items) * _ROW + 26, f"{metric.label}：{_spoken(metric, items)}", parts)


def grouped(metric: Metric, groups: Mapping[str, Sequence[Bar]], heading: str, width: int = 1120) -> str:
    """Upright bars, one group a domain or kind, one bar a contestant, each with its interval."""
    shown = dict(list(groups.items())[:MAX_GROUPS])
    top = _scale([item.score for items in shown.values() for item in items], metric)
    room = (width - 50) / max(len(shown), 1)
    parts = [_axis_vertical(metric, top, width)]
    for index, (name, items) in enumerate(shown.items()):
        left, bar = 50 + index * room, min(26.0, room * 0.72 / max(len(items), 1))
        start = left + (room - bar * len(items)) / 2
        parts += [_upright(metric, item, start + bar * place, bar, top, name) for place, item in enumerate(items)]
        count = max((item.score.count for item in items), default=0)
        where = f'x="{left + room / 2:.1f}" text-anchor="middle"'
        parts.append(f'<text class="name" {where} y="{_BASELINE + 20}">{escape(_short(name))}</text>')
        parts.append(f'<text class="tick" {where} y="{_BASELINE + 35}">{count} 题</text>')
    spoken = "；".join(f"{name} {_spoken(metric, items)}" for name, items in shown.items())
    return _svg(width, _GROUP_HEIGHT, f"{heading}：{spoken}", parts)


def _upright(metric: Metric, item: Bar, x: float, width: float, top: float, group: str) -> str:
    if item.score.value is None:
        return ""
    low, high = (
        _y(value if value is not None else item.score.value, top) for value in (item.score.low, item.score.high)
    )
    y, middle = _y(item.score.value, top), x + width / 2
    title = escape(f"{group} · {item.name}：{_numbers(metric, item.score)}")
    whisker = f"M{middle:.1f} {low:.1f}V{high:.1f}M{middle - 3:.1f} {low:.1f}h6M{middle - 3:.1f} {high:.1f}h6"
    return (
        f'<g><title>{title}</title><rect class="bar c{item.place}" x="{x + 1:.1f}" y="{y:.1f}" width="{width - 2:.1f}" '
        f'height="{max(_BASELINE - y, 1):.1f}" rx="2"/>'
        + (f'<path class="whisker" d="{whisker}"/>' if low != high else "")
        + "</g>"
    )


def _whisker(score: Estimate, top: float, span: int, y: float) -> str:
    if score.low is None or score.high is None:
        return ""
    low, high = _x(score.low, top, span), _x(score.high, top, span)
    return f'<path class="whisker" d="M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 5}v10M{high:.1f} {y - 5}v10"/>'


def _axis_horizontal(metric: Metric, top: float, span: int, height: int) -> str:
    parts = []
    for value in _ticks(top):
        x = _x(value, top, span)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height + 18}" text-anchor="middle">{_tick(metric, value)}</text>'
        )
    return "".join(parts)


def _axis_vertical(metric: Metric, top: float, width: int) -> str:
    parts = []
    for value in _ticks(top):
        y = _y(value, top)
        parts.append(f'<line class="grid" x1="44" y1="{y:.1f}" x2="{width}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="36" y="{y + 4:.1f}" text-anchor="end">{_tick(metric, value)}</text>')
    return "".join(parts)


def _scale(scores: Sequence[Estimate], metric: Metric) -> float:
    """The end of the axis: a round number that no bar or interval passes."""
    largest = max((score.high if score.high is not None else score.value or 0 for score in scores), default=0)
    steps = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    return next((step for step in steps if largest <= step), largest)


def _ticks(top: float) -> list[float]:
    return [top * step / 4 for step in range(5)]


def _tick(metric: Metric, value: float) -> str:
    if metric.percent:
        return metric.show(value)
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _x(value: float, top: float, span: int) -> float:
    return _LABEL + min(max(value / top, 0), 1) * span


def _y(value: float, top: float) -> float:
    return _BASELINE - min(max(value / top, 0), 1) * (_BASELINE - 12)


def _short(name: str, most: int = 10) -> str:
    """Names are as wide as Chinese characters; two Latin letters take the room of one."""
    width = 0.0
    for place, char in enumerate(name):
        width += 1 if ord(char) > 0x2E80 else 0.56
        if width > most:
            return name[:place] + "…"
    return name


def _numbers(metric: Metric, score: Estimate) -> str:
    text = metric.show(score.value)
    return f"{text}  [{metric.show(score.low)}, {metric.show(score.high)}]" if score.low is not None else text


def _spoken(metric: Metric, items: Sequence[Bar]) -> str:
    return "，".join(f"{item.name} {_numbers(metric, item.score)}" for item in items)


def _svg(width: int, height: int, label: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
