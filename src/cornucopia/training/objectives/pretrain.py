"""Continued pretraining: every token of a document is learnt, pieces of it no longer than the limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record
from cornucopia.tokens.render import Example, encode_document
from cornucopia.training.objectives.next_token import NextToken


class Pretraining(NextToken):
    """pretrain."""

    about = "继续预训练"
    reasons = False

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """The pieces of each document; a conversation is read as the text of its turns."""
        for record in records:
            yield list(encode_document(record, self.tokenizer, self.recipe.cutoff_len))
