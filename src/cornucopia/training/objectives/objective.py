"""What an objective is: what is learnt of the records, whatever of the model changes by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from cornucopia.core.config import Config
from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record
from cornucopia.tokens.render import Example


class Objective(Protocol):
    """One way to learn from records; made as `Kind(recipe, template, tokenizer)`.

    `objectives.next_token.NextToken` has everything but `examples`.

    Attributes:
        about: a few Chinese words for the help text.
        Settings: the objective's own settings; they become part of every recipe, and decide only its own runs.
        reasons: it can learn what is thought before the answer.
        rows: what the rows must fit, of `records.objectives.OBJECTIVES`; others are bad rows.
        packs: the loss takes the packed rows of `data.batches.pack_row`, whose loss the model itself returns.
        refers: it compares with the model as it was at the start; `reference` is then set before the first step: a
            function that returns a context within which the model is what it was.
        samples: it learns from what the model answers itself: `begin` is called with the model before the first step,
            `sampled` before each update with its batches.
        scores: the model gives a score (models.scorer) and not the next token.
    """

    about: str
    Settings: type[Config]
    reasons: bool
    rows: str
    packs: bool
    refers: bool
    samples: bool
    scores: bool

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """The examples of each record, in order; an error for one that cannot be used."""
        ...

    def key(self) -> list[str]:
        """Everything of the objective that decides the tokens, its code included."""
        ...

    def collate(self, examples: Sequence[Example], packed: bool) -> dict[str, Any]:
        """Tensors of one forward pass.

        Args:
            examples: B of them.
            packed: as one row without padding; only where `packs`.
        """
        ...

    def items(self, batch: dict[str, Any]) -> Any:
        """What the loss is divided by, of one batch (a scalar tensor): trained tokens, pairs."""
        ...

    def loss(self, model: Any, batch: dict[str, Any], items: Any) -> Any:
        """A scalar: summed over the batch, divided by the items of the whole update (all micro-batches and ranks)."""
        ...

    def sums(self, model: Any, batch: dict[str, Any]) -> dict[str, Any]:
        """Scalars of a validation batch that add up over batches and ranks."""
        ...

    def metrics(self, sums: dict[str, float]) -> dict[str, float]:
        """What is told of the added sums; `loss` decides which checkpoint is best."""
        ...
