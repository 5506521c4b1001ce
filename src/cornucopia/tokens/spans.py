"""An example as text again, for people: which of it is trained."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from cornucopia.tokens.render import Example


def spans(example: Example, tokenizer: Any) -> Iterator[tuple[str, bool]]:
    """The example's text in runs: (text, whether it is trained). Special tokens are shown."""
    shown, end = "", 0
    for trained, labels in groupby(example.labels, key=lambda label: label >= 0):
        end += len(list(labels))
        # From the beginning each time: a decoder may treat the first token of what it is given in its own way.
        whole = tokenizer.decode(example.input_ids[:end], skip_special_tokens=False)
        yield whole[len(shown) :], trained
        shown = whole
