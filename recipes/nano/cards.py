"""Index cards of the facts that customers ask about, as {"text"} lines: a line of search words, then the answer.

Usage: python recipes/nano/cards.py instruction_data/fin_data.json CARDS.jsonl

The search words are pieces of the record's question in random order, some left out, so that no card holds a question
and no two cards of a record are alike. Only training records become cards; held-out questions never do.
"""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

KINDS = ("qa", "conduct", "multi-turn")
CARDS = 8  # of each record
KEEP = 0.75  # chance of each search word
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


def cards(record: dict[str, str], rng: random.Random) -> Iterator[dict[str, str]]:
    """The cards of one record."""
    words = search_words(record["instruction"])
    for _ in range(CARDS):
        text = f"〔{record['domain']}〕{heading(words, rng)}\n{record['output']}"
        yield {"text": text, "source": record["id"], "licence": "Apache-2.0"}


def main(records: Path, target: Path) -> None:
    """Write the cards of every training record that states facts."""
    rng = random.Random(42)
    rows = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines() if line.strip()]
    made = (card for record in rows if record["kind"] in KINDS for card in cards(record, rng))
    target.write_text("".join(json.dumps(card, ensure_ascii=False) + "\n" for card in made), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
