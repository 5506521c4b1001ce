"""What asking costs: tokens guessed from characters before, counted after, and a limit that is never passed.

A request is sent only when the budget holds its prompt and the longest answer it may get; so nothing under way is ever
thrown away. What the service charges for requests that failed is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cornucopia.core.errors import CornucopiaError
from cornucopia.core.jsonl import Appender, read_jsonl
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.settings import AskingConfig
from cornucopia.records.schema import Record

PER_CHINESE, PER_OTHER = 0.8, 0.35  # tokens a character: newer vocabularies need 0.6 to 0.7 and 0.25 to 0.3
_DOUBT, _KNOWN = 1.6, 20  # until so many answers have told how many tokens prompts have, so much more is reckoned
_OVERHEAD = 12  # tokens of roles and marks


class BudgetReached(CornucopiaError):
    """The budget holds no further request; every answer so far is kept."""


def tokens_of(text: str) -> float:
    """Tokens of a text, guessed from its characters, rather too many than too few."""
    chinese = sum(char > "\u2e7f" for char in text)
    return chinese * PER_CHINESE + (len(text) - chinese) * PER_OTHER


def prompt_tokens(record: Record) -> float:
    """Tokens of a prompt, guessed."""
    return _OVERHEAD + sum(tokens_of(message.content) for message in record.messages)


class Purse:
    """What a step of one run has spent, kept in its folder so that a resumed run goes on counting.

    Args:
        config: prices and limits.
        folder: the step's own.
    """

    def __init__(self, config: AskingConfig, folder: Path) -> None:
        self.config, self._path = config, folder / "spent.jsonl"
        rows = list(read_jsonl(self._path))
        self.tokens_in = sum(row["in"] for row in rows)
        self.tokens_out = sum(row["out"] for row in rows)
        self._guessed = sum(row["guess"] for row in rows)
        self.requests = len(rows)

    def note(self, record: Record, reply: Reply) -> None:
        """Count one answer; a service that tells no tokens is charged with the guess."""
        took = reply.prompt_tokens or round(prompt_tokens(record))
        gave = reply.completion_tokens or round(tokens_of(reply.answer + reply.reasoning))
        guess = round(prompt_tokens(record), 1)
        with Appender(self._path) as file:
            file.write({"in": took, "out": gave, "guess": guess})
        self._guessed += guess
        self.tokens_in, self.tokens_out, self.requests = (
            self.tokens_in + took,
            self.tokens_out + gave,
            self.requests + 1,
        )

    @property
    def cost(self) -> float:
        """Yuan so far."""
        return self.config.cost(self.tokens_in, self.tokens_out)

    def affords(self, records: Sequence[Record]) -> int:
        """How many of these prompts, from the first, surely fit what is left."""
        if not self.config.bounded:
            return len(records)
        tokens_in, tokens_out = float(self.tokens_in), float(self.tokens_out)
        doubt = _DOUBT if self.requests < _KNOWN else max(1.0, 1.1 * self.tokens_in / self._guessed)
        for number, record in enumerate(records):
            tokens_in += prompt_tokens(record) * doubt
            tokens_out += self.config.max_new_tokens
            if self._over(tokens_in, tokens_out):
                return number
        return len(records)

    def _over(self, tokens_in: float, tokens_out: float) -> bool:
        money, tokens = self.config.budget, self.config.budget_tokens
        too_dear = money is not None and self.config.cost(tokens_in, tokens_out) > money
        return too_dear or (tokens is not None and tokens_in + tokens_out > tokens)

    def told(self) -> str:
        """What was spent, for the user."""
        money = f"，约 {self.cost:.2f} 元" if self.config.price_in or self.config.price_out else ""
        return f"{self.requests} 个回答，输入 {self.tokens_in} 词元，输出 {self.tokens_out} 词元{money}"
