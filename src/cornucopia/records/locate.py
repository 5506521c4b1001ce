"""Where in a text an answer comes from: the stretch of whole sentences that carries most of its facts and words, and
for the facts that it leaves out, the sentences that hold them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from cornucopia.records.grounding import check_answer
from cornucopia.records.sameness import normalized

MOST = 6  # sentences of a stretch
LONGEST = 500  # its characters
STRETCHES = 4  # of one answer
_SENTENCE = re.compile(r"[^。！？；\n]+[。！？；]?[”」』）)]*")
_FACT = 3.0  # weight of one fact beside that of the words, whose share is 0 to 1 ...
_WORDS = 6.0  # ... times this
_COST = 0.15  # what each further sentence must be worth

Span = tuple[int, int]


@dataclass(frozen=True)
class _Sentence:
    """Where a sentence stands, how many headings come before it, its pairs of characters."""

    span: Span
    section: int
    pairs: frozenset[str]


@dataclass(frozen=True)
class Found:
    """Where an answer comes from.

    Args:
        spans: stretches of the text in its order, in characters; the best one and those of left out facts.
        words: share of the answer's pairs of characters that they hold, rare ones weighing more, 0 to 1.
    """

    spans: tuple[Span, ...]
    words: float

    def quotes(self, text: str) -> list[str]:
        """The words of each stretch."""
        return [text[start:end] for start, end in self.spans]


def locate(answer: str, text: str, *, question: str = "") -> Found | None:
    """Where `text` carries `answer`; None where the text has no sentence.

    Args:
        answer: what was answered. text: of the document; a stretch never reaches across a Markdown heading.
        question: what it answers; its words count half.
    """
    sentences, rarity = _sentences(text)
    if not sentences:
        return None
    held = [_facts(answer, text[slice(*one.span)], question) for one in sentences]
    first, last = _best(_weights(answer, question, rarity), sentences, held)
    spans = [(sentences[first].span[0], sentences[last].span[1])]
    left = set().union(*held) - set().union(*held[first : last + 1])
    while left and len(spans) < STRETCHES:
        index = max(range(len(sentences)), key=lambda i: (len(left & held[i]), -abs(i - first)))
        spans.append(sentences[index].span)
        left -= held[index]
    spans = _joined(spans, text)
    return Found(tuple(spans), _share(answer, [text[start:end] for start, end in spans], rarity))


def _facts(answer: str, sentence: str, question: str) -> set[Span]:
    return {(fact.start, fact.end) for fact in check_answer(answer, sentence, question=question).found}


def _best(weights: dict[str, float], sentences: tuple[_Sentence, ...], held: list[set[Span]]) -> tuple[int, int]:
    """First and last sentence of the stretch that is worth most."""
    whole = sum(weights.values()) or 1.0
    best, choice = -math.inf, (0, 0)
    for first, one in enumerate(sentences):
        words: set[str] = set()
        facts: set[Span] = set()
        for last in range(first, min(first + MOST, len(sentences))):
            other = sentences[last]
            if last > first and (other.section != one.section or other.span[1] - one.span[0] > LONGEST):
                break
            words.update(pair for pair in other.pairs if pair in weights)
            facts |= held[last]
            share = sum(weights[pair] for pair in words) / whole
            value = _FACT * len(facts) + _WORDS * share - _COST * (last - first)
            if value > best:
                best, choice = value, (first, last)
    return choice


def _joined(spans: list[Span], text: str) -> list[Span]:
    """In the text's order, neighbours made one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[tuple[_Sentence, ...], dict[str, float]]:
    """The sentences, and how rare each pair of characters is among them ('' for one that none has)."""
    found, section = [], 0
    for match in _SENTENCE.finditer(text):
        sentence = match[0].strip()
        if sentence.startswith("#"):
            section += 1
        elif sentence:
            start = match.start() + match[0].index(sentence[0])
            found.append(_Sentence((start, start + len(sentence)), section, frozenset(_pairs(sentence))))
    counts = Counter(pair for one in found for pair in one.pairs)
    rarity = {pair: math.log(1 + len(found) / count) for pair, count in counts.items()}
    return tuple(found), rarity | {"": math.log(1 + len(found))}


def _weights(answer: str, question: str, rarity: dict[str, float]) -> dict[str, float]:
    weights = {pair: rarity.get(pair, 0.0) / 2 for pair in _pairs(question)}
    return weights | {pair: rarity.get(pair, rarity[""]) for pair in _pairs(answer)}


def _share(answer: str, quotes: list[str], rarity: dict[str, float]) -> float:
    weights = {pair: rarity.get(pair, rarity[""]) for pair in _pairs(answer)}
    held = {pair for quote in quotes for pair in _pairs(quote)}
    return sum(weight for pair, weight in weights.items() if pair in held) / (sum(weights.values()) or 1.0)


def _pairs(text: str) -> set[str]:
    plain = normalized(text)
    return {plain[i : i + 2] for i in range(len(plain) - 1)}
