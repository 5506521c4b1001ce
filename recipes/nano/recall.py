"""How many answers the bundled model finds by search words: of trained questions, and of held-out other wordings.

Usage: python recipes/nano/recall.py MODEL
A card's heading is drawn anew (another order, other words left out than in training), the model writes the answer by
greedy decoding; it counts as found with a character F1 above 0.6 against the golden answer.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

from cards import heading, search_words

from cornucopia.comparison.metrics import character_f1
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.transformers_engine import open_engines
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.template import PromptTemplate

DATA = Path("instruction_data")
ASKED = 136  # trained questions drawn: as many as there are held-out wordings
FOUND = 0.6


def rows(name: str, kind: str) -> list[dict[str, Any]]:
    """Records of one kind."""
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, filter(str.strip, lines)) if row["kind"] == kind]


def scores(engine: Any, asked: list[dict[str, Any]], rng: random.Random) -> list[float]:
    """Character F1 of each answer."""
    headings = [f"〔{row['domain']}〕{heading(search_words(row['instruction']), rng)}" for row in asked]
    requests = [Request(str(n), Record(messages=[Message("user", text)])) for n, text in enumerate(headings)]
    replies = engine.generate(requests, Sampling(max_new_tokens=80, do_sample=False))
    return [character_f1(reply.answer, asked[int(reply.id)]["output"]) for reply in replies]


def main(model: str) -> None:
    """Print both."""
    rng = random.Random(7)
    engine = open_engines(model, [None])[0]
    engine.template = PromptTemplate("card", "{instruction}\n{input}\n", "{instruction}\n", "\n")
    for title, asked in (
        ("练过的问题", rng.sample(rows("fin_data.json", "qa"), ASKED)),
        ("没练过的问法", rows("infer.json", "paraphrase")),
    ):
        found = scores(engine, asked, rng)
        share = sum(score > FOUND for score in found) / len(found)
        print(f"{title}：{len(found)} 条，找到 {share:.0%}，字符F1 {sum(found) / len(found):.2f}")


if __name__ == "__main__":
    main(sys.argv[1])
