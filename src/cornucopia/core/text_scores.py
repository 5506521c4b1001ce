"""How alike two Chinese texts are, with a character as the unit: F1, ROUGE, BLEU. Knows no models and no files."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter


def normalise(text: str) -> str:
    """The characters that count when two answers are compared.

    Full-width forms become half-width (NFKC), letters lower case; white space and punctuation go, as in SQuAD's
    `normalize_answer` (Rajpurkar et al. 2016) and CMRC 2018's `remove_punctuation` (Cui et al. 2019). Two things stay,
    because in finance they change the meaning: the percent sign, and a point between two digits (3.5% is not 35%).
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for place, char in enumerate(text) if _counts(text, place))


def _counts(text: str, place: int) -> bool:
    char = text[place]
    if char == ".":
        return text[place - 1 : place].isdigit() and text[place + 1 : place + 2].isdigit()
    return char == "%" or not (char.isspace() or unicodedata.category(char)[0] in "PZC")


def character_f1(answer: str, golden: str) -> float:
    """F1 of the two multisets of characters: SQuAD's token F1 (Rajpurkar et al. 2016, arXiv:1606.05250) with a
    character as the unit, as is usual for Chinese. (CMRC 2018 counts a longest common substring instead.)

    Two empty texts are equal (1); one empty text shares nothing (0).
    """
    return rouge_n(answer, golden, 1)


def rouge_n(answer: str, golden: str, size: int) -> float:
    """ROUGE-N (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", 2), its F1, on characters.

    Texts shorter than `size` count as equal or not.
    """
    answer, golden = normalise(answer), normalise(golden)
    ours, theirs = _grams(answer, size), _grams(golden, size)
    if not ours or not theirs:
        return float(answer == golden)
    return 2 * sum((ours & theirs).values()) / (sum(ours.values()) + sum(theirs.values()))


def rouge_l(answer: str, golden: str) -> float:
    """ROUGE-L (Lin 2004, 3.1) on characters, with beta 1."""
    answer, golden = normalise(answer), normalise(golden)
    if not answer or not golden:
        return float(answer == golden)
    return 2 * lcs_length(answer, golden) / (len(answer) + len(golden))


def bleu(answer: str, golden: str, most: int = 4) -> float:
    """BLEU (Papineni et al. 2002) of one answer on characters: brevity penalty times the geometric mean of precisions.

    N-grams from the second on are smoothed by adding one to both counts (Lin & Och 2004, "ORANGE", method 2), so that
    a short answer without a common four-gram is not 0. Texts shorter than `most` use as many orders as they have.
    """
    answer, golden = normalise(answer), normalise(golden)
    if not answer or not golden:
        return float(answer == golden)
    total, orders = 0.0, min(most, len(answer), len(golden))
    for size in range(1, orders + 1):
        ours, theirs = _grams(answer, size), _grams(golden, size)
        hits, count = sum((ours & theirs).values()), sum(ours.values())
        if size > 1:
            hits, count = hits + 1, count + 1
        if not hits:
            return 0.0
        total += math.log(hits / count)
    short = min(0.0, 1 - len(golden) / len(answer))
    return math.exp(short + total / orders)


def _grams(text: str, size: int) -> Counter[str]:
    return Counter(text[at : at + size] for at in range(len(text) - size + 1))


def lcs_length(left: str, right: str) -> int:
    """Length of the longest common subsequence, one big-integer step a character (Hyyrö 2004, bit-parallel LCS)."""
    places: dict[str, int] = {}
    for index, char in enumerate(left):
        places[char] = places.get(char, 0) | 1 << index
    full = (1 << len(left)) - 1
    row = full
    for char in right:
        matched = row & places.get(char, 0)
        row = ((row + matched) | (row - matched)) & full
    return len(left) - row.bit_count()
