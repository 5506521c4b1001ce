"""The big recipe on the public data beside the checkout: enough records, each with its licence; a part of it trains."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import build
from cornucopia.records.objectives import fits
from cornucopia.records.read import read_records
from cornucopia.records.rejects import Reject

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes/data/finance-20k.yaml"
EVALUATED = ("/test", "/val", "/Ant", "valid.txt", "/eval")  # what others evaluate on is no source


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.chdir(ROOT)
    return DataRecipe.load(RECIPE)


def test_no_source_is_what_others_evaluate_on(recipe):
    paths = [str(getattr(source.settings, "path", "")) for source in recipe.sources]
    assert not [path for path in paths if any(part in path for part in EVALUATED)]
    against = next(step for step in recipe.steps if step.name == "decontaminate").settings.against
    assert {"infer.json", "val", "Ant"} <= {path.name for path in against}
    mix = next(step for step in recipe.steps if step.name == "mix").settings
    assert mix.total >= 20_000


@pytest.mark.shared
def test_its_sources_hold_more_than_it_takes(recipe, tmp_path):
    counts, rejects = Counter(), 0
    for source in recipe.sources:
        for item in source.open().records(tmp_path, recipe.seed):
            if isinstance(item, Reject):
                rejects += 1
            else:
                counts[source.settings.name] += 1
                assert item.licence and item.domain and not fits(item, "sft"), item.id
    assert sum(counts.values()) >= 25_000 and min(counts.values()) >= 150, counts
    assert rejects <= 20


@pytest.mark.shared
def test_a_part_of_it_is_built_with_its_report_and_trains(recipe, tmp_path, small):
    from cornucopia.api import train

    for source in recipe.sources:
        source.settings.limit = 30
    next(step for step in recipe.steps if step.name == "mix").settings.total = 200
    against = next(step for step in recipe.steps if step.name == "decontaminate").settings
    against.against = [Path("instruction_data/infer.json")]
    recipe.output_dir, recipe.workers = str(tmp_path / "data"), 1
    build(recipe)
    data = tmp_path / "data" / "train.jsonl"
    rows = read_records(data, rejects=False, objective="sft").records
    assert len(rows) > 150 and {row.id.split(":")[0] for row in rows} == {one.settings.name for one in recipe.sources}
    report = (tmp_path / "data" / "report.html").read_text(encoding="utf-8")
    assert all(word in report for word in ("finre", "企业关系", "decontaminate"))
    settings = {"max_steps": 2, "batch_size": 4, "cutoff_len": 256, "report_to": [], "val_set_size": 0}
    train(base=str(small), data_path=[str(data)], output_dir=str(tmp_path / "adapter"), **settings)
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
