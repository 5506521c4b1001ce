"""An earlier step may leave no record at all: every step after it goes through, and the run ends well."""

from __future__ import annotations

import json

import pytest

from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import build
from cornucopia.factory.tables import STAGES, load

OFFLINE = [name for name, target in STAGES.items() if not load(target).local]


@pytest.mark.parametrize("step", OFFLINE)
def test_a_step_after_one_that_dropped_everything(tmp_path, step):
    data = tmp_path / "a.jsonl"
    rows = [{"instruction": f"第{n}类客户的等待期一共是多少天？", "output": f"一共{n}天。"} for n in range(3)]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "decisions.jsonl").write_text("", encoding="utf-8")
    needs = {
        "select": {"budget": 5},
        "decontaminate": {"against": [str(data)]},
        "reviewed": {"decisions": str(tmp_path / "decisions.jsonl")},
    }
    recipe = DataRecipe.build(
        {
            "output_dir": str(tmp_path / "out"),
            "sources": [{"kind": "records", "path": str(data)}],
            "steps": [{"decontaminate": needs["decontaminate"]}, {step: needs.get(step, {})}],
            "workers": 1,
        }
    )
    build(recipe)
    told = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert (tmp_path / "out" / "train.jsonl").read_bytes() == b""
    assert len((tmp_path / "out" / "dropped.jsonl").read_bytes().splitlines()) == len(rows)
    assert [stage["out"] for stage in told["stages"]][-1] == 0
