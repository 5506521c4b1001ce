"""The recipes that docs/task-sets.md shows, run on small files of their kind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from cornucopia.factory.recipe import DataRecipe
from cornucopia.records.rejects import Reject

DOCS = Path(__file__).resolve().parents[3] / "docs" / "task-sets.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
FILES = {
    "mood.csv": "文本,标签\n大涨,2\n",
    "links.txt": "甲\t乙\t持股\t甲持有乙<N>%的股份\n",
    "odd.jsonl": json.dumps({"题面": "选？", "选项A": "一", "选项B": "二", "标准答案": "B"}, ensure_ascii=False) + "\n",
    "graph.csv": "头实体,关系,尾实体\n甲,股东,乙\n乙,所属行业,银行\n",
}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_recipe_of_the_page_gives_records(tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    Path("recipe.yaml").write_text(BLOCKS[number], encoding="utf-8")
    recipe = DataRecipe.load("recipe.yaml")
    assert recipe.sources or recipe.steps
    for source in recipe.sources:
        items = list(source.open().records(tmp_path, 1))
        assert items and not any(isinstance(item, Reject) for item in items)
        assert all(item.id.startswith(f"{source.settings.name}:") for item in items)


def test_the_page_names_every_task_and_no_other():
    from cornucopia.sources.task_templates import bundled_tasks

    text = DOCS.read_text(encoding="utf-8")
    rows = text[text.index("| `task` |") : text.index("列名常见的写法")]
    named = {
        name
        for row in rows.splitlines()[2:]
        for name in re.findall(r"`([\w-]+)`", row.split("|")[1] if "|" in row else "")
    }
    assert named == set(bundled_tasks())
    assert all(isinstance(yaml.safe_load(block), dict) for block in BLOCKS)
