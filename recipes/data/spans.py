"""Write into bundled records where the handbook carries their answer: the `span` field, and nothing else.

Usage: PYTHONPATH=src python recipes/data/spans.py handbook instruction_data/fin_data.json instruction_data/infer.json
Run it again after an article or an answer has changed. A record keeps no span where no article carries its answer:
one that names no article (`article`) needs a stretch with all facts, or many words, of its answer.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from cornucopia.core.jsonl import read_jsonl, write_text
from cornucopia.records.grounding import check_answer
from cornucopia.records.locate import locate
from cornucopia.sources.handbook import articles, cite

KINDS = {"qa", "conduct", "multi-turn", "paraphrase", "unseen"}  # the others stand on a calculator or their own input
LEAST_OWN, LEAST_FACTS, LEAST_WORDS = 0.1, 0.15, 0.3  # share of the answer's words


def pairs(text: str) -> set[str]:
    """Neighbouring characters."""
    return {text[i : i + 2] for i in range(len(text) - 1)}


class Search:
    """The article nearest to a question and answer, by their rare pairs of characters."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._pairs = {name: pairs(text) for name, text in texts.items()}
        counts = Counter(pair for held in self._pairs.values() for pair in held)
        self._rarity = {pair: math.log((1 + len(texts)) / count) for pair, count in counts.items()}

    def nearest(self, text: str) -> str:
        """Name of the article."""
        wanted = pairs(text)
        return max(self._pairs, key=lambda name: sum(self._rarity[pair] for pair in wanted & self._pairs[name]))


def span_of(row: dict[str, Any], texts: dict[str, str], search: Search) -> str:
    """The citation, or ''."""
    if row["kind"] not in KINDS:
        return ""
    asked, answer = row["instruction"], row["output"]
    own = row.get("article")
    said = "".join(question for question, _ in row.get("history", ()))
    name = own or search.nearest(f"{said}{asked}{answer}")
    found = locate(answer, texts[name], question=asked)
    if found is None:
        return ""
    grounding = check_answer(answer, "\n".join(found.quotes(texts[name])), question=f"{said}\n{asked}")
    carried = found.words >= LEAST_WORDS or (
        bool(grounding.found) and found.words >= (LEAST_OWN if own else LEAST_FACTS) and (own or grounding.holds)
    )
    return cite(name, found.spans) if carried or (own and found.words >= LEAST_OWN) else ""


def placed(row: dict[str, Any], span: str) -> dict[str, Any]:
    """The row with its span after its source."""
    fields: dict[str, Any] = {}
    for key, value in row.items():
        if key != "span":
            fields[key] = value
        if key == "source" and span:
            fields["span"] = span
    return fields


def main(folder: Path, files: list[Path]) -> None:
    """Rewrite the files."""
    texts = {article.id: article.text for article in articles(folder)}
    search = Search(texts)
    for file in files:
        rows = [placed(row, span_of(row, texts, search)) for row in read_jsonl(file)]
        write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        print(f"{file}: {sum('span' in row for row in rows)} of {len(rows)} records with a span")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(word) for word in sys.argv[2:]])
