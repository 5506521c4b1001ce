"""The same stages on Ray give the same bytes, also when a worker is killed."""

from __future__ import annotations

import json
import os

import pytest

from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import build
from factory_stages import register

pytest.importorskip("ray", reason='Ray is not installed: pip install -e ".[ray]"')


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """120 questions in a dozen shards; the stage `bad` kills its process once."""
    register(monkeypatch)
    monkeypatch.setenv("TEST_MAIN_PID", str(os.getpid()))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    data = tmp_path / "qa.jsonl"
    rows = [{"instruction": f"第{n % 100}个问题怎么办？", "output": "先看合同。" * (n % 5 + 1)} for n in range(120)]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")

    def make(out, engine):
        bad = {"bad": {"word": "第60个", "how": "die", "flag": str(tmp_path / f"died-{engine}")}}
        source = {"kind": "records", "path": str(data), "name": "qa"}
        values = {"output_dir": str(tmp_path / out), "sources": [source], "steps": [bad, "once", "ask_model", "part"]}
        return DataRecipe.build({**values, "engine": engine, "workers": 2, "shard_kb": 1})

    return make


def files(folder):
    names = ("train.jsonl", "valid.jsonl", "dropped.jsonl")
    made = {name: (folder / name).read_bytes() for name in names}
    stages = json.loads((folder / "manifest.json").read_bytes())["stages"]
    return made | {"counts": [(stage["label"], stage["in"], stage["out"]) for stage in stages]}


def test_ray_gives_the_same_bytes_with_a_worker_killed(tmp_path, recipe):
    (tmp_path / "died-processes").touch()
    build(recipe("here", "processes"))
    build(recipe("there", "ray"))
    assert (tmp_path / "died-ray").exists()
    assert files(tmp_path / "there") == files(tmp_path / "here")
