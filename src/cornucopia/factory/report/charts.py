"""Bars and histograms as inline SVG. Knows names and numbers only; colours live in the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

_ROW, _BAR, _LABEL, _NUMBER = 26, 14, 150, 110  # px: height of a row and its bar, room for names and for numbers
_HEIGHT, _BASE, _MOST_TICKS = 170, 140, 8  # px; labels below a histogram


def bars(rows: Sequence[tuple[str, int]], width: int = 560, most: int = 14, whole: int = 0) -> str:
    """Horizontal bars, the longest names cut; what comes after the first `most` is one bar.

    Args:
        rows: name and count, in the order shown.
        width: px.
        most: bars at most.
        whole: what the shares are of; the sum of the counts when 0.
    """
    shown = list(rows[:most])
    rest = sum(count for _, count in rows[most:])
    if rest:
        shown.append((f"其余 {len(rows) - most} 个", rest))
    total, top = whole or sum(count for _, count in rows), max((count for _, count in shown), default=0)
    span = width - _LABEL - _NUMBER
    parts = []
    for place, (name, count) in enumerate(shown):
        middle = place * _ROW + _ROW / 2
        share = f"{count:,}（{count / total:.1%}）" if total else "0"
        length = max(span * count / top, 1 if count else 0) if top else 0
        parts += [
            f'<text class="name" x="{_LABEL - 10}" y="{middle + 4}" text-anchor="end">{escape(_short(name))}'
            f"<title>{escape(name)}</title></text>",
            f'<rect class="bar" x="{_LABEL}" y="{middle - _BAR / 2}" width="{length:.1f}" height="{_BAR}" rx="2"/>',
            f'<text class="number" x="{_LABEL + length + 8:.1f}" y="{middle + 4}">{share}</text>',
        ]
    return _svg(width, len(shown) * _ROW, "；".join(f"{name} {count}" for name, count in shown), parts)


def histogram(bins: Sequence[tuple[float, int]], unit: str = "", width: int = 560) -> str:
    """Columns of equal width, one a bin.

    Args:
        bins: lower edge and count, edges ascending.
        unit: written after the edges.
        width: px.
    """
    top = max((count for _, count in bins), default=0)
    room = (width - 20) / max(len(bins), 1)
    every = max(len(bins) // _MOST_TICKS, 1)
    parts = [f'<line class="axis" x1="10" x2="{width - 10}" y1="{_BASE}" y2="{_BASE}"/>']
    for place, (edge, count) in enumerate(bins):
        height = (_BASE - 20) * count / top if top else 0
        left = 10 + place * room
        label = f"{edge:g}{unit}"
        parts.append(
            f'<rect class="bar" x="{left + room * 0.08:.1f}" y="{_BASE - height:.1f}" width="{room * 0.84:.1f}" '
            f'height="{height:.1f}"><title>{escape(label)} 起：{count:,} 条</title></rect>'
        )
        if place % every == 0:
            parts.append(f'<text class="tick" x="{left:.1f}" y="{_BASE + 18}">{escape(label)}</text>')
    said = "；".join(f"{edge:g}{unit} 起 {count} 条" for edge, count in bins)
    return _svg(width, _HEIGHT, said, parts)


def filled(bins: Sequence[tuple[float, int]], most: int = 60) -> list[tuple[float, int]]:
    """The bins with neighbours joined until there are at most `most`."""
    joined = [(float(edge), int(count)) for edge, count in bins]
    while len(joined) > most:
        pairs = [joined[place : place + 2] for place in range(0, len(joined), 2)]
        joined = [(pair[0][0], sum(count for _, count in pair)) for pair in pairs]
    return joined


def quantile(bins: Sequence[tuple[float, int]], share: float) -> float:
    """Lower edge of the bin in which this share of the records is reached; 0 without any."""
    wanted, reached = share * sum(count for _, count in bins), 0
    for edge, count in bins:
        reached += count
        if reached >= wanted:
            return edge
    return 0.0


def equal_bins(values: Sequence[tuple[float, int]], number: int = 20) -> list[tuple[float, int]]:
    """Counts of values in bins of equal width from the least to the greatest."""
    if not values:
        return []
    low, high = min(value for value, _ in values), max(value for value, _ in values)
    if low == high:
        return [(low, sum(count for _, count in values))]
    edges = [low + (high - low) * place / number for place in range(number + 1)]
    return [
        (round(start, 4), sum(count for value, count in values if start <= value < end or (end == high == value)))
        for start, end in pairwise(edges)
    ]


def _short(name: str) -> str:
    return name if len(name) <= 15 and len(name.encode()) <= 33 else name[:10] + "…"


def _svg(width: int, height: int, said: str, parts: Sequence[str]) -> str:
    label, body = escape(said[:500]), "".join(parts)
    return f'<svg viewBox="0 0 {width} {max(height, 1)}" role="img" aria-label="{label}">{body}</svg>'
