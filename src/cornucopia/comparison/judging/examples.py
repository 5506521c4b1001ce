"""Questions to read beside the counts: won, lost, tied by the order alone, and those without a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cornucopia.comparison.judging.items import Answered, Item
from cornucopia.comparison.judging.reading import Opinion
from cornucopia.comparison.judging.tables import WHY
from cornucopia.comparison.judging.tally import Tally
from cornucopia.comparison.judging.verdicts import Duel, Grade

EACH = 3  # of a sort, for each judge


@dataclass(frozen=True)
class Example:
    """One question, side by side.

    Args:
        heading: what it is an example of.
        item: the question.
        answers: (contestant, what it answered).
        said: (what was asked, what the judge replied).
    """

    heading: str
    item: Item
    answers: list[tuple[str, str]]
    said: list[tuple[str, str]]


def examples(answered: Answered, tallies: Sequence[Tally]) -> list[Example]:
    """Up to EACH of each sort, in the order of the questions."""
    items = {item.id: item for item in answered.items}
    found: dict[tuple[str, str], list[Example]] = {}
    for one in tallies:
        for duel in one.bench.duels:
            sort = _sort(duel)
            if sort:
                found.setdefault((one.bench.judge, sort), []).append(_of_duel(one.bench.judge, sort, duel, items))
        for grade in sorted(
            one.bench.grades, key=lambda grade: (grade.opinion.score is None, grade.opinion.score or 0)
        ):
            sort = "读不出分数" if grade.opinion.score is None else "分数最低"
            found.setdefault((one.bench.judge, sort), []).append(_of_grade(one.bench.judge, sort, grade, items))
    return [example for sort in found.values() for example in sort[:EACH]]


def _sort(duel: Duel) -> str:
    if not duel.winner:
        return "读不出结论"
    if duel.depends_on_order:
        return "换次序就改口"
    return {"first": f"「{duel.first}」胜", "second": f"「{duel.second}」胜"}.get(duel.winner, "")


def _of_duel(judge: str, sort: str, duel: Duel, items: dict[str, Item]) -> Example:
    item = items[duel.id]
    orders = (("先", duel.first, "后", duel.second), ("先", duel.second, "后", duel.first))
    said = [
        (f"{a}「{one}」（A），{b}「{other}」（B）：{_told(opinion)}", opinion.text)
        for (a, one, b, other), opinion in zip(orders, (duel.forward, duel.backward), strict=True)
        if opinion
    ]
    answers = [(name, item.answer(name)) for name in (duel.first, duel.second)]
    return Example(f"评委 {judge}：{sort}", item, answers, said)


def _of_grade(judge: str, sort: str, grade: Grade, items: dict[str, Item]) -> Example:
    item = items[grade.id]
    return Example(
        f"评委 {judge}：{sort}", item, [(grade.name, item.answer(grade.name))],
        [(f"「{grade.name}」：{_told(grade.opinion)}", grade.opinion.text)],
    )  # fmt: skip


def _told(opinion: Opinion) -> str:
    if opinion.why:
        return WHY[opinion.why]
    if opinion.score is not None:
        return f"{opinion.score:g} 分"
    return {"A": "A 好", "B": "B 好", "tie": "不分高下"}.get(opinion.choice, "")
