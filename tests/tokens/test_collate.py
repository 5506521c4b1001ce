"""Padded batches."""

from __future__ import annotations

from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import IGNORE, Example


def test_padding_is_attended_and_trained_nowhere_even_where_its_id_is_used():
    batch = collate([Example([3, 4, 3], [IGNORE, 4, 3]), Example([5], [5])], pad_id=3, multiple_of=4)
    assert batch["input_ids"].tolist() == [[3, 4, 3, 3], [5, 3, 3, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORE, 4, 3, IGNORE], [5, IGNORE, IGNORE, IGNORE]]
