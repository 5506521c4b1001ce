"""Many ways of asking for each fact, with a topic word that only this fact has: to learn finding before answering.

Usage: python recipes/nano/index.py TOKENIZER INDEX.jsonl
INDEX.jsonl: {"instruction": a wording with some words left out, "output": the topic word}, PASSES times each.

A model that learns from scratch to name the fact first keeps what other wordings of it share: one trained on the
answers alone, or after other text, learns each wording by heart. Words are left out anew in each pass. One wording
of each of HELD facts is kept back to measure with. Only training records are read, never a held-out question.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cards import KINDS
from transformers import AutoTokenizer

from cornucopia.core.jsonl import read_jsonl, write_jsonl

DATA = Path("instruction_data")
PASSES = 7
HELD = 250
DROP = 0.3  # chance of each word to be left out
CLEAN = 0.25  # chance of a wording to be left whole


def wordings() -> tuple[list[dict[str, Any]], dict[str, list[str]], dict[str, str]]:
    """The records that state facts, all ways of asking for each, and those kept back, by record."""
    facts = [row for row in read_jsonl(DATA / "fin_data.json") if row["kind"] in KINDS]
    asked = {fact["id"]: [fact["instruction"]] for fact in facts}
    for row in read_jsonl(DATA / "wordings.json"):
        asked[row["id"]] += row["ask"]
    rng = random.Random(1)
    chosen = rng.sample([fact["id"] for fact in facts if fact["kind"] == "qa"], HELD)
    return facts, asked, {name: asked[name].pop(rng.randrange(1, len(asked[name]))) for name in chosen}


def topics(facts: list[dict[str, Any]], asked: dict[str, list[str]], tokenizer: Any) -> dict[str, str]:
    """A word of the vocabulary for each record, no two alike: the one that most of its wordings and few others hold."""
    counts = {}
    for fact in facts:
        texts = [*asked[fact["id"]], fact["output"]]
        found = Counter(word for text in texts for word in set(tokenizer.tokenize(text)))
        counts[fact["id"]] = {w: n for w, n in found.items() if len(w) > 1 and all("一" <= c <= "鿿" for c in w)}
    spread = Counter(word for found in counts.values() for word in found)
    scored = [
        (-number * math.log(len(facts) / spread[word]), name, word)
        for name, found in counts.items()
        for word, number in found.items()
    ]
    given: dict[str, str] = {}
    used: set[str] = set()
    for _, name, word in sorted(scored):
        if name not in given and word not in used:
            given[name] = word
            used.add(word)
    return given


def thinned(text: str, tokenizer: Any, rng: random.Random) -> str:
    """The text without some of its words."""
    if rng.random() < CLEAN:
        return text
    words = tokenizer.encode(text, add_special_tokens=False)
    return tokenizer.decode([word for word in words if rng.random() > DROP]).strip() or text


def index(facts: list[dict[str, Any]], asked: dict[str, list[str]], tokenizer: Any) -> Iterator[dict[str, str]]:
    """Wording and topic word, PASSES times, each time in another order."""
    rng = random.Random(42)
    topic = topics(facts, asked, tokenizer)
    pairs = [(fact["id"], text) for fact in facts for text in asked[fact["id"]]]
    for _ in range(PASSES):
        rng.shuffle(pairs)
        for name, text in pairs:
            yield {"instruction": thinned(text, tokenizer, rng), "output": topic[name], "source": name}


def main(tokenizer_folder: str, target: Path) -> None:
    """Write the file."""
    facts, asked, _ = wordings()
    write_jsonl(target, index(facts, asked, AutoTokenizer.from_pretrained(tokenizer_folder)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
