"""Recipe -> passes: which steps are done in one going-through of a shard, and where the result of each is kept.

Steps that look at records one by one are done together, and so is the survey of the next step that must know all of
them: JSON is parsed and written once a pass. The folder of a pass is named after everything that its result depends
on, so that a changed setting re-does that pass and those after it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.factory.inputs import Fingerprints, key_of
from cornucopia.factory.recipe import DataRecipe, Part
from cornucopia.factory.work import Pass, Step
from cornucopia.records.stage import Stage


@dataclass
class _Draft:
    """A pass before it has a place: numbers of its steps in the recipe."""

    steps: list[int] = field(default_factory=list)
    survey: int | None = None
    local: bool = False
    output: bool = False


@dataclass(frozen=True)
class Planned:
    """A step of the recipe.

    Args:
        label: its number and name, unique.
        part: what the recipe says.
        version: of the stage.
        inputs: files that it depends on, with fingerprints.
    """

    label: str
    part: Part
    version: int
    inputs: list[dict[str, Any]]

    def identity(self) -> list[Any]:
        """What its result depends on, beyond the records."""
        settings = self.part.settings.model_dump(mode="json")
        return [self.part.name, self.version, settings, [row["sha256"] for row in self.inputs]]


def plan_steps(recipe: DataRecipe, fingerprints: Fingerprints) -> list[Planned]:
    """The recipe's steps, each with what it depends on."""
    planned = []
    for number, part in enumerate(recipe.steps, 1):
        stage: Stage = part.open()
        planned.append(Planned(f"{number}-{part.name}", part, stage.version, fingerprints.of(stage.inputs())))
    return planned


def plan_passes(recipe: DataRecipe, steps: list[Planned], source_key: str, folder: Path) -> list[Pass]:
    """The passes in their order.

    Args:
        recipe, steps: what to do.
        source_key: of all that the records come from.
        folder: in which each pass and each step gets its own.
    """
    key, passes = key_of(source_key, recipe.seed), []
    homes: dict[int, Path] = {}
    for number, draft in enumerate(_drafts(steps)):
        surveyed = steps[draft.survey] if draft.survey is not None else None
        output = recipe.output.model_dump_json() if draft.output else ""
        own = [steps[index].identity() for index in draft.steps]
        key = key_of(key, own, surveyed.identity() if surveyed else None, output)
        for index in [*draft.steps, *([draft.survey] if draft.survey is not None else [])]:
            homes.setdefault(index, folder / _home(steps, index, key))
        made = [_step(steps[index], homes[index]) for index in draft.steps]
        survey = _step(surveyed, homes[draft.survey]) if surveyed and draft.survey is not None else None
        place = folder / f"pass-{number}-{key}"
        passes.append(Pass(place, tuple(made), survey, output, draft.local, recipe.seed))
    return passes


def _drafts(steps: list[Planned]) -> list[_Draft]:
    """A step that surveys ends a pass and begins the next; one that asks a model has a pass of its own, so that what
    was paid for is kept whatever changes round it."""
    drafts = [_Draft()]
    for index, step in enumerate(steps):
        stage: Any = type(step.part.open())
        if stage.surveys:
            if stage.local and drafts[-1].steps:
                drafts.append(_Draft())
            drafts[-1].survey, drafts[-1].local = index, drafts[-1].local or stage.local
            drafts.append(_Draft([index], local=stage.local))
        elif stage.local:
            drafts[-1:] = [*([drafts[-1]] if drafts[-1].steps else []), _Draft([index], local=True)]
        else:
            drafts[-1].steps.append(index)
        if stage.local:
            drafts.append(_Draft())
    drafts[-1].output = True
    return drafts


def _home(steps: list[Planned], index: int, key: str) -> str:
    """The folder of a step: a step that asks a model keeps its answers when settings change."""
    name = steps[index].part.name
    if not type(steps[index].part.open()).local:
        return f"step-{steps[index].label}-{key}"
    earlier = sum(step.part.name == name for step in steps[:index])
    return f"step-{name}{f'-{earlier + 1}' if earlier else ''}"


def _step(planned: Planned, home: Path) -> Step:
    return Step(planned.label, planned.part.target, planned.part.settings.model_dump_json(), home)
