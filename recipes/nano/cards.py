"""Index cards of the facts that customers ask about, as {"text"} lines: a line of search words, then the answer.

Usage: python recipes/nano/cards.py instruction_data/fin_data.json CARDS.jsonl [instruction_data/wordings.jsonl [index]]

The search words are pieces of the record's question in random order, some left out, so that no card holds a question
and no two cards of a record are alike. With the file of other wordings, the words come from those and from the answer
itself instead. With "index" the output is index pages: lines of search words or another wording, and how the answer
begins. Only training records become cards; held-out questions never do.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

KINDS = ("qa", "conduct", "multi-turn")
CARDS = 8  # of each record from its question
EACH = 3  # cards of each other wording, and as many from the answer
KEEP = 0.75  # chance of each search word
PASSES, LINES, BEGINNING = 4, 10, 30  # of the index: times through, lines of a page, characters of an answer
# Words that carry no subject: what is left between them are the search words.
_EMPTY = re.compile(
    r"[，。？！、；：“”（）\s]|是不是|能不能|有没有|可不可以|要不要|会不会|怎么办|怎么样|为什么|是什么|什么|怎么|怎样|如何|多少|哪些"
    r"|哪个|几个|多久|多大|可以|应该|需要|一下|现在|就是|还是|或者|以及|我们|你们|他们|自己|这个|那个|请问|如果|的话"
    r"|[吗呢吧啊呀的了着过我你他她它是在和与或就都也还又很被把给让对向到从个么嘛]"
)


def search_words(text: str) -> list[str]:
    """The pieces of a text that name its subject, two characters or more, or figures."""
    return [word for word in _EMPTY.split(text) if len(word) > 1 or word.isdigit()] or [text.strip("？?。")]


def heading(words: list[str], rng: random.Random) -> str:
    """Some of the words, in another order."""
    kept = [word for word in words if rng.random() < KEEP] or [rng.choice(words)]
    rng.shuffle(kept)
    return " ".join(kept)


def headings(record: dict[str, str], wordings: list[str] | None, rng: random.Random) -> Iterator[str]:
    """The search words of each card of a record."""
    if wordings is None:
        for _ in range(CARDS):
            yield heading(search_words(record["instruction"]), rng)
        return
    for wording in wordings:
        for _ in range(EACH):
            yield heading(search_words(wording), rng)
    words = search_words(record["output"])
    for _ in range(EACH):
        yield heading(rng.sample(words, min(len(words), 4)), rng)


def entries(record: dict[str, str], wordings: list[str], rng: random.Random) -> Iterator[str]:
    """A record's lines in one pass of the index: search words of its question and wordings, and two wordings whole."""
    asked = [record["instruction"], record["instruction"], *wordings]
    for words in [*(heading(search_words(text), rng) for text in asked), *rng.sample(wordings, min(2, len(wordings)))]:
        yield f"〔{record['domain']}〕{words} → {record['output'][:BEGINNING]}……"


def pages(facts: list[dict[str, str]], asks: dict[str, list[str]], rng: random.Random) -> Iterator[dict[str, str]]:
    """Index pages, the lines of all records in random order."""
    for _ in range(PASSES):
        lines = [line for record in facts for line in entries(record, asks[record["id"]], rng)]
        rng.shuffle(lines)
        for start in range(0, len(lines), LINES):
            yield {"text": "\n".join(lines[start : start + LINES]), "source": "index", "licence": "Apache-2.0"}


def cards(
    facts: list[dict[str, str]], asks: dict[str, list[str]] | None, rng: random.Random
) -> Iterator[dict[str, str]]:
    """Cards, record by record."""
    for record in facts:
        for words in headings(record, None if asks is None else asks[record["id"]], rng):
            text = f"〔{record['domain']}〕{words}\n{record['output']}"
            yield {"text": text, "source": record["id"], "licence": "Apache-2.0"}


def main(records: Path, target: Path, others: Path | None = None, form: str = "cards") -> None:
    """Write the cards or the index of every training record that states facts."""
    rng = random.Random(42)
    facts = [record for record in _rows(records) if record["kind"] in KINDS]
    asks = {row["id"]: row["ask"] for row in _rows(others)} if others else None
    made = pages(facts, asks or {}, rng) if form == "index" else cards(facts, asks, rng)
    target.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:4]), *sys.argv[4:5])
