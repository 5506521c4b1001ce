"""What the judges found, as tables and sentences of text: the same for the terminal, Markdown and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cornucopia.comparison.interval import FEW, Estimate
from cornucopia.comparison.judging.agreement import Agreement
from cornucopia.comparison.judging.tally import GRADE, SHARE, Tally, Versus
from cornucopia.comparison.metrics import Metric
from cornucopia.core.console import say, show_table

WHY = {
    "unparsed": "读不出结论", "cut_off": "没写完", "empty": "空的", "refused": "拒绝评", "failed": "请求失败",
}  # fmt: skip


@dataclass(frozen=True)
class Sheet:
    """One table: its heading, columns, and rows of text; the first `names` columns are names."""

    heading: str
    columns: list[str]
    rows: list[list[str]]
    names: int = 1


def sheets(tallies: Sequence[Tally], agreements: Sequence[Agreement]) -> list[Sheet]:
    """All tables that have a row."""
    found = [sheet for one in tallies for sheet in (versus_sheet(one), grades_sheet(one), ratings_sheet(one))]
    return [sheet for sheet in (*found, steadiness_sheet(tallies), agreement_sheet(agreements)) if sheet.rows]


def versus_sheet(one: Tally) -> Sheet:
    """Wins, ties and losses."""
    columns = ["选手", "对手", "胜", "平", "负", "无结论", "胜率（平算半胜）", "符号检验 p", "结论"]
    rows = [
        [
            line.first, line.second, str(line.wins), str(line.ties), str(line.losses), str(line.none or ""),
            with_interval(SHARE, line.share), p_text(line.p), _verdict(line),
        ]
        for line in one.versus
    ]  # fmt: skip
    how = "按分数高低算胜负" if one.grades else "两个次序都说好才算胜"
    return Sheet(f"评委 {one.bench.judge}：胜负（{how}）", columns, rows, 2)


def grades_sheet(one: Tally) -> Sheet:
    """Grades."""
    most = f"满分 {one.bench.settings.get('most', 10):g}"
    columns = ["选手", f"评分（{most}）", "题数", f"与「{one.baseline}」的差", "无分数"]
    rows = [
        [
            line.name, with_interval(GRADE, line.mean), str(line.mean.count),
            with_interval(GRADE, line.gap, sign=True) if line.gap.value is not None else "", str(line.none or ""),
        ]
        for line in one.grades
    ]  # fmt: skip
    return Sheet(f"评委 {one.bench.judge}：评分", columns, rows)


def ratings_sheet(one: Tally) -> Sheet:
    """Bradley-Terry ratings, and Elo's."""
    ratings = one.table.ratings if one.table else ()
    rows = [
        [
            str(line.rank), line.name, f"{line.rating:.0f} [{line.low:.0f}, {line.high:.0f}]",
            str(line.wins), str(line.ties), str(line.losses), f"{line.elo:.0f}",
        ]
        for line in ratings
    ]  # fmt: skip
    columns = ["名次", "选手", "Bradley-Terry 分", "胜", "平", "负", "Elo"]
    return Sheet(f"评委 {one.bench.judge}：排名", columns, rows, 2)


def steadiness_sheet(tallies: Sequence[Tally]) -> Sheet:
    """What each judge's word is worth: order, place, replies that could not be read."""
    columns = ["评委", "评语", "读不出", "换次序就改口", "偏向排在前面的"]
    rows = [
        [
            one.bench.judge, str(one.replies), why_text(one), with_interval(SHARE, one.by_order),
            with_interval(SHARE, one.first_place),
        ]
        for one in tallies
    ]  # fmt: skip
    return Sheet("评委靠不靠得住", columns, rows)


def agreement_sheet(agreements: Sequence[Agreement]) -> Sheet:
    """How far the raters agree."""
    columns = ["一方", "另一方", "共同评过", "一致（平局也算一类）", "Cohen κ", "都分了高下的", "其中一致"]
    kappa = Metric("kappa", "κ", "", lambda cell: None)
    rows = [
        [
            line.one, line.other, str(line.share.count), with_interval(SHARE, line.share),
            with_interval(kappa, line.kappa), str(line.decided.count), with_interval(SHARE, line.decided),
        ]
        for line in agreements
    ]  # fmt: skip
    return Sheet("一致程度", columns, rows, 2)


def sentences(tallies: Sequence[Tally], failed: dict[str, int], strange: int) -> list[str]:
    """What may be said, as strongly as the tests allow; then what to beware of."""
    found = [_versus(one, line) for one in tallies for line in one.versus]
    found += [text for one in tallies for text in _warnings(one)]
    found += [f"「{name}」有 {count} 题没有回答，评不了。" for name, count in failed.items() if count]
    found += [f"评委 {one.bench.judge}：{note}。" for one in tallies if one.table for note in one.table.notes]
    return found + ([f"有 {strange} 张票投的不是这些回答，没有算。"] if strange else [])


def _versus(one: Tally, line: Versus) -> str:
    count = line.wins + line.ties + line.losses
    if not count:
        return f"评委 {one.bench.judge}：「{line.first}」对「{line.second}」没有一题有结论。"
    said = {1: "更好，可信", -1: "更差，可信", 0: "分不出高下"}[line.sign]
    few = f"；只有 {count} 题，只作参考" if count < FEW else ""
    return (
        f"评委 {one.bench.judge}：「{line.first}」对「{line.second}」胜 {line.wins} 平 {line.ties} 负 {line.losses}，"
        f"胜率 {with_interval(SHARE, line.share)}，符号检验 p{p_text(line.p, '=')}，{said}{few}。"
    )


def _warnings(one: Tally) -> list[str]:
    found = []
    if (one.by_order.value or 0) > 0.2:
        share, first = SHARE.show(one.by_order.value), SHARE.show(one.first_place.value)
        found.append(f"评委 {one.bench.judge}：{share} 的题换个次序就改口（都算平局），{first} 的选择给了排在前面的。")
    if one.unparsed:
        found.append(f"评委 {one.bench.judge}：{one.replies} 个评语里 {why_text(one)}，不计入胜负和分数。")
    return found


def why_text(one: Tally) -> str:
    """How many replies give no verdict, with the reasons; "0" where all do."""
    if not one.why:
        return "0"
    reasons = "、".join(f"{WHY[why]} {count}" for why, count in one.why.most_common())
    return f"{one.unparsed}（{reasons}）"


def _verdict(line: Versus) -> str:
    return {1: "更好", -1: "更差", 0: "分不出"}[line.sign] if line.wins + line.ties + line.losses else "—"


def with_interval(metric: Metric, value: Estimate, *, sign: bool = False) -> str:
    """A value with its interval."""
    shown = metric.show(value.value, sign=sign)
    if value.low is None:
        return shown
    return f"{shown} [{metric.show(value.low, sign=sign)}, {metric.show(value.high, sign=sign)}]"


def p_text(p: float, equals: str = "") -> str:
    """A p as it is told, `equals` before a value that is told itself."""
    return "<0.001" if p < 0.001 else f"{equals}{p:.3f}"


def show(found: Sequence[Sheet], told: Sequence[str]) -> None:
    """The tables on standard output, the sentences on standard error."""
    for sheet in found:
        show_table(sheet.heading, sheet.columns, sheet.rows, whole=sheet.names)
    for sentence in told:
        say(sentence)
