"""What a run was made of and what came out, as files beside the data.

manifest.json: the same bytes for the same input, however often a run was killed and by however many processes:

    recipe        seed, size of shards, sources, steps and output as resolved
    versions      of the project, Python and the libraries that write bytes
    sources       [{name, kind, version, records, rejects, inputs: [{path, sha256, bytes}]}] in the recipe's order
    stages        [{label, version, inputs, in, out, dropped: {rule: n}, changed: {rule: n}}]; the last is `output`,
                  which drops what the output format cannot hold
    outputs       [{path, split, records, bytes, sha256}]

timings.json: clock times of this run, and seconds of work by step over all runs.

report_data.json: everything the report draws, as reproducible as the manifest:

    sources       as in the manifest, without inputs
    stages        as in the manifest, and
                    name             of the stage in recipes
                    summary          its Chinese sentence
                    settings         as resolved
                    drop_examples    [{rule, detail, id, origin, text, answer}] up to 20 a rule, texts cut to 300
                    change_examples  [{rule, before, after}] up to 20 a rule
                    report           what the stage's `decide` left in its folder as report.json (clusters of
                                     duplicates, what was leaked ...), or null
    rejects       {count, examples: [{where, reason, raw}] up to 20}
    profile       of what was written: {records, documents,
                    characters: {question, answer, document: total},
                    counts: {domains, kinds, sources, licences, intakes, splits, turns: {name: records}},
                    lengths: {question, answer, document: [[lower edge of the bin in characters, records]]},
                    scores: {name: [[value to two digits, records]]}}
    outputs       as in the manifest
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.jsonl import write_json
from cornucopia.core.version import __version__
from cornucopia.factory.plan import Planned
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.samples import MOST
from cornucopia.factory.shards import REJECTS, Shards
from cornucopia.factory.sourcing import Sourced
from cornucopia.factory.tables import load
from cornucopia.factory.totals import Totals
from cornucopia.factory.work import OUTPUT, Pass


def write_manifest(
    folder: Path,
    recipe: DataRecipe,
    steps: Sequence[Planned],
    sources: Sequence[tuple[Sourced, dict[str, int]]],
    totals: Totals,
    outputs: list[dict[str, Any]],
) -> None:
    """Write manifest.json.

    Args:
        folder: the output folder.
        recipe, steps, totals, outputs: of the run.
        sources: each with its counts {records, rejects}.
    """
    made = [
        {"label": step.label, "version": step.version, "inputs": step.inputs, **totals.stages[step.label].counts()}
        for step in steps
    ]
    manifest = {
        "recipe": {
            "seed": recipe.seed,
            "shard_records": recipe.shard_records,
            "shard_kb": recipe.shard_kb,
            "sources": [part.to_dict() for part in recipe.sources],
            "steps": [part.to_dict() for part in recipe.steps],
            "output": recipe.output.model_dump(mode="json"),
        },
        "versions": _versions(),
        "sources": [{**_source(source), **counts, "inputs": source.inputs} for source, counts in sources],
        "stages": [*made, {"label": OUTPUT, **totals.stages[OUTPUT].counts()}],
        "outputs": outputs,
    }
    write_json(folder / "manifest.json", manifest)


def write_report_data(
    folder: Path,
    steps: Sequence[Planned],
    passes: Sequence[Pass],
    sources: Sequence[tuple[Sourced, dict[str, int]]],
    totals: Totals,
    outputs: list[dict[str, Any]],
    rejects: Sequence[tuple[Shards, int]],
) -> None:
    """Write report_data.json.

    Args:
        folder, steps, sources, totals, outputs: as for the manifest.
        passes: for the folders of the steps.
        rejects: shards that hold bad rows, and their number.
    """
    homes = {step.label: step.folder for one in passes for step in one.steps}
    stages = [_stage(step, homes[step.label], totals) for step in steps]
    data = {
        "sources": [{**_source(source), **counts} for source, counts in sources],
        "stages": [*stages, {"label": OUTPUT, "name": OUTPUT, **totals.stages[OUTPUT].to_dict()}],
        "rejects": {"count": sum(counts["rejects"] for _, counts in sources), "examples": _reject_examples(rejects)},
        "profile": totals.profile.to_dict(),
        "outputs": outputs,
    }
    write_json(folder / "report_data.json", data)


def _source(source: Sourced) -> dict[str, Any]:
    return {"name": source.part.settings.name, "kind": source.part.name, "version": load(source.part.target).version}


def _stage(step: Planned, home: Path, totals: Totals) -> dict[str, Any]:
    report = home / "report.json"
    return {
        "label": step.label,
        "name": step.part.name,
        "summary": load(step.part.target).summary,
        "settings": step.part.settings.model_dump(mode="json"),
        **totals.stages[step.label].to_dict(),
        "report": json.loads(report.read_bytes()) if report.is_file() else None,
    }


def _versions() -> dict[str, str]:
    """What the result may depend on, beyond the versions of the stages."""
    import numpy
    import orjson

    found = {"cornucopia": __version__, "python": platform.python_version()}
    return found | {"numpy": numpy.__version__, "orjson": orjson.__version__}


def _reject_examples(shards: Sequence[tuple[Shards, int]]) -> list[dict[str, str]]:
    """The first bad rows."""
    rows: list[dict[str, str]] = []
    for folder, count in shards:
        for number in range(count):
            for line in folder.lines(number, REJECTS):
                rows.append({key: text[:300] for key, text in json.loads(line).items()})
                if len(rows) == MOST:
                    return rows
    return rows
