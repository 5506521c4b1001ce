"""A judging to read: Markdown, a page of its own, and the part of it that a comparison's report takes in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from cornucopia.comparison.html import render, source
from cornucopia.comparison.judging.outcome import Judgement
from cornucopia.comparison.judging.tables import Sheet, versus_sheet
from cornucopia.comparison.judging.tally import Versus
from cornucopia.comparison.table import escape as escape_cell
from cornucopia.core.jsonl import write_text
from cornucopia.core.version import __version__

STYLE = "judging/judge.css"
_WIDTH, _HEIGHT = 240, 14  # px of a bar
_LABELS = {
    "model": "模型", "endpoint": "接口", "base": "基座", "adapter": "适配器", "how": "评法", "shape": "问法",
    "reference": "看参考答案", "most": "满分", "prompt": "提示词", "prompt_hash": "提示词指纹",
    "seed": "随机种子", "temperature": "温度", "top_p": "核采样",
    "max_new_tokens": "最多生成词元", "requests": "付过的请求",
    "tokens_in": "输入词元", "tokens_out": "输出词元", "cost": "约多少元",
}  # fmt: skip


def section_values(judgement: Judgement | None) -> dict[str, Any]:
    """What the template judging/section.html.j2 needs, under the name `judged`; None where nothing was judged."""
    if judgement is None:
        return {"judged": None}
    bars = {versus_sheet(one).heading: [bar(line) for line in one.versus] for one in judgement.tallies}
    settings = [(one.bench.judge, _said(one.bench.settings)) for one in judgement.tallies]
    return {"judged": {"judgement": judgement, "bars": bars, "settings": settings}}


def write_page(folder: str | Path, judgement: Judgement, title: str = "") -> None:
    """Write judge.html and judge.md."""
    folder = Path(folder)
    page = render(
        "judging/judge.html.j2", style=source("report.css") + source(STYLE), script="",
        title=title or "模型当评委", made_at=datetime.now().strftime("%Y-%m-%d %H:%M"), version=__version__,
        **section_values(judgement),
    )  # fmt: skip
    write_text(folder / "judge.html", page)
    write_text(folder / "judge.md", markdown(judgement))


def markdown(judgement: Judgement) -> str:
    """The sentences and tables."""
    told = "".join(f"- {sentence}\n" for sentence in judgement.sentences)
    return f"## 评委怎么说\n\n{told}\n" + "".join(_markdown(sheet) for sheet in judgement.sheets)


def _markdown(sheet: Sheet) -> str:
    rows = [sheet.columns, ["---"] * len(sheet.columns), *([escape_cell(cell) for cell in row] for row in sheet.rows)]
    return f"### {sheet.heading}\n\n" + "".join("| " + " | ".join(row) + " |\n" for row in rows) + "\n"


def bar(line: Versus) -> str:
    """Wins, ties and losses as one bar, as SVG."""
    parts = [("win", "胜", line.wins), ("tie", "平", line.ties), ("loss", "负", line.losses)]
    total = sum(count for *_, count in parts)
    if not total:
        return ""
    label = escape(f"{line.first} 对 {line.second}：" + "，".join(f"{word} {count}" for _, word, count in parts))
    return (
        f'<svg class="verdicts" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}"><title>{label}</title>'
        f"{_blocks(parts, total)}</svg>"
    )


def _blocks(parts: Sequence[tuple[str, str, int]], total: int) -> str:
    place, drawn = 0.0, []
    for name, _, count in parts:
        width = _WIDTH * count / total
        drawn.append(f'<rect class="{name}" x="{place:.1f}" y="0" width="{width:.1f}" height="{_HEIGHT}"/>')
        place += width
    return "".join(drawn)


def _said(settings: dict[str, Any]) -> dict[str, str]:
    def text(value: Any) -> str:
        return ("是" if value else "否") if isinstance(value, bool) else str(value)

    return {_LABELS.get(key, key): text(value) for key, value in settings.items() if value not in (None, "", [])}
