"""What is known of each record once it has been read: a few hundred bytes, by which duplicates are found.

Of n records: `exact`, `question` and `answer` (n) hashes, 0 for nothing; `length` (n) characters of the answer; `score`
(n), NaN for none; `names` and `name_ends`, where each record stands; and for near duplicates `bands` (bands, n) and
`signature` (n, SLOTS / 2), four bits a slot (b-bit minwise hashing: Li and König, WWW 2010).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from struct import Struct

import numpy as np
import orjson
from numpy.typing import NDArray

from cornucopia.core.errors import ConfigError
from cornucopia.records.duplicates.settings import SLOTS, DeduplicateConfig, rows_a_band
from cornucopia.records.fold import Folded, Hashes, fold, gram_hashes, keys, mixed, number_hashes
from cornucopia.records.schema import Record
from cornucopia.records.stage import Survey

_PACKED = Struct(f"={SLOTS}I")
_RECORDS, _CHARACTERS = 2_000, 1_000_000  # worked on at a time
# Questions that differ in a word (the product, the region, the company) ask for different things: answers of at most so
# many characters show it. The letter of a choice shows nothing where the options may stand in another order.
_SHORT = 40
_SEED = 42  # of the MinHash: signatures kept on disk go on being comparable
_SPREAD = np.uint32(0x9E3779B1)
_ROW = np.uint64(0xD6E8FEB86659FD93)
_OTHER, _CONTEXT, _QUESTION, _ANSWER = range(4)  # parts of a record
# what is compared; all of it must be equal for exact duplicates
_PARTS = {
    "question": [_CONTEXT, _QUESTION],
    "question+answer": [_CONTEXT, _QUESTION, _ANSWER],
    "answer": [_ANSWER],
    "text": [_OTHER, _CONTEXT, _QUESTION, _ANSWER],
}


def survey(records: Sequence[Record], config: DeduplicateConfig) -> Survey:
    """The arrays of some records. Works on a few at a time: that fits the processor's cache, and bounds memory."""
    parts = [_survey(some, config) for some in _few(records)] or [_survey([], config)]
    found = {
        name: np.concatenate([part[name] for part in parts], axis=-2 if name == "signature" else -1)
        for name in parts[0]
    }
    return found | {"name_ends": np.cumsum(found["name_ends"])}


def _few(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    start, characters = 0, 0
    for index, record in enumerate(records):
        size = len(record.text) + sum(len(message.content) + len(message.reasoning) for message in record.messages)
        size += sum(len(passage.text) for passage in record.passages) if record.passages else 0
        if index > start and (characters + size > _CHARACTERS or index - start == _RECORDS):
            yield records[start:index]
            start, characters = index, 0
        characters += size
    if start < len(records):
        yield records[start:]


def _survey(records: Sequence[Record], config: DeduplicateConfig) -> Survey:
    parts = [_parts(record, config.scope == "text") for record in records]
    counts = np.array([[len(part) for part in four] for four in parts], np.int64).reshape(-1, 4)
    folded = fold(list(chain.from_iterable(chain.from_iterable(parts)))).joined(counts.ravel())
    salts = np.array([_salt(record) for record in records], np.uint64)
    hashes = keys(folded).reshape(-1, 4)
    chosen = np.zeros(counts.shape, np.bool_)
    chosen[:, _PARTS[config.scope]] = True
    chosen[[not record.messages for record in records], _QUESTION] = True  # of a document, its text
    exact = _together(np.where(chosen, hashes, 0), salts)
    question, answer = _together(hashes[:, [_CONTEXT, _QUESTION]], salts), hashes[:, _ANSWER]
    if config.scope == "question":  # the same question with another answer is a conflict, no duplicate
        exact = np.where(answer > 0, _together(np.stack([question, answer], axis=1), salts), exact)
    names = [(record.origin or record.id).encode("utf-8", "replace")[:200] for record in records]
    found: Survey = {
        "exact": exact,
        "question": question,
        "answer": answer,
        "length": (folded.ends - folded.starts)[_ANSWER::4].astype(np.uint32),
        "score": np.array([_score(record, config.score) for record in records], np.float32),
        "names": np.frombuffer(b"".join(names), np.uint8),
        "name_ends": np.array([len(name) for name in names], np.int64),  # their sizes, added up once all are there
    }
    if not config.near:
        return found
    if config.scope.startswith("question"):  # a long text about which many things are asked would make them all alike
        told = [bool(context) or not "".join(given).isascii() for _, context, _, given in parts]
        short = (found["length"] <= _SHORT) & np.array(told, np.bool_)
        salts = mixed(salts + hashes[:, _CONTEXT]) + np.where(short, answer, 0)
        chosen[:, _CONTEXT] = False
    return found | _near(_only(folded, chosen), salts, config)


def _parts(record: Record, whole: bool) -> tuple[list[str], list[str], list[str], list[str]]:
    """(what else is compared, context, question, answer), each as texts that are not empty."""
    messages, answer = record.messages, record.answer
    if not messages:
        return [], [], [record.text] if record.text else [], []
    last = len(messages) - 1
    while last and messages[last].role != "user":
        last -= 1
    asked = messages[last].content
    context = [passage.text for passage in record.passages] if record.passages else []
    if len(messages) > 2:
        turns = enumerate(messages[:-1] if answer else messages)
        context += [turn.content for at, turn in turns if at != last and turn.role != "system" and turn.content]
    given = [answer.content] if answer and answer.content else []
    if answer and answer.tool_calls:
        given += [f"{call.name} {call.arguments}" for call in answer.tool_calls]
    other = []
    if whole:
        other = [text for m in messages for text in (m.content if m.role == "system" else "", m.reasoning) if text]
    return other, context, [asked] if asked else [], given


def _only(folded: Folded, chosen: NDArray[np.bool_]) -> Folded:
    """The chosen parts (n, 4) of each record as one text a record."""
    mask = chosen.ravel()
    if not mask.all():
        kept = np.repeat(mask, folded.ends - folded.starts + 1)
        sizes = (folded.ends - folded.starts + 1)[mask]
        folded = Folded(folded.points[kept], np.cumsum(sizes) - 1)
    return folded.joined(chosen.sum(axis=1))


def _together(hashes: Hashes, salts: Hashes) -> Hashes:
    """One hash a row, of its hashes and salt; 0 for a row of nothing."""
    total = salts.copy()
    for column in hashes.T:
        total = mixed(total * _ROW + column)
    return np.where(hashes.any(axis=1), np.maximum(total, 1), 0).astype(np.uint64)


def _salt(record: Record) -> int:
    """A hash of what makes records of the same words differ: pictures, tools, worse answers, a verdict; 0 for none."""
    images = [image for message in record.messages if message.images for image in message.images]
    if not (images or record.tools or record.rejected or record.label is not None):
        return 0
    worse = [[message.content for message in turns] for turns in record.rejected]
    text = orjson.dumps([images, record.tools, worse, record.label], option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


def _score(record: Record, name: str) -> float:
    scores = record.extra.get("scores")
    if not isinstance(scores, dict):
        return float("nan")
    value = scores.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else float("nan")


def _near(compared: Folded, salts: Hashes, config: DeduplicateConfig) -> Survey:
    try:
        from rensa import RMinHash
    except ImportError:
        fix = 'pip install "cornucopia-fin[data]"（源码目录里：pip install -e ".[data]"）'
        raise ConfigError("近似去重要用 rensa", found="没有安装", fix=f"{fix}；或设 near: false") from None
    hashes, bounds = gram_hashes(compared, config.gram)
    if salts.any():
        hashes = mixed(hashes ^ np.repeat(salts, np.diff(bounds)))
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, bounds.astype(np.uint64), SLOTS, _SEED)
    packed = b"".join([_PACKED.pack(*row) for row in matrix.to_rows()])  # the fastest way out of the matrix
    slots = np.frombuffer(packed, np.uint32).reshape(-1, SLOTS)
    start = number_hashes(compared) if config.numbers else np.zeros(len(salts), np.uint64)
    four = ((slots * _SPREAD) >> np.uint32(28)).astype(np.uint8)
    bands = _bands(slots, start, rows_a_band(config.threshold))
    return {"bands": bands, "signature": four[:, ::2] | (four[:, 1::2] << 4)}


def _bands(slots: NDArray[np.uint32], start: Hashes, rows: int) -> NDArray[np.uint32]:
    """(n, SLOTS) slots and (n) hashes -> (bands, n): a hash of each `rows` slots and the record's own hash, in 32 bits
    throughout, which processors multiply eight at a time (the finaliser is MurmurHash3's)."""
    count = SLOTS // rows
    columns = slots[:, : count * rows].T.reshape(count, rows, -1)
    total = mixed(start).astype(np.uint32) + np.arange(count, dtype=np.uint32)[:, None]
    for row in range(rows):
        total = total * _SPREAD + columns[:, row]
        total ^= total >> np.uint32(15)
    total = (total ^ (total >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    total = (total ^ (total >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return total ^ (total >> np.uint32(16))
