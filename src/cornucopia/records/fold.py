"""`sameness.normalized` for many texts at once, and hashes of their character n-grams. numpy only.

What a comparison of millions of records stands on: a text of 300 characters costs some ten microseconds here, and
twenty times that one at a time. The result is the same to the character (a property test says so): what a table of
single characters and their neighbours cannot tell is left to `normalized` itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from cornucopia.records.sameness import is_kept, normalized, unified

Hashes = NDArray[np.uint64]
Points = NDArray[np.uint32]
Marks = NDArray[np.int64]

END = 0x110000  # stands after every text; no character has it
_LIMIT = 0x1FB00  # characters from here on are left to `normalized`
_IDEOGRAPHS = (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xD7A4)  # Chinese and Korean, plain letters all
_ASKED = (0, 0x3400), (0x4DC0, 0x4E00), (0xA000, 0xAC00), (0xD7A4, 0x10000), (0x1F000, _LIMIT)  # the last: emoji
_SPACE, _DIGIT, _WORD, _KEEP, _DOUBT, _DASH, _ODD, _LETTER, _RATE, _SIGNED, _UNIT = (1 << bit for bit in range(11))
_BASE, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xFF51AFD7ED558CCD)
_UNITS = "万亿千百元%"
_DIGITS = 1
_NUMERALS = "〇零二两三四五六七八九十百千万亿"  # 一 stands in too many words


@dataclass(frozen=True)
class Folded:
    """Texts as they are compared, one after another.

    Args:
        points: their characters, each text followed by END.
        ends: of each text, the place of its END in `points`.
    """

    points: Points
    ends: Marks

    @property
    def starts(self) -> Marks:
        """Of each text, the place of its first character (of its END, if it is empty)."""
        return np.concatenate([[0], self.ends[:-1] + 1]).astype(np.int64)

    def text(self, index: int) -> str:
        """One text."""
        return self.points[self.starts[index] : self.ends[index]].tobytes().decode("utf-32-le", "surrogatepass")

    def joined(self, counts: Marks) -> Folded:
        """The same characters, `counts` texts at a time taken for one; where that is 0, an empty text is put in."""
        last = np.cumsum(counts) - 1
        if counts.all():
            return Folded(self.points, self.ends[last])
        stops = np.concatenate([[-1], self.ends])[last + 1]
        points = np.insert(self.points, (stops + 1)[counts == 0], np.uint32(END))
        return Folded(points, stops + np.cumsum(counts == 0))


def fold(texts: Sequence[str]) -> Folded:
    """Every text as `normalized` gives it."""
    dotted = [text.replace("…", "...") if "…" in text else text for text in texts]
    sizes = np.fromiter(map(len, dotted), np.int64, len(dotted))
    if not len(sizes):
        return Folded(np.empty(0, np.uint32), np.empty(0, np.int64))
    values, kinds = _tables()
    given = np.frombuffer(("\n".join(dotted) + "\n").encode("utf-32-le", "surrogatepass"), "<u4")
    given = np.minimum(given, _LIMIT) if given.max() >= _LIMIT else given
    points, kind = values[given], kinds[given]
    ends = np.cumsum(sizes + 1) - 1
    points[ends], kind[ends] = END, _KEEP
    odd = np.flatnonzero(kind & (_ODD | _DASH))
    dash = (kind[odd] & _DASH) > 0
    odd = odd[~dash | ((kind[odd - 1] & (_DIGIT | _RATE | _SPACE)) > 0)]  # a dash between numbers is a range
    dropped = (kind & _SPACE) > 0
    dropped[_thousands(points, kind)] = True
    if dropped.any():
        points, kind = points[~dropped], kind[~dropped]
    kept = (kind & _KEEP) > 0
    kept[_valued(points, kind)] = True
    points = points[kept]
    made = np.flatnonzero(points == END)
    empty = (np.diff(made, prepend=-1) == 1) & (sizes > 0)
    again = np.union1d(np.searchsorted(ends, odd), np.flatnonzero(empty))
    return _replaced(points, made, {int(index): normalized(texts[index]) for index in again})


def _thousands(points: Points, kind: NDArray[np.uint16]) -> Marks:
    """Places of the commas that group a number's digits by three: whole runs of digits and commas of that form."""
    commas = np.flatnonzero(points == ord(","))
    if not len(commas):
        return commas
    run = (kind & _DIGIT) > 0
    run[commas] = True
    edges = np.flatnonzero(run[1:] != run[:-1]) + 1  # the last character is END and in no run
    edges = np.concatenate([[0], edges]) if run[0] else edges
    starts, stops = edges[::2], edges[1::2]
    of = np.searchsorted(starts, commas, side="right") - 1
    count = np.bincount(of, minlength=len(starts))
    fitting = np.bincount(of, (stops[of] - commas) % 4 == 0, minlength=len(starts))
    length = stops - starts
    good = (count == fitting) & (count == (length - 1) // 4) & (length % 4 > 0)
    good &= (points[starts - 1] != ord(".")) | (starts == 0)
    return commas[good[of]]


def _valued(points: Points, kind: NDArray[np.uint16]) -> Marks:
    """Places of the signs that carry a value beside their neighbours, white space being gone."""
    at = np.flatnonzero(kind & _DOUBT)
    sign, before, after = points[at], kind[at - 1], kind[(at + 1) % len(kind)]
    digit_before, digit_after = (before & _DIGIT) > 0, (after & _DIGIT) > 0
    line = _among(sign, "-~")
    keep = _among(sign, ".,、/:") & digit_before & digit_after
    keep |= (sign == ord(".")) & digit_after & ((before & _WORD) == 0)
    keep |= _among(sign, "-~*^") & ((after & _SIGNED) > 0)
    keep |= line & ((after & _LETTER) > 0) & ((before & (_LETTER | _DIGIT)) > 0)
    keep |= line & ((before & (_DIGIT | _RATE)) > 0)
    keep |= (sign == ord("#")) & ((before & _LETTER) > 0)
    opened = np.flatnonzero((sign == ord("(")) & (digit_after | (points[(at + 1) % len(kind)] == ord("."))))
    if len(opened):
        closing = np.flatnonzero(((kind & _DIGIT) == 0) & (points != ord(".")))
        closed = closing[np.searchsorted(closing, at[opened], side="right")]
        unit = kind[(closed + 1) % len(kind)] & _UNIT
        keep[opened] |= (points[closed] == ord(")")) & (unit > 0)
    return at[keep]


def _among(sign: Points, signs: str) -> NDArray[np.bool_]:
    return np.isin(sign, [ord(one) for one in signs])


def _replaced(points: Points, ends: Marks, texts: dict[int, str]) -> Folded:
    """With some of the texts put in anew."""
    if not texts:
        return Folded(points, ends)
    pieces, done, longer = [], 0, np.zeros(len(ends), np.int64)
    for index, text in sorted(texts.items()):
        start = ends[index - 1] + 1 if index else 0
        new = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        pieces += [points[done:start], new]
        done = ends[index]
        longer[index] = len(new) - (done - start)
    return Folded(np.concatenate([*pieces, points[done:]]), ends + np.cumsum(longer))


@lru_cache(maxsize=1)
def _tables() -> tuple[Points, NDArray[np.uint16]]:
    """(character it becomes, kind) of every character below _LIMIT, and one more for those above.

    Rare ones are left to `normalized`, and those of which nothing need be asked are filled in: half a second saved.
    """
    values, kinds = np.arange(_LIMIT + 1, dtype=np.uint32), np.full(_LIMIT + 1, _ODD, np.uint16)
    for first, last in _IDEOGRAPHS:
        kinds[first:last] = _WORD | _KEEP
    kinds[[ord(char) for char in _UNITS if char >= "\u4e00"]] |= _UNIT
    for code in chain.from_iterable(range(first, last) for first, last in _ASKED):
        made = unified(chr(code))
        if len(made) == 1 and unicodedata.category(made)[0] != "M" and not _composes(ord(made)):
            values[code], kinds[code] = ord(made), _kind(made)
    return values, kinds


def _composes(code: int) -> bool:
    """Whether NFKC may join it with the character before: Korean letters (marks are told by their category)."""
    return 0x1100 <= code < 0x1200


def _kind(char: str) -> int:
    kind = _SPACE * char.isspace() | _DIGIT * char.isdecimal() | _WORD * (char.isalnum() or char == "_")
    kind |= _KEEP * is_kept(char) | _DOUBT * (char in ".,、/:-~*^(#") | _DASH * (char in "—―")
    kind |= _LETTER * ("a" <= char <= "z") | _RATE * (char in "%‰") | _UNIT * (char in _UNITS)
    return kind | _SIGNED * (char.isdecimal() or char in "<>≤≥±+¥$€£.")


def without_numbers(folded: Folded) -> Folded:
    """With every run of digits made one 0: texts that differ in their numbers only become equal."""
    digit = _numerals()[folded.points] == _DIGITS
    again = digit & np.concatenate([[False], digit[:-1]])
    points = np.where(digit, np.uint32(ord("0")), folded.points)[~again]
    return Folded(points, folded.ends - np.cumsum(again)[folded.ends])


def keys(folded: Folded) -> Hashes:
    """A hash of each text; 0 for an empty text, and for no other."""
    view = memoryview(folded.points.tobytes())
    filled = np.flatnonzero(folded.starts < folded.ends)
    bounds = zip((folded.starts[filled] * 4).tolist(), (folded.ends[filled] * 4).tolist(), strict=True)
    digests = [blake2b(view[start:end], digest_size=8).digest() for start, end in bounds]
    hashes = np.frombuffer(b"".join(digests), "<u8")
    found = np.zeros(len(folded.ends), np.uint64)
    found[filled] = np.maximum(hashes, np.uint64(1))
    return found


def mixed(values: Hashes) -> Hashes:
    """The finaliser of MurmurHash3: close numbers become far ones."""
    values = (values ^ (values >> np.uint64(33))) * _MIX
    return values ^ (values >> np.uint64(33))


def gram_hashes(folded: Folded, size: int) -> tuple[Hashes, Marks]:
    """Hashes of the `size`-character n-grams, text after text, and the bounds of each text among them.

    A text shorter than `size` is one n-gram; an empty one has none.
    """
    points = folded.points.astype(np.uint64)
    total = np.full(len(points), size, np.uint64)
    for offset in range(min(size, len(points))):
        total *= _BASE
        total[: len(points) - offset] += points[offset:]
    starts, lengths = folded.starts, folded.ends - folded.starts
    counts = np.where(lengths >= size, lengths - size + 1, np.minimum(lengths, 1))
    within = np.zeros(len(points) + 1, np.int8)
    np.add.at(within, starts, 1)
    np.add.at(within, starts + counts, -1)
    hashes = mixed(total[np.cumsum(within[:-1], dtype=np.int8) > 0])
    bounds = np.concatenate([[0], np.cumsum(counts)])
    short = np.flatnonzero((lengths > 0) & (lengths < size))
    if len(short):  # their windows reach into the next text
        hashes[bounds[short]] = keys(folded)[short]
    return hashes, bounds


def number_hashes(folded: Folded) -> Hashes:
    """Of each text, a hash of its numerals in their order, Chinese ones from two upwards among them."""
    at = np.flatnonzero(_numerals()[folded.points])
    bounds = np.concatenate([[0], np.searchsorted(at, folded.ends)])
    place = np.arange(len(at)) - np.repeat(bounds[:-1], np.diff(bounds))
    digit = _numerals()[folded.points[at]] == _DIGITS
    apart = (np.diff(at, prepend=-2) != 1) & digit & np.roll(digit, 1) & (place > 0)  # 12 and 3 are not 1 and 23
    parts = folded.points[at].astype(np.uint64) | (place.astype(np.uint64) << np.uint64(24))
    parts |= apart.astype(np.uint64) << np.uint64(22)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed(mixed(parts) + _BASE))])
    return sums[bounds[1:]] - sums[bounds[:-1]]


@lru_cache(maxsize=1)
def _numerals() -> NDArray[np.uint8]:
    table = np.zeros(END + 1, np.uint8)
    table[[code for code in range(_LIMIT) if chr(code).isdecimal()]] = _DIGITS
    table[[ord(char) for char in _NUMERALS]] = _DIGITS + 1
    return table
