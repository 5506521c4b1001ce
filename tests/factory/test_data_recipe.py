"""What a data recipe may say, and what it is told when it says something else."""

from __future__ import annotations

import pytest

from cornucopia.core.errors import CornucopiaError
from cornucopia.factory.recipe import DataRecipe
from factory_stages import register

SOURCE = {"kind": "records", "path": "a.jsonl"}


@pytest.fixture(autouse=True)
def stages(monkeypatch):
    register(monkeypatch)


@pytest.mark.parametrize("values, told", [
    ({"sources": [{"kind": "record", "path": "a"}]}, "最接近的是 records"),
    ({"sources": [{"kind": "records", "pth": "a"}]}, "pth 最接近的是 path"),
    ({"sources": [{"path": "a"}]}, "kind"),
    ({"sources": [{**SOURCE, "name": "a/b"}]}, "名字里不能有"),
    ({"sources": [{**SOURCE, "name": "a"}, {**SOURCE, "name": "a"}]}, "同名"),
    ({"sources": [{**SOURCE, "weight": 2}]}, "mix"),
    ({"steps": ["trimm"]}, "最接近的是 trim"),
    ({"steps": [{"trim": {"longst": 1}}]}, "longst 最接近的是 longest"),
    ({"steps": [{"trim": {"longest": "很"}}]}, "应为整数"),
    ({"steps": [{"trim": {}, "once": {}}]}, "步骤写法有误"),
    ({"steps": [{"trim": [1]}]}, "键: 值"), ({"steps": [["trim"]]}, "步骤写法有误"), ({"steps": [3]}, "步骤写法有误"),
    ({"output": {"format": "openia"}}, "output.format"), ({"engine": "threads"}, "engine"), ({"outputs": {}}, "output"),
])  # fmt: skip
def test_what_is_wrong_is_named(values, told):
    with pytest.raises(CornucopiaError) as caught:
        DataRecipe.build(values)
    assert told in str(caught.value)


def test_short_forms_and_names():
    recipe = DataRecipe.build({"sources": ["a.jsonl", {**SOURCE, "name": "b"}], "steps": ["once", {"trim": None}]})
    assert [part.settings.name for part in recipe.sources] == ["records1", "b"]
    assert [part.name for part in recipe.steps] == ["once", "trim"] and recipe.output.format == "openai"


def test_weights_of_sources_reach_the_mix():
    sources = [{**SOURCE, "name": "a", "weight": 2}, {**SOURCE, "name": "b", "weight": 3}]
    recipe = DataRecipe.build({"sources": sources, "steps": [{"mix": {"by": "source", "weights": {"b": 0.5}}}]})
    assert recipe.steps[0].settings.weights == {"a": 2, "b": 0.5}


def test_paths_are_looked_for_beside_the_recipe_too(tmp_path, monkeypatch):
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "a.jsonl").touch()
    (folder / "words.txt").touch()
    (tmp_path / "words.txt").touch()
    path = folder / "r.yaml"
    path.write_text(
        "sources: [{kind: records, path: a.jsonl}]\nsteps: [{trim: {words: words.txt}}]\n", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    recipe = DataRecipe.load(path, {"output.compress": "gz", "steps.trim.longest": "7", "sources.records.name": "own"})
    assert recipe.sources[0].settings.path == folder / "a.jsonl" and recipe.sources[0].settings.name == "own"
    assert str(recipe.steps[0].settings.words) == "words.txt" and recipe.steps[0].settings.longest == 7
    assert recipe.output.compress == "gz"
