"""Records that must not be parted: passages of one document, wordings of one record, the same question twice."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.evidence import KEY as EVIDENCE
from cornucopia.records.mix.groups import SOURCE_ID
from cornucopia.records.sameness import comparable
from cornucopia.records.schema import Record

Tie = Literal["document", "article", "of", "question", "source"]
TIES: tuple[Tie, ...] = ("document", "article", "of", "question", "source")


def tie(record: Record, kind: Tie) -> str:
    """What the record shares with its siblings; '' where it has no such tie.

    `document`: the document its evidence stands in; `article`: the article its extra or its span names; `of`: the
    record that it words anew, or itself; `question`: all that is said before the answer; `source`: law or document.
    """
    extra = record.extra
    if kind == "document":
        found = extra.get(EVIDENCE)
        first = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else extra
        return _text(first.get("document"))
    if kind == "article":
        return _text(extra.get("article")) or record.span.partition(" ")[0].partition("第")[0]
    if kind == "of":
        return _text(extra.get("of")) or (_text(extra.get(SOURCE_ID)) or record.id).partition("~")[0]
    return comparable(record) if kind == "question" else record.source


def tie_hashes(records: Sequence[Record], kinds: Sequence[Tie]) -> NDArray[np.uint64]:
    """(records, kinds): a hash of each tie, 0 for none."""
    rows = [[_hash(kind, tie(record, kind)) for kind in kinds] for record in records]
    return np.array(rows, np.uint64).reshape(len(records), len(kinds))


def families(ties: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N,) the first record of each record's family: records tied directly, or through others.

    Args:
        ties: (N, kinds), as `tie_hashes` has them. Memory is some 40 bytes a record and kind.
    """
    label = np.arange(len(ties), dtype=np.int64)
    order = [np.argsort(ties[:, column], kind="stable") for column in range(ties.shape[1])]
    starts = [_starts(ties[:, column], by) for column, by in enumerate(order)]
    while True:
        before = label.copy()
        for column, by in enumerate(order):
            tied = ties[by, column] != 0
            sorted_labels, begin = label[by], starts[column]
            least = np.repeat(np.minimum.reduceat(sorted_labels, begin), np.diff([*begin, len(by)])) if len(by) else by
            label[by] = np.where(tied, least, sorted_labels)
        label = label[label]
        if np.array_equal(before, label):
            return label


def _starts(column: NDArray[np.uint64], by: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where in the sorted column each value begins."""
    values = column[by]
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]])) if len(by) else by


def family_keys(ties: NDArray[np.uint64], family: NDArray[np.int64], own: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """(N,) a hash of each record's family that neither the order of the records nor others outside it change: the
    smallest hash among its ties, `own` for a record without any.
    """
    least = np.where(ties == 0, np.uint64(2**64 - 1), ties).min(axis=1) if ties.shape[1] else own
    least = np.where(least == np.uint64(2**64 - 1), own, least)
    keys = np.full(len(family), 2**64 - 1, np.uint64)
    np.minimum.at(keys, family, least)
    return keys[family]


def _text(value: object) -> str:
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def _hash(kind: str, text: str) -> int:
    if not text:
        return 0
    digest = blake2b(f"{kind}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1
