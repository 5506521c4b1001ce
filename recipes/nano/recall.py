"""How often a model names the right topic and gives the right answer: trained wordings, kept-back ones, paraphrases.

Usage: python recipes/nano/recall.py MODEL [ADAPTER]
Without an adapter the questions are asked as the build asks them (template nano), with one as it was trained.
Greedy decoding. An answer's score is its character F1 against the golden answer; a topic is right when it is the word
that the fact has in the instruction set (infer.json names the fact of each paraphrase in `of`).
"""

from __future__ import annotations

import random
import sys
from typing import Any

from facts import DATA, wordings

from cornucopia.comparison.metrics import character_f1
from cornucopia.core.jsonl import read_jsonl
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.open_engine import open_engine
from cornucopia.inference.spec import EngineSpec
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.template import resolve_template

ASKED = 136  # trained wordings drawn: as many as there are paraphrases

Asked = list[tuple[str, dict[str, Any]]]  # (question, the fact that answers it)


def questions() -> dict[str, Asked]:
    """The three sets."""
    facts, asked, kept = wordings()
    by_id = {fact["id"]: fact for fact in facts}
    rng = random.Random(7)
    known = [(rng.choice(asked[fact["id"]]), fact) for fact in rng.sample(facts, ASKED)]
    other = [row for row in read_jsonl(DATA / "infer.json") if row["kind"] == "paraphrase"]
    return {
        "练过的问法": known,
        "另留的问法": [(text, by_id[name]) for name, text in kept.items()],
        "infer.json 的转述题": [(row["instruction"], {**by_id[row["of"]], "output": row["output"]}) for row in other],
    }


def main(model: str, adapter: str | None = None) -> None:
    """Print a line for each set."""
    engine = open_engine(EngineSpec(base=model, adapter=adapter))
    if adapter is None:
        engine.template = resolve_template("nano", engine.tokenizer)
    for title, asked in questions().items():
        requests = [Request(str(n), Record((Message("user", text),))) for n, (text, _) in enumerate(asked)]
        replies = list(engine.generate(requests, Sampling(max_new_tokens=100, do_sample=False)))
        facts = [asked[int(reply.id)][1] for reply in replies]
        named = sum(reply.reasoning == fact["topic"] for reply, fact in zip(replies, facts, strict=True))
        scores = [character_f1(reply.answer, fact["output"]) for reply, fact in zip(replies, facts, strict=True)]
        print(f"{title}：{len(asked)} 条，主题对 {named / len(asked):.0%}，字符F1 {sum(scores) / len(scores):.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
