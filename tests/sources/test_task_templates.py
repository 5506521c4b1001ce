"""Task templates: whole, with enough ways of asking, and errors that say what is wrong."""

from __future__ import annotations

import pytest

from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.sources.task_templates import LEAST_ASKS, bundled_tasks, fill, task_template

ASKS = [f"第{number}种问法：{{text}}" for number in range(LEAST_ASKS)]


def test_what_the_project_promises_is_there():
    assert {"sentiment", "summary", "relation", "event", "event-qa", "entity", "reading", "classification"} <= set(
        bundled_tasks()
    )
    for name in bundled_tasks():
        template = task_template(name)
        asks = [ask.text for ask in template.asks]
        assert len(set(asks)) == len(asks) >= LEAST_ASKS, name
        assert template.summary.strip() and template.forms, name


def test_no_two_tasks_share_a_way_of_asking():
    asked = [ask.text for name in bundled_tasks() for ask in task_template(name).asks if len(ask.text) > 14]
    assert len(set(asked)) == len(asked)


def written(tmp_path, **changes):
    import yaml

    values = {
        "summary": "试",
        "fields": {"text": ["text"], "label": ["label"]},
        "asks": ASKS,
        "forms": {"word": {"answer": ["{label}"]}},
    }
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}, allow_unicode=True), encoding="utf-8")
    return str(path)


def test_a_users_own_file_is_a_task(tmp_path):
    assert task_template(written(tmp_path)).summary == "试"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"asks": ASKS[:5]}, "问法只有 5 种"),
        ({"material": "body"}, "没有定义的字段 body"),
        ({"forms": {"word": {"answer": ["{lable}"]}}}, "没有定义的字段 lable"),
        ({"forms": {"word": {}}}, "answer 或 keys"),
        ({"askes": ASKS}, "最接近的是 asks"),
    ],
)
def test_a_fault_of_a_template_is_named(tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told):
        task_template(written(tmp_path, **changes))


def test_an_unknown_task_names_its_neighbour():
    with pytest.raises(UsageError, match="sentiment"):
        task_template("sentimnet")


def test_only_known_fields_are_filled():
    assert fill("{a}<N>{b}{{a}}", {"a": "{b}"}) == "{b}<N>{b}{{b}}"
