"""A score in words: for the terminal and the reports."""

from __future__ import annotations

from cornucopia.evaluation.results import OVER_ALL, TaskResult
from cornucopia.evaluation.statistics import Interval


def percent(value: float | None, digits: int = 1, *, sign: bool = False) -> str:
    """ "43.5%", or "—" for None."""
    return "—" if value is None else f"{100 * value:{'+' if sign else ''}.{digits}f}%"


def show_interval(score: Interval | None, *, sign: bool = False) -> str:
    """ "43.5% [40.5, 46.4]"; "—" where there is none."""
    if score is None:
        return "—"
    if score.low is None or score.high is None:
        return percent(score.value, sign=sign)
    plus = "+" if sign else ""
    return f"{percent(score.value, sign=sign)} [{100 * score.low:{plus}.1f}, {100 * score.high:{plus}.1f}]"


def show_score(result: TaskResult) -> str:
    """A result in one cell, with what must be known beside it."""
    if result.problem:
        return f"没有成绩：{result.problem}"
    notes = []
    if result.unextracted:
        notes.append(f"读不出 {percent(result.unextracted)}")
    if result.share("length"):
        notes.append(f"截断 {percent(result.share('length'))}")
    if result.share("error"):
        notes.append(f"出错 {percent(result.share('error'))}")
    if result.cut:
        notes.append(f"题目过长 {result.cut}")
    if clean := result.clean_score():
        notes.append(f"去掉训练见过的 {len(result.contaminated)} 题后 {percent(clean.value)}")
    return "；".join([show_interval(result.score()), *notes])


def metric_of(result: TaskResult, metric: str) -> str:
    """A metric beside the leading one: its value alone."""
    values = result.values(metric)
    if not values:
        return "—"
    over_all = OVER_ALL.get(metric)
    return percent(over_all(values) if over_all else sum(values) / len(values))
