"""A judging, whole: asked, counted, held against people, and written as data: verdicts.jsonl and judge.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cornucopia.comparison.judging.agreement import Agreement
from cornucopia.comparison.judging.asking import Court
from cornucopia.comparison.judging.examples import Example, examples
from cornucopia.comparison.judging.items import Answered
from cornucopia.comparison.judging.raters import agreements
from cornucopia.comparison.judging.recorded import read_verdicts
from cornucopia.comparison.judging.settings import JudgeSettings
from cornucopia.comparison.judging.tables import Sheet, sentences, sheets
from cornucopia.comparison.judging.tally import Tally, tally
from cornucopia.comparison.votes import FILE, Vote, Votes
from cornucopia.core.errors import DataError, UsageError
from cornucopia.core.jsonl import write_json, write_jsonl


@dataclass(frozen=True)
class Judgement:
    """What all judges found.

    Args:
        answered: what was judged.
        tallies: a judge each.
        agreements: of judges and people.
        sheets, sentences, examples: the same to read.
    """

    answered: Answered
    tallies: list[Tally]
    agreements: list[Agreement]
    sheets: list[Sheet]
    sentences: list[str]
    examples: list[Example]


def judge_answers(
    settings: JudgeSettings, answered: Answered, folder: str | Path, allow_key: Sequence[str] = ()
) -> Judgement:
    """Ask every judge, count, and write verdicts.jsonl and judge.json to a folder.

    Args:
        settings: who judges, and how.
        answered: the answers.
        folder: of the result.
        allow_key: variables that may go to hosts they are not registered for, each NAME=host.

    Raises:
        CornucopiaError: see `Court`; votes that cannot be read.
    """
    folder = Path(folder)
    votes = _votes(settings.human, folder)
    recorded = [bench for path in settings.recorded for bench in read_verdicts(path, answered)]
    benches = recorded + (Court(settings, answered, folder, allow_key).judge() if settings.judges() else [])
    if twice := [name for name, count in Counter(bench.judge for bench in benches).items() if count > 1]:
        raise UsageError("两个评委同名", where="--judge", found=twice[0], fix="写成 名字=模型，换一个名字")
    settings.baseline_of(answered.names)
    tallies = [tally(bench, answered.names, settings.baseline) for bench in benches]
    found, strange = agreements(answered, benches, votes)
    told = sentences(tallies, answered.failed, strange)
    judgement = Judgement(answered, tallies, found, sheets(tallies, found), told, examples(answered, tallies))
    write_jsonl(folder / "verdicts.jsonl", [row for bench in benches for row in bench.rows()])
    write_json(folder / "judge.json", as_json(judgement))
    return judgement


def _votes(human: str, folder: Path) -> list[Vote]:
    path = Path(human) if human else folder / FILE
    if human and not path.exists():
        raise DataError(
            "没有这个投票文件", where=human, fix="投票在对比的结果文件夹或服务的文件夹里，名叫 votes.sqlite3"
        )
    votes = Votes(path)
    try:
        return votes.standing()
    finally:
        votes.close()


def as_json(judgement: Judgement) -> dict[str, Any]:
    """All figures."""
    return {
        "contestants": judgement.answered.names,
        "conclusion": judgement.sentences,
        "judges": [_of_tally(one) for one in judgement.tallies],
        "agreement": [asdict(one) for one in judgement.agreements],
    }


def _of_tally(one: Tally) -> dict[str, Any]:
    return {
        "judge": one.bench.judge, "settings": one.bench.settings, "baseline": one.baseline,
        "versus": [asdict(line) for line in one.versus], "grades": [asdict(line) for line in one.grades],
        "ratings": [asdict(line) for line in one.table.ratings] if one.table else [],
        "depends_on_order": asdict(one.by_order), "prefers_first_place": asdict(one.first_place),
        "replies": one.replies, "unparsed": one.unparsed, "why": dict(one.why),
    }  # fmt: skip
