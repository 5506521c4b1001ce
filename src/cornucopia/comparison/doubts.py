"""Where an answer seems to contradict what is known: the golden answer, a calculator, or the handbook.

Only what is plain is told, and only as a suspicion: a number where another of the same unit was wanted and not said
(finance/score.py), or one that follows the very words which, in the cited stretch of the handbook, another follows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.core.paths import project_root
from cornucopia.finance.check import any_close, labelled
from cornucopia.finance.numbers import read_numbers
from cornucopia.finance.score import NumberScore, score_numbers
from cornucopia.sources.document import Document
from cornucopia.sources.handbook import read_article, read_citation

GOLDEN, CALCULATOR, HANDBOOK = "参考答案", "计算器", "手册"


@dataclass(frozen=True)
class Doubt:
    """One number of an answer that is suspected.

    Args:
        by: GOLDEN, CALCULATOR or HANDBOOK.
        span: where in the answer, as (start, end).
        said, wanted: the number, and what stands against it, as text.
        source: where that is from.
    """

    by: str
    span: tuple[int, int]
    said: str
    wanted: str
    source: str = ""

    @property
    def text(self) -> str:
        """For a reader."""
        source = f"（{self.source}）" if self.source else ""
        return f"疑似说错：{self.said}，{self.by}{source}是 {self.wanted}"


def answered(cell: dict[str, Any]) -> bool:
    """Whether a cell has an answer."""
    return "answer" in cell and not cell.get("error")


def number_score(cell: dict[str, Any]) -> NumberScore | None:
    """What became of the answer's numbers (see finance/score.py); None when there is nothing to judge them by."""
    calculator, inputs = cell.get("calculator"), cell.get("inputs")
    made = isinstance(calculator, str) and isinstance(inputs, dict)
    if not answered(cell) or not (cell.get("golden") or made):
        return None
    given = "\n".join(cell[key] for key in ("history", "material") if cell.get(key))
    how = (calculator, json.dumps(inputs, ensure_ascii=False, default=str)) if made else (None, "null")
    return _score(cell["answer"], cell.get("question", ""), cell.get("golden", ""), given, *how)


@lru_cache(maxsize=4096)
def _score(answer: str, question: str, golden: str, given: str, calculator: str | None, inputs: str) -> NumberScore:
    return score_numbers(
        answer, question=question, golden=golden, given=given, calculator=calculator, inputs=json.loads(inputs)
    )


def doubts(cell: dict[str, Any]) -> list[Doubt] | None:
    """What is suspected in an answer, each number once; None when there is nothing to hold its numbers against."""
    score, fact = number_score(cell), cited(cell.get("span", "")) if answered(cell) else None
    if (score is None or score.share is None) and fact is None:
        return None
    found: dict[tuple[int, int], Doubt] = {}
    if score:
        by = CALCULATOR if score.by_calculator else GOLDEN
        source = f"{cell['calculator']}" if score.by_calculator and cell.get("calculator") else ""
        for one in score.contradictions:
            found[one.span] = Doubt(by, one.span, cell["answer"][slice(*one.span)], one.wanted, source)
    for doubt in _against(fact, cell) if fact else ():
        found.setdefault(doubt.span, doubt)
    return [found[span] for span in sorted(found)]


def _against(fact: tuple[str, str], cell: dict[str, Any]) -> list[Doubt]:
    """Numbers after words that another number follows in the fact, and that neither it nor the question knows."""
    text, source = fact
    known = [n for key in ("question", "material", "history", "golden") for n in read_numbers(cell.get(key) or "")]
    known += read_numbers(text)
    theirs = labelled(text)
    return [
        Doubt(HANDBOOK, n.span, cell["answer"][slice(*n.span)], text[slice(*theirs[key][0].span)], source)
        for key, numbers in labelled(cell["answer"]).items()
        if key in theirs and key[1] not in ("none", "日期")
        for n in numbers
        if not any_close(n, theirs[key]) and not any_close(n, [one for one in known if one.unit == n.unit])
    ]


def cited(span: str) -> tuple[str, str] | None:
    """The stretches of the handbook that a record's span names, and where they are from; None where it names none."""
    citation = read_citation(span or "")
    article = _article(citation[0]) if citation else None
    if citation is None or article is None:
        return None
    text = "\n".join(article.pages[0].text[start:end] for start, end in citation[1])
    return text, f"《{article.title}》，截至 {article.as_of}"


@lru_cache(maxsize=256)
def _article(name: str) -> Document | None:
    folder = (project_root() / "handbook").resolve()
    path = folder / f"{name}.md"
    try:
        return read_article(path, folder) if folder in path.resolve().parents and path.exists() else None
    except (DataError, OSError):
        return None
