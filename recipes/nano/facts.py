"""The facts of the instruction set under many wordings, as the bundled model reads them.

Usage: python recipes/nano/facts.py text OUT.jsonl
       python recipes/nano/facts.py index TOKENIZER OUT.jsonl
       python recipes/nano/facts.py answers TOKENIZER OUT.jsonl
text: each fact's wordings and answer, to train the tokenizer on. index: a wording and the fact's topic word, PASSES
times. answers: the same AGAIN times, and TOLD wordings of each fact with the answer after the topic word, all shuffled.

A model that learns from scratch to name the topic first keeps what other wordings of it share: one trained on the
answers alone, or after other text, learns each wording by heart. Words are left out anew in each pass. One wording
of each of HELD facts is kept back to measure with. Only training records are read, never a held-out question.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from cornucopia.core.jsonl import read_jsonl, write_jsonl
from cornucopia.tokens.reasoning import think_block

DATA = Path("instruction_data")
KINDS = ("qa", "conduct", "multi-turn")  # the records that state facts
PASSES = 7
AGAIN = 6
TOLD = 20
HELD = 250
DROP = 0.3  # chance of each word to be left out
CLEAN = 0.25  # chance of a wording to be left whole

Row = dict[str, Any]


def wordings() -> tuple[list[Row], dict[str, list[str]], dict[str, str]]:
    """The records that state facts, all ways of asking for each, and those kept back, by record."""
    facts = [row for row in read_jsonl(DATA / "fin_data.json") if row["kind"] in KINDS]
    asked = {fact["id"]: [fact["instruction"]] for fact in facts}
    for row in read_jsonl(DATA / "wordings.json"):
        asked[row["id"]] += row["ask"]
    rng = random.Random(1)
    chosen = rng.sample([fact["id"] for fact in facts if fact["kind"] == "qa"], HELD)
    return facts, asked, {name: asked[name].pop(rng.randrange(1, len(asked[name]))) for name in chosen}


def thinned(text: str, tokenizer: Any, rng: random.Random) -> str:
    """The text without some of its words."""
    if rng.random() < CLEAN:
        return text
    words = tokenizer.encode(text, add_special_tokens=False)
    return tokenizer.decode([word for word in words if rng.random() > DROP]).strip() or text


def texts() -> Iterator[Row]:
    """Each fact as one document."""
    facts, asked, _ = wordings()
    for fact in facts:
        yield {"text": "\n".join([*asked[fact["id"]], fact["topic"], fact["output"]]), "source": fact["id"]}


def index(facts: list[Row], asked: dict[str, list[str]], tokenizer: Any, passes: int = PASSES) -> Iterator[Row]:
    """Wording and topic word, each pass in another order. No end follows: it is alike for all and drowns the rest."""
    rng = random.Random(42)
    pairs = [(fact, text) for fact in facts for text in asked[fact["id"]]]
    for _ in range(passes):
        rng.shuffle(pairs)
        for fact, text in pairs:
            asks = thinned(text, tokenizer, rng)
            yield {"instruction": asks, "output": fact["topic"], "complete": False, "source": fact["id"]}


def answers(facts: list[Row], asked: dict[str, list[str]], tokenizer: Any) -> list[Row]:
    """Index lines to keep finding, and whole answers behind their topic word, in one shuffled pile."""
    rng = random.Random(43)
    rows = list(index(facts, asked, tokenizer, AGAIN))
    for fact in facts:
        told = think_block(fact["topic"], opened=True) + fact["output"]  # the template nano opens the block
        ways = rng.sample(asked[fact["id"]], len(asked[fact["id"]]))
        for text in itertools.islice(itertools.cycle(ways), TOLD):
            rows.append({"instruction": thinned(text, tokenizer, rng), "output": told, "source": fact["id"]})
    rng.shuffle(rows)
    return rows


def main(what: str, *places: str) -> None:
    """Write one of the three files."""
    *folder, target = places
    if what == "text":
        write_jsonl(target, texts())
        return
    facts, asked, _ = wordings()
    make = {"index": index, "answers": answers}[what]
    write_jsonl(target, make(facts, asked, AutoTokenizer.from_pretrained(folder[0])))


if __name__ == "__main__":
    main(*sys.argv[1:])
