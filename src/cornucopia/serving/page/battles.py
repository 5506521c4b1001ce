"""The battles of the arena that are under way: who answers on which side is known here, and told after the vote.

A battle is known outside by an id drawn by chance, and belongs to the voter for whom it was drawn. Those not voted on
are forgotten when the server stops; votes are on the disk. Knows nothing of HTTP.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from cornucopia.comparison.votes import Battle, Side, VotedAlready, Votes
from cornucopia.comparison.voting import Answers, Offer, Voting
from cornucopia.records.schema import Record
from cornucopia.serving.problems import Problem

SOURCE = "arena"  # of battles whose answers are made on the spot
SIDES = ("left", "right")
_MOST = 2000  # battles and voters remembered; the oldest go
_CHANCE = secrets.SystemRandom()


@dataclass
class Fight:
    """A battle under way.

    Args:
        id: by which the page knows it.
        voter: for whom it was drawn.
        prompt: the question.
        names: the models, by side.
        body: of the requests to the models: the messages and settings.
        answers: that are there, by side; `asked` holds the sides that are being answered, or were.
        offer: the battle as it is voted on, once both answers are there.
    """

    id: str
    voter: str
    prompt: Record
    names: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    answers: dict[str, Side] = field(default_factory=dict)
    offer: Offer | None = None

    def answered(self, side: str, answer: Side) -> None:
        """Keep an answer."""
        self.answers[side] = answer
        if len(self.answers) == len(SIDES):
            battle = Battle(self.id, self.prompt, self.answers["left"], self.answers["right"], SOURCE)
            self.offer = Offer(battle, "a")


class Battles:
    """All battles of a server.

    Args:
        names: its models' ids.
        votes: where votes are kept.
        compared: the answers of a comparison, where one was given.
    """

    def __init__(self, names: Sequence[str], votes: Votes, compared: Answers | None = None) -> None:
        self._pairs, self._votes, self.compared = list(combinations(names, 2)), votes, compared
        self._fights: OrderedDict[str, Fight] = OrderedDict()
        self._votings: OrderedDict[str, Voting] = OrderedDict()
        self._met: Counter[tuple[str, str]] | None = None
        self._lock = threading.Lock()

    @property
    def enough(self) -> bool:
        """Whether there are two models to compare."""
        return bool(self._pairs)

    def draw(self, voter: str, prompt: Record, body: dict[str, Any]) -> Fight:
        """Two models for a question; pairs that met seldom are drawn more often.

        Raises:
            Problem: there are not two models. DataError: the votes cannot be read.
        """
        if not self.enough:
            raise Problem(409, "竞技场要两个以上的模型：cornucopia serve --model 甲=… --model 乙=…")
        with self._lock:
            self._met = self._count() if self._met is None else self._met
            weights = [1 / (1 + self._met[pair]) for pair in self._pairs]
            pair = _CHANCE.choices(self._pairs, weights)[0]
            self._met[pair] += 1
        left, right = _CHANCE.sample(pair, 2)
        return self._keep(Fight(secrets.token_urlsafe(12), voter, prompt, {"left": left, "right": right}, body))

    def draw_compared(self, voter: str) -> Fight | None:
        """A battle of the comparison that this voter has not voted on; None when there is none.

        One that is drawn and not voted on comes again after all others.

        Raises:
            Problem: the server was given no comparison. DataError: the votes cannot be read.
        """
        if self.compared is None:
            raise Problem(409, "这个服务没有给比较的结果：cornucopia serve --arena 结果文件夹")
        with self._lock:
            voting = self._votings.get(voter)
            if voting is None or not voting.left:
                voting = self._votings[voter] = Voting(self.compared.battles, self._votes, voter, secrets.randbits(32))
            while len(self._votings) > _MOST:
                self._votings.popitem(last=False)
            offer = next(voting.offers(), None)
            if offer is None:
                return None
            voting.skip()
        names = dict(zip(SIDES, offer.models, strict=True))
        return self._keep(Fight(secrets.token_urlsafe(12), voter, offer.battle.prompt, names, offer=offer))

    def find(self, id: str) -> Fight:
        """The battle of an id.

        Raises:
            Problem: there is none.
        """
        fight = self._fights.get(id)
        if fight is None:
            raise Problem(404, "这一局已经不在了：投过了，或服务重新启动过。再开一局")
        return fight

    def ask(self, fight: Fight, side: str) -> str:
        """The model that answers on a side, which it does once.

        Raises:
            Problem: there is no such side, or it was asked before.
        """
        if side not in SIDES or fight.offer is not None:
            raise Problem(404, "没有这一边可答")
        with self._lock:
            if side in fight.asked:
                raise Problem(409, "这一边已经答过")
            fight.asked.add(side)
        return fight.names[side]

    def cast(self, fight: Fight, pressed: str) -> dict[str, str]:
        """Keep a vote; the models by side, which may be told from then on.

        Args:
            fight: the battle.
            pressed: left, right, tie or bad.

        Raises:
            Problem: an answer is missing, it was voted on, or there is no such choice. DataError: it cannot be kept.
        """
        if pressed not in (*SIDES, "tie", "bad"):
            raise Problem(400, "vote 应为 left、right、tie 或 bad", param="vote")
        if fight.offer is None:
            raise Problem(409, "两边都答完才能投票")
        try:
            self._votes.cast(fight.offer.battle, fight.voter, fight.offer.verdict_of(pressed), fight.offer.left)
        except VotedAlready as error:
            raise Problem(409, error.what) from None
        return fight.names

    def _keep(self, fight: Fight) -> Fight:
        with self._lock:
            self._fights[fight.id] = fight
            while len(self._fights) > _MOST:
                self._fights.popitem(last=False)
        return fight

    def _count(self) -> Counter[tuple[str, str]]:
        found = Counter[tuple[str, str]]()
        for vote in self._votes.standing(source=SOURCE):
            pair = vote.battle.a.model, vote.battle.b.model
            found[pair if pair in self._pairs else pair[::-1]] += 1
        return found
