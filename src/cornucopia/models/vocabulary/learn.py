"""New pieces for a BPE tokenizer from text: its own merges go on where they ended.

What the old tokenizer makes of each run of Chinese characters is taken as letters of a new alphabet, and a BPE
trainer learns merges of these. All old merges come before the new ones, so text without a new piece is cut as before,
and each new piece is reached from its own text. Knows nothing of folders and models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_RUN = re.compile(f"[{HAN}]{{1,64}}")
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_LETTERS = [*range(0x4E00, 0x9FFF), *range(0xAC00, 0xD7A3), *range(0x20000, 0x2A6DF), *range(0xF0000, 0x10FFFF)]
LONGEST = 8  # old pieces in a new one
RARE = 2  # a character or pair met less often is not learnt


@dataclass
class Learnt:
    """New pieces, in the order in which they are to be added.

    Args:
        pieces: as the tokenizer writes them.
        merges: pairs of pieces; those that make a new piece, in order.
        characters: how many of the pieces are single characters the tokenizer did not have.
    """

    pieces: list[str] = field(default_factory=list)
    merges: list[tuple[str, str]] = field(default_factory=list)
    characters: int = 0


def learn(backend: Any, texts: Iterable[str], size: int) -> Learnt:
    """Learn at most `size` new pieces.

    Args:
        backend: a `tokenizers.Tokenizer` with a BPE model, byte-level or of characters with byte fallback.
        texts: documents.
        size: new pieces at most; as many of them as half are characters.
    """
    runs = Counter(run for text in texts for run in _RUN.findall(text))
    vocabulary = backend.get_vocab(with_added_tokens=False)
    missing = Counter[str]()
    if not is_byte_level(backend):
        for run, count in runs.items():
            missing.update({char: count * times for char, times in Counter(run).items() if char not in vocabulary})
    chosen = sorted((char for char, count in missing.items() if count >= RARE), key=lambda c: (-missing[c], c))
    made = Learnt(pieces=chosen[: size // 2])
    made.characters = len(made.pieces)
    words = _words(backend, runs, set(made.pieces))
    _add_merges(made, words, {*vocabulary, *made.pieces}, size)
    return made


def is_byte_level(backend: Any) -> bool:
    """Whether its pieces are written in the 256 letters that stand for bytes."""
    return "ByteLevel" in str(backend.pre_tokenizer.__getstate__() if backend.pre_tokenizer else "")


def pieces_of(backend: Any, text: str) -> list[str]:
    """The pieces of a text without white space, whatever would be put before it."""
    parts = [part for part, _ in backend.pre_tokenizer.pre_tokenize_str(text)] if backend.pre_tokenizer else [text]
    if not is_byte_level(backend):
        parts = [text]
    return [token.value for part in parts for token in backend.model.tokenize(part)]


def _words(backend: Any, runs: Counter[str], new: set[str]) -> Iterator[tuple[list[str], int]]:
    """Each run as old pieces and new characters; it is cut where a character is neither."""
    for run, count in runs.items():
        word: list[str] = []
        for piece in _known(pieces_of(backend, run), run):
            if piece in new or not (len(piece) == 1 and _RUN.fullmatch(piece)) or _has(backend, piece):
                word.append(piece)
            else:
                yield word, count
                word = []
        yield word, count


def _has(backend: Any, piece: str) -> bool:
    return backend.token_to_id(piece) is not None


def _known(pieces: Sequence[str], run: str) -> Iterator[str]:
    """The pieces, byte tokens put together into the characters that they spell."""
    held = bytearray()
    for piece in pieces:
        if _BYTE.fullmatch(piece):
            held.append(int(piece[3:5], 16))
            continue
        yield from held.decode("utf-8", "ignore")
        held.clear()
        yield piece
    yield from held.decode("utf-8", "ignore")


def _add_merges(made: Learnt, words: Iterable[tuple[list[str], int]], known: set[str], size: int) -> None:
    """Learn merges of the words' pieces until there are `size` pieces."""
    import json

    from tokenizers import Tokenizer, models, trainers

    letters: dict[str, str] = {}
    texts: list[str] = []
    for word, count in words:
        if len(word) > 1:
            spelt = "".join(letters.setdefault(piece, chr(_LETTERS[len(letters)])) for piece in word)
            texts += [spelt] * min(count, 1000)
    if not texts:
        return
    spelt_out = {letter: piece for piece, letter in letters.items()}
    room = size - len(made.pieces)
    trainer = trainers.BpeTrainer(
        vocab_size=len(letters) + 2 * room, min_frequency=RARE, show_progress=False, max_token_length=LONGEST,
        initial_alphabet=list(spelt_out),
    )  # fmt: skip
    trained = Tokenizer(models.BPE())
    trained.train_from_iterator(texts, trainer)
    for left, right in json.loads(trained.to_str())["model"]["merges"]:
        if len(made.pieces) >= size:
            return
        one, two = ("".join(spelt_out[letter] for letter in part) for part in (left, right))
        made.merges.append((one, two))
        if one + two not in known:
            known.add(one + two)
            made.pieces.append(one + two)
