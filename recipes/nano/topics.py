"""Give each fact of the instruction set its topic: the word that most of its wordings and few other facts hold.

Usage: python recipes/nano/topics.py
Writes `topic` into instruction_data/fin_data.json, for facts that have none; no two facts have the same. Words are
those of the bundled model's vocabulary, two Chinese characters or more.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from facts import DATA, KINDS, wordings
from transformers import AutoTokenizer

from cornucopia.core.jsonl import read_jsonl, write_jsonl

TOKENIZER = "base_models/nano"


def topics(facts: list[dict[str, Any]], asked: dict[str, list[str]], tokenizer: Any) -> dict[str, str]:
    """A word for each record, by id; the fullest evidence chooses first."""
    counts = {}
    for fact in facts:
        found = Counter(word for text in [*asked[fact["id"]], fact["output"]] for word in set(tokenizer.tokenize(text)))
        counts[fact["id"]] = {w: n for w, n in found.items() if len(w) > 1 and all("一" <= c <= "鿿" for c in w)}
    spread = Counter(word for found in counts.values() for word in found)
    scored = [
        (-number * math.log(len(facts) / spread[word]), name, word)
        for name, found in counts.items()
        for word, number in found.items()
    ]
    given = {fact["id"]: fact["topic"] for fact in facts if fact.get("topic")}
    used = set(given.values())
    for _, name, word in sorted(scored):
        if name not in given and word not in used:
            given[name] = word
            used.add(word)
    return given


def main() -> None:
    """Write the topics into the file, every other byte unchanged."""
    facts, asked, _ = wordings()
    given = topics(facts, asked, AutoTokenizer.from_pretrained(TOKENIZER))
    rows = list(read_jsonl(DATA / "fin_data.json"))
    write_jsonl(
        DATA / "fin_data.json",
        ({**row, "topic": given[row["id"]]} if row["kind"] in KINDS else row for row in rows),
    )


if __name__ == "__main__":
    main()
