"""One dialogue while it is being written turn by turn."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from cornucopia.factory.write.transcript import END
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.replies import unusable
from cornucopia.records.schema import Record, Role

_HEAD = re.compile(r"^\s*[【\[]?(?:客户|用户|顾问|客服)[】\]]?\s*[：:]?\s*")


@dataclass
class Chat:
    """A dialogue that begins with its record's question, and its record's answer where it has one.

    Args:
        id: unique in the shard.
        record: that it grows from.
        rounds: questions and answers that it shall have.
        turns: role and words of each turn so far.
        open: whether a next turn is wanted.
        stop: why it ended.
        problem: (rule, detail) of a reply that could not be used.
    """

    id: str
    record: Record
    rounds: int
    turns: list[tuple[Role, str]] = field(default_factory=list)
    open: bool = True
    stop: str = "limit"
    problem: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        self.turns.append(("user", self.record.question))
        if self.record.golden:
            self.turns.append(("assistant", self.record.golden))
        self._close_if_done()

    @property
    def next_role(self) -> Role:
        """Who speaks next."""
        return "assistant" if len(self.turns) % 2 else "user"

    @property
    def name(self) -> str:
        """The id of the request for the next turn."""
        return f"{self.id}/{len(self.turns)}"

    def hear(self, reply: Reply) -> None:
        """Take the next turn, or end."""
        rule, detail = unusable(reply)
        text = _HEAD.sub("", reply.answer.replace(END, "")).strip()
        if rule:
            self.open, self.stop, self.problem = False, rule, (rule, detail[:200])
        elif not text or (self.next_role == "user" and END in reply.answer):
            self.open, self.stop = False, "end"
        else:
            self.turns.append((self.next_role, text))
            self._close_if_done()

    def _close_if_done(self) -> None:
        if len(self.turns) >= 2 * self.rounds:
            self.open = False
