"""A recipe in, a finished comparison out, with its files: answers.jsonl, answers.md, report.html."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cornucopia.comparison.cells import Comparison
from cornucopia.comparison.recipe import CompareRecipe, check
from cornucopia.comparison.report import write_report
from cornucopia.comparison.run import compare
from cornucopia.comparison.summary import Summary, summarise
from cornucopia.comparison.table import markdown, markdown_scores
from cornucopia.core.jsonl import write_text
from cornucopia.records.read import read_records


def compare_files(recipe: CompareRecipe, *, allow_key: Sequence[str] = ()) -> tuple[Comparison, Summary]:
    """Ask every contestant every question of the recipe's file, and write tables and report to its output folder.

    Args:
        recipe: contestants, questions, sampling, output folder.
        allow_key: see `comparison.run.compare`.

    Raises:
        CornucopiaError: a wrong recipe, questions that cannot be read, an output folder that cannot be written.
    """
    comparison = compare(check(recipe), read_records(recipe.questions).records, allow_key=allow_key)
    summary = summarise(comparison)
    folder = Path(recipe.output_dir)
    scores = markdown_scores(comparison, summary)
    write_text(folder / "answers.md", f"{scores}## 回答\n\n{markdown(comparison)}" if scores else markdown(comparison))
    write_report(folder / "report.html", comparison, summary)
    return comparison, summary
