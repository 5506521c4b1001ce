"""Training and validation parts of a data set. Needs no model.

Which record goes where depends on its question and the seed alone: neither the order of the file nor rows added later
move the others more than the sizes demand, and the same question never stands on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record

KEY_BYTES = 16


def split_records(records: Sequence[Record], val_set_size: float, seed: int = 42) -> tuple[list[Record], list[Record]]:
    """(training, validation), each in the order given.

    Args:
        records: all records.
        val_set_size: a count (1 or more), a fraction (below 1), or 0 for no validation part.
        seed: another seed gives another split.

    Raises:
        DataError: if the validation part would leave nothing to train on, saying what fits.
    """
    held = held_out(b"".join(split_key(record, seed) for record in records), val_set_size)
    train = [record for record, out in zip(records, held, strict=True) if not out]
    return train, [record for record, out in zip(records, held, strict=True) if out]


def held_out(keys: bytes | bytearray, val_set_size: float) -> NDArray[np.bool_]:
    """(N,) which of N records are for validation, told by their keys alone.

    Args:
        keys: N times `KEY_BYTES`: `split_key` of each record.
        val_set_size: as in `split_records`.

    Raises:
        DataError: as in `split_records`.
    """
    total = len(keys) // KEY_BYTES
    wanted = _count(total, val_set_size)
    if not wanted:
        return np.zeros(total, bool)
    _, group, sizes = np.unique(np.frombuffer(keys, f"S{KEY_BYTES}"), return_inverse=True, return_counts=True)
    chosen = np.zeros(len(sizes), bool)
    room = wanted
    for index, size in enumerate(sizes):  # in the order of their keys
        chosen[index] = size <= room
        room -= int(size) if size <= room else 0
        if not room:
            break
    if not chosen.any():
        found = f"{total} 条只有 {len(sizes)} 个不同的问题"
        raise DataError("分不出验证集：同一问题的各条不能拆开", found=found, fix="设 val_set_size 为 0，或先去重")
    return chosen[group]


def split_key(record: Record, seed: int) -> bytes:
    """`KEY_BYTES` of a hash of everything before the answer (or of the document)."""
    asked = [f"{m.role}\1{m.content}\1{material}" for m, material in record.prompt().turns()]
    text = "\0".join([str(seed), record.text, *asked])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()[:KEY_BYTES]


def _count(total: int, size: float) -> int:
    if size < 0 or (size >= 1 and size != int(size)):
        raise DataError("验证集大小应是 0、正整数条数，或 0 到 1 之间的比例", found=str(size))
    if size < 1:
        return min(max(round(total * size), 1), total - 1) if size and total else 0
    if size >= total:
        fits = f"至多 {total - 1} 条，建议 {max(1, round(total * 0.1))} 条" if total > 1 else "只有 1 条数据时只能是 0"
        found = f"验证集 {int(size)} 条，数据一共 {total} 条"
        raise DataError("验证集不小于全部数据", found=found, fix=f"改 val_set_size：{fits}")
    return int(size)
