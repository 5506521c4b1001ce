"""Who rated what: judges and people side by side, on the same pairs of answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

from cornucopia.comparison.judging.agreement import Agreement, Both, agreement
from cornucopia.comparison.judging.items import Answered, Item
from cornucopia.comparison.judging.tally import meetings
from cornucopia.comparison.judging.verdicts import Bench
from cornucopia.comparison.votes import Side, Vote

PEOPLE = "人"
Pair = tuple[str, str, str]  # an item's id, two contestants in their order
Ratings = dict[Pair, list[str]]  # first, second or tie; several where several people voted
_VOTED = {"a": "first", "b": "second", "tie": "tie", "bad": "tie"}


def agreements(answered: Answered, benches: Sequence[Bench], votes: Sequence[Vote]) -> tuple[list[Agreement], int]:
    """Of every judge with the people, of the people among themselves, and of every two judges.

    Returns:
        The agreements that have anything to compare, and how many votes are on other answers than these.
    """
    by_voter, strange = _people(answered, votes)
    judges = {bench.judge: _verdicts(answered, bench) for bench in benches}
    everybody = _together(by_voter.values())
    found = [agreement(name, PEOPLE, _both(ratings, everybody)) for name, ratings in judges.items()]
    among = [both for one, other in combinations(by_voter.values(), 2) for both in _both(one, other)]
    found.append(agreement(PEOPLE, f"别的{PEOPLE}", among))
    found += [agreement(one, other, _both(judges[one], judges[other])) for one, other in combinations(judges, 2)]
    return [one for one in found if one.share.count], strange


def _verdicts(answered: Answered, bench: Bench) -> Ratings:
    order = {name: place for place, name in enumerate(answered.names)}
    found: Ratings = {}
    for one in meetings(bench):
        if one.winner and not one.same:
            first, second = sorted((one.first, one.second), key=order.__getitem__)
            found[one.id, first, second] = [one.seen_from(first).winner]
    return found


def _people(answered: Answered, votes: Sequence[Vote]) -> tuple[dict[str, Ratings], int]:
    """The votes on these answers by voter, found by the question's and the answers' text; how many are on others."""
    known: dict[tuple[str, str], list[tuple[Item, str]]] = {}
    for item in answered.items:
        for name in item.answers:
            known.setdefault((_plain(item.questions[-1]), _plain(item.answer(name))), []).append((item, name))
    order = {name: place for place, name in enumerate(answered.names)}
    found: dict[str, Ratings] = {}
    strange = 0
    for vote in votes:
        asked = "\n".join(part for part in (vote.battle.prompt.question, vote.battle.prompt.material) if part)
        sides = [known.get((_plain(asked), _plain(side.answer)), []) for side in (vote.battle.a, vote.battle.b)]
        places = [(item, a, b) for item, a in sides[0] for other, b in sides[1] if item is other and a != b]
        if not places or _same(vote.battle.a, vote.battle.b):
            strange += 1
            continue
        item, a, b = places[0]
        said = _VOTED[vote.verdict]
        if order[a] > order[b]:
            a, b, said = b, a, {"first": "second", "second": "first"}.get(said, said)
        found.setdefault(vote.voter, {}).setdefault((item.id, a, b), []).append(said)
    return found, strange


def _same(a: Side, b: Side) -> bool:
    return _plain(a.answer) == _plain(b.answer)


def _plain(text: str) -> str:
    return "".join(text.split())


def _together(ratings: Iterable[Ratings]) -> Ratings:
    found: Ratings = {}
    for one in ratings:
        for pair, said in one.items():
            found.setdefault(pair, []).extend(said)
    return found


def _both(one: Ratings, other: Ratings) -> list[Both]:
    return [Both(a, b, pair[0]) for pair, said in one.items() if pair in other for a in said for b in other[pair]]
