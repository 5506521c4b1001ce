"""What votes come to: a table of ratings, and pairs of a better and a worse answer to tune with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cornucopia.comparison.rating import Match, Rating, Table, rate
from cornucopia.comparison.votes import Vote
from cornucopia.core.jsonl import to_json
from cornucopia.records.schema import Message, Record

SCORES = {"a": 1.0, "b": 0.0, "tie": 0.5, "bad": 0.5}  # as in FastChat's arena: both bad is a tie for the ratings


@dataclass(frozen=True)
class Standings:
    """The state of an election.

    Args:
        table: the ratings.
        votes, voters, battles: how many.
        bad: votes that found both answers bad.
        notes: what a reader has to know, in Chinese.
    """

    table: Table
    votes: int
    voters: int
    battles: int
    bad: int
    notes: tuple[str, ...]


def standings(votes: Sequence[Vote]) -> Standings:
    """Ratings from votes. Votes on one question count as a cluster: they may agree because of it."""
    table = rate(
        Match(vote.battle.a.model, vote.battle.b.model, SCORES[vote.verdict], _question(vote.battle.prompt))
        for vote in votes
    )
    voters, battles = len({vote.voter for vote in votes}), len({vote.battle.id for vote in votes})
    bad = sum(vote.verdict == "bad" for vote in votes)
    return Standings(table, len(votes), voters, battles, bad, (*table.notes, *_side_note(votes)))


def columns_of(standing: Standings) -> tuple[list[str], list[list[str]]]:
    """The table's columns and rows, as text."""
    several = any(line.group for line in standing.table.ratings)
    columns = [*(["组"] if several else []), "名次", "选手", "分数", "95% 区间", "胜", "平", "负", "票数", "Elo"]
    return columns, [_row(line, several) for line in standing.table.ratings]


def _row(line: Rating, several: bool) -> list[str]:
    interval = f"[{line.low:.0f}, {line.high:.0f}]"
    counts = [str(count) for count in (line.wins, line.ties, line.losses, line.matches)]
    head = [str(line.group + 1)] if several else []
    return [*head, str(line.rank), line.name, f"{line.rating:.0f}", interval, *counts, f"{line.elo:.0f}"]


def preference_records(votes: Iterable[Vote]) -> tuple[list[Record], Counter[str]]:
    """A pair for each battle that more voters decided one way than the other; how many gave none, by reason.

    The records are those that `records.write` writes as `preference`, which `train --objective dpo` reads.
    """
    battles: dict[str, list[Vote]] = {}
    for vote in votes:
        battles.setdefault(vote.battle.id, []).append(vote)
    records, left_out = list[Record](), Counter[str]()
    for own in battles.values():
        counts = Counter(vote.verdict for vote in own)
        if reason := _no_pair(own[0], counts):
            left_out[reason] += 1
        else:
            records.append(_pair(own[0], counts))
    return records, left_out


def _no_pair(vote: Vote, counts: Mapping[str, int]) -> str:
    """Why a battle gives no pair, or ''."""
    a, b = vote.battle.a.answer.strip(), vote.battle.b.answer.strip()
    if counts["a"] == counts["b"]:
        return "两种意见一样多" if counts["a"] else "不分高下"
    return "两个回答一样" if a == b else "有一个回答是空的" if not (a and b) else ""


def _pair(vote: Vote, counts: Mapping[str, int]) -> Record:
    battle, a_won = vote.battle, counts["a"] > counts["b"]
    better, worse = (battle.a, battle.b) if a_won else (battle.b, battle.a)
    told: dict[str, Any] = {
        "way": "votes", "votes": counts["a" if a_won else "b"], "against": counts["b" if a_won else "a"],
        "chosen": better.model, "rejected": worse.model,
    }  # fmt: skip
    prompt = battle.prompt
    return prompt.changed(
        messages=(*prompt.messages, Message("assistant", better.answer)),
        rejected=((Message("assistant", worse.answer),),),
        extra={**prompt.extra, "preference": told},
    )


def _question(prompt: Record) -> str:
    return to_json(prompt.asked())


def _side_note(votes: Sequence[Vote]) -> list[str]:
    """Said when the side shown first wins more, or less, than chance has it (two standard errors of a fair coin)."""
    decided = [vote for vote in votes if vote.verdict in ("a", "b")]
    won = sum(vote.verdict == vote.left for vote in decided)
    if abs(won - len(decided) / 2) <= len(decided) ** 0.5 or not decided:
        return []
    return [f"分出高下的 {len(decided)} 票里先显示（左边）的赢了 {won / len(decided):.0%}：投票人可能偏向一边"]
