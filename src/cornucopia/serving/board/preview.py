"""What the first records of the data look like to the model, the part that is learnt marked. Loads no weights."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record
from cornucopia.serving.board.uploads import told
from cornucopia.tokens.render import BAD, GOOD, Example
from cornucopia.tokens.spans import spans
from cornucopia.training.data.mixture import begun, opener
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.recipe import TrainRecipe

MOST = 5  # records
_CUT = {"": "", "prompt": "问题或材料已截短", "answer": "回答已截断（没有结束符）"}
_LONGEST = 20_000  # characters of an example


def preview(recipe: TrainRecipe, file: Path, name: str) -> list[dict[str, Any]]:
    """
    Args:
        recipe: base, template, objective and lengths.
        file: the data.
        name: what it is called before people.

    Returns:
        Of each of the first records where it stands, its sequences, and `problem` when it cannot be learnt. A sequence
        has what it is ('', chosen, rejected, good, bad), its tokens, how many are learnt, and its text in runs of
        [text, whether it is learnt].

    Raises:
        CornucopiaError: the model, the template or the file cannot be used.
    """
    from cornucopia.models.spec import resolve

    resolved = resolve(recipe.spec())
    objective = OBJECTIVES[recipe.objective](recipe, resolved.template, resolved.tokenizer)
    stream = opener(str(file), recipe.model_copy(update={"strict": False}), objective.rows)()
    records = list(islice((item for item in stream if isinstance(item, Record)), MOST))
    if not records:
        raise DataError(told(stream.nothing(), file, name))
    shown: list[dict[str, Any]] = []
    for record in records:
        where = record.origin.rpartition(":")[2]
        made: list[Example] | DataError = next(objective.examples([begun(record, recipe.system)]))
        if isinstance(made, DataError):
            shown.append({"line": where, "sequences": [], "problem": told(made, file, name)})
        else:
            sequences = [_told(*one, resolved.tokenizer) for example in made for one in _sequences(example)]
            shown.append({"line": where, "sequences": sequences, "problem": ""})
    return shown


def _sequences(example: Example) -> list[tuple[Example, str, str]]:
    """Each sequence of an example, what it is, and what was cut of it."""
    parts, cut = example.sequences(), _CUT[example.truncated]
    if len(parts) > 1:
        return [(part, kind, cut) for part, kind in zip(parts, ("chosen", "rejected"), strict=True)]
    kind = {GOOD: "good", BAD: "bad"}.get(example.labels[0] if example.labels else 0, "")
    return [(example, kind, cut)]


def _told(example: Example, kind: str, cut: str, tokenizer: Any) -> dict[str, Any]:
    runs, room = [], _LONGEST
    for text, learnt in spans(example, tokenizer):
        runs.append([text[:room], learnt])
        room -= len(text[:room])
    return {
        "kind": kind, "cut": cut, "tokens": len(example.input_ids), "learnt": example.supervised,
        "runs": [run for run in runs if run[0]],
    }  # fmt: skip
