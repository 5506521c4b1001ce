"""A recipe in, a finished comparison out, with its files: answers.jsonl, answers.md, report.html, and judges' words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cornucopia.comparison.cells import Comparison
from cornucopia.comparison.judging.items import from_rows
from cornucopia.comparison.judging.outcome import Judgement, judge_answers
from cornucopia.comparison.judging.page import markdown as markdown_judgement
from cornucopia.comparison.judging.page import write_page
from cornucopia.comparison.judging.settings import JudgeSettings
from cornucopia.comparison.recipe import CompareRecipe, check
from cornucopia.comparison.report import write_report
from cornucopia.comparison.run import compare
from cornucopia.comparison.summary import Summary, summarise
from cornucopia.comparison.table import markdown, markdown_scores
from cornucopia.core.jsonl import write_text
from cornucopia.inference.paid.consent import refuse_unattended
from cornucopia.records.read import read_records


def compare_files(
    recipe: CompareRecipe, *, allow_key: Sequence[str] = ()
) -> tuple[Comparison, Summary, Judgement | None]:
    """Ask every contestant every question of the recipe's file, have judges judge if it names any, and write it all.

    Args:
        recipe: contestants, questions, sampling, judges, output folder.
        allow_key: see `comparison.run.compare`.

    Raises:
        CornucopiaError: a wrong recipe, questions that cannot be read, an output folder that cannot be written, a
            judge that cannot be reached; the answers and their report are written before judges are asked.
    """
    settings = judge_settings(check(recipe))
    comparison = compare(recipe, read_records(recipe.questions).records, allow_key=allow_key)
    summary = summarise(comparison)
    _write(comparison, summary, None)
    if settings is None:
        return comparison, summary, None
    answered = from_rows(comparison.rows(), recipe.output_dir)
    judgement = judge_answers(settings, answered, recipe.output_dir, allow_key)
    write_page(recipe.output_dir, judgement, recipe.title)
    _write(comparison, summary, judgement)
    return comparison, summary, judgement


def judge_settings(recipe: CompareRecipe) -> JudgeSettings | None:
    """The judges that a recipe names, None where there are none.

    Raises:
        ConfigError: a wrong setting, or a judge that may cost something which nobody has agreed to or can agree to.
    """
    if not recipe.judge:
        return None
    values = {"baseline": recipe.baseline, **recipe.judging, "judge": recipe.judge}
    settings = JudgeSettings.build(values, where="judging")
    for name, judge in settings.judges().items():
        refuse_unattended(judge, f"评委 {name}", unattended="--judging.yes true")
    return settings


def _write(comparison: Comparison, summary: Summary, judgement: Judgement | None) -> None:
    folder = Path(comparison.recipe.output_dir)
    scores, answers = markdown_scores(comparison, summary), markdown(comparison)
    judged = markdown_judgement(judgement) if judgement else ""
    write_text(folder / "answers.md", f"{scores}{judged}## 回答\n\n{answers}" if scores or judged else answers)
    write_report(folder / "report.html", comparison, summary, judgement=judgement)
