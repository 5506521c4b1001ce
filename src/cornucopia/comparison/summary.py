"""The numbers of a comparison: each metric of each contestant with its interval, overall, by domain and by kind,
and what may be concluded from them. Knows no HTML and no terminal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cornucopia.comparison.cells import Cell, Comparison
from cornucopia.comparison.doubts import doubts
from cornucopia.comparison.interval import FEW, Estimate, difference, estimate
from cornucopia.comparison.metrics import METRICS, Metric, Pair
from cornucopia.comparison.recipe import Contestant
from cornucopia.core.text_scores import normalise

COST = ("tokens", "seconds", "speed")  # what an answer costs: hangs on machine, service and vocabulary
GROUPED = ("f1", "numbers")  # the metrics also shown by domain and by kind
# Kinds the bundled questions use, in this order, as the reader sees them; others follow under their own names.
KINDS = {
    "qa": "问答", "paraphrase": "转述", "unseen": "没练过的事实", "calc": "计算", "conduct": "合规", "task": "任务",
    "multi-turn": "多轮", "choice": "选择题",
}  # fmt: skip
_LEADING = tuple(metric for metric in METRICS if metric.key in GROUPED)
_OFTEN = 0.2  # from this share on, cut-off or empty answers are worth a word


@dataclass(frozen=True)
class Line:
    """One contestant over one set of questions: key of metric -> estimate, and -> difference from the first."""

    name: str
    values: dict[str, Estimate]
    differences: dict[str, Estimate]
    failed: int

    @property
    def scored(self) -> bool:
        """Whether there is anything to show; not so for a contestant that did not open."""
        return any(score.count for score in self.values.values())


@dataclass(frozen=True)
class Summary:
    """All lines: `overall` in the order of the contestants; groups by domain and by kind (in the reader's words);
    sentences to read first."""

    overall: list[Line]
    by_domain: dict[str, list[Line]]
    by_kind: dict[str, list[Line]]
    scores: dict[str, list[dict[str, Pair | None]]]
    conclusion: list[str]


def summarise(comparison: Comparison) -> Summary:
    """Measure every cell once, then every set of questions."""
    scores = {
        contestant.name: [
            {metric.key: metric.of(cell) for metric in METRICS} for cell in comparison.column(contestant.name)
        ]
        for contestant in comparison.contestants
    }
    everything = range(len(comparison.questions))
    overall = _lines(comparison, scores, everything, METRICS)
    groups = [
        {name: _lines(comparison, scores, rows, _LEADING) for name, rows in _rows_by(comparison, field).items()}
        for field in ("domain", "kind")
    ]
    told = conclude(overall, len(comparison.questions))
    told += [sentence for one in comparison.contestants if (sentence := _doubtful(comparison, one.name))]
    return Summary(overall, groups[0], groups[1], scores, told)


def _doubtful(comparison: Comparison, name: str) -> str:
    """How many of a contestant's answers have a number that is suspected, by what it is held against."""
    found = [held for cell in comparison.column(name) if (held := doubts(cell))]
    by = Counter(kind for held in found for kind in {doubt.by for doubt in held})
    kinds = "、".join(f"{kind} {count} 题" for kind, count in by.items())
    return f"「{name}」有 {len(found)} 题的数字疑似说错（对照{kinds}），请看这些回答。" if found else ""


def _rows_by(comparison: Comparison, field: str) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for index, question in enumerate(comparison.questions):
        if name := getattr(question.record, field):
            rows.setdefault(name, []).append(index)
    if field == "domain":
        return rows
    known = {KINDS[kind]: rows.pop(kind) for kind in KINDS if kind in rows}
    return known | rows


def _lines(
    comparison: Comparison,
    scores: dict[str, list[dict[str, Pair | None]]],
    rows: Sequence[int],
    metrics: Sequence[Metric],
) -> list[Line]:
    first = comparison.contestants[0]
    lines = []
    for contestant in comparison.contestants:
        values, differences = {}, {}
        for metric in metrics:
            pairs, reference = ([scores[c.name][row][metric.key] for row in rows] for c in (contestant, first))
            values[metric.key] = estimate(metric, pairs)
            compared = contestant is not first and _comparable(metric, contestant, first)
            differences[metric.key] = difference(metric, pairs, reference) if compared else Estimate()
        cells = [comparison.column(contestant.name)[row] for row in rows]
        lines.append(Line(contestant.name, values, differences, sum(bool(cell.get("error")) for cell in cells)))
    return lines


def _comparable(metric: Metric, contestant: Contestant, first: Contestant) -> bool:
    """Perplexity is per token: with another vocabulary the tokens are others. Speed hangs on where a model runs."""
    return metric.key not in COST and (metric.key != "perplexity" or contestant.base == first.base)


def differ(cells: Sequence[Cell]) -> bool:
    """Whether the answers to one question are not all the same (white space, punctuation and failed cells aside)."""
    return len({normalise(cell.get("answer") or "") for cell in cells if not cell.get("error")}) > 1


def conclude(overall: Sequence[Line], count: int) -> list[str]:
    """What may be said in Chinese, only as strongly as the intervals allow; the first sentence is the main one."""
    first, *others = overall
    sentences = [
        _versus(metric, first, line)
        for line in others for metric in _LEADING if line.differences[metric.key].value is not None
    ] or [
        _alone(metric, line)
        for line in overall for metric in _LEADING if line.values[metric.key].value is not None
    ]  # fmt: skip
    if not sentences:
        sentences = ["没有可以打分的题：要么没有参考答案，要么没有回答。"]
    elif count < FEW:
        sentences.append(f"只有 {count} 道题，区间偏窄，结论只作参考。")
    return sentences + [warning for line in overall for warning in _warnings(line, count)]


def _alone(metric: Metric, line: Line) -> str:
    score = line.values[metric.key]
    return f"「{line.name}」的{metric.label} 是 {metric.show(score.value)}{_between(metric, score)}。"


def _versus(metric: Metric, first: Line, line: Line) -> str:
    gap = line.differences[metric.key]
    a, b = (metric.show(one.values[metric.key].value) for one in (first, line))
    apart = metric.show(gap.value, sign=True).replace("%", " 个百分点")
    head = f"「{line.name}」比「{first.name}」：{metric.label} {a} → {b}，差 {apart}"
    if gap.low is None:
        return f"{head}；只有一道题，不能下结论。"
    verdict = {1: "提高是可信的", -1: "下降是可信的", 0: "区间含 0，这批题还分不出高下"}[gap.sign]
    return f"{head}{_between(metric, gap, sign=True)}，{verdict}。"


def _between(metric: Metric, score: Estimate, *, sign: bool = False) -> str:
    if score.low is None:
        return ""
    return f"（95% 区间 [{metric.show(score.low, sign=sign)}, {metric.show(score.high, sign=sign)}]）"


def _warnings(line: Line, count: int) -> list[str]:
    if line.failed == count:
        return [f"「{line.name}」{count} 题全部出错，没有成绩；原因见它的格子。"]
    found = [f"「{line.name}」有 {line.failed}/{count} 题出错，未计入分数。"] if line.failed else []
    for key, text in (("cut_off", "的回答被长度上限截断，可把 max_new_tokens 调大。"), ("empty", "的回答是空的。")):
        share = line.values[key].value or 0
        if share >= _OFTEN:
            found.append(f"「{line.name}」有 {share:.0%} {text}")
    return found
