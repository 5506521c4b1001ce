"""Drafts of dialogues become rows that keep the rules, and rows are brought up to date."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.sources.document import Document, Page
from cornucopia.sources.handbook import articles

ROOT = Path(__file__).resolve().parents[2]
TEXTS = {
    "loan/99-made-up": Document(
        id="loan/99-made-up", title="提前还款",
        pages=(Page(0, "提前还款须提前10个工作日申请。满一年不收违约金。各行另有规定。"),),
        source="《甲银行贷款办法》（2026年）", media="md", as_of="2026-11",
    )
}  # fmt: skip
LOAN = {"principal": "100万", "rate": "3%", "months": "30年"}


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("dialogue_drafts", ROOT / "recipes" / "data" / "dialogues.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draft(*turns, **fields):
    return {"id": "dlg-loan-001", "turns": [{"user": "贷款100万，怎么还？"}, *turns], **fields}


def test_calls_are_run_and_their_results_stand_where_they_are_named(recipe):
    calls = [{"equal_payment": dict(LOAN)}, {"search": "提前还款", "hits": {"loan/99-made-up": "提前……违约金。"}}]
    row = recipe.Draft(
        draft({"bot": "我算一下。", "call": calls}, {"bot": "月供<<月供>>，<<1:总利息>>。"}), TEXTS
    ).row()
    asks, first, second, told = row["messages"][1:]
    assert [call["function"]["name"] for call in asks["tool_calls"]] == ["equal_payment", "search_handbook"]
    assert first["content"].startswith("月供：4216.04元") and told["content"] == "月供4216.04元，517774.52元。"
    assert second["content"].endswith("提前还款须提前10个工作日申请。满一年不收违约金。")
    assert row["evidence"] == [{"document": "loan/99-made-up", "quote": second["content"].partition("\n")[2]}]
    assert row["as_of"] == "2026-11" and len(row["tools"]) > 2


def test_an_input_named_on_is_no_yes(recipe):
    stock = {"price_limit": {"close": 6.2, True: "2026-11-27"}}  # as YAML reads `on: 2026-11-27`
    row = recipe.Draft(draft({"call": [stock]}, {"bot": "<<涨停价>>"}), TEXTS).row()
    assert json.loads(row["messages"][1]["tool_calls"][0]["function"]["arguments"])["on"] == "2026-11-27"


@pytest.mark.parametrize(
    "wrong",
    [
        draft({"bot": "好"}, cite={"loan/99-made-up": "没有这句话。"}),
        draft({"bot": "好"}, cite={"loan/none": "提前还款"}),
        draft({"bot": "月供<<月供>>"}),
    ],
)
def test_a_draft_that_says_what_is_not_there_is_refused(recipe, wrong):
    with pytest.raises(DataError, match="dlg-loan-001"):
        recipe.Draft(wrong, TEXTS).row()


def test_the_bundled_rows_are_up_to_date(recipe):
    texts = {article.id: article for article in articles(ROOT / "handbook")}
    rows = list(read_jsonl(ROOT / "instruction_data" / "dialogues" / "loan.jsonl"))
    assert [recipe.refreshed(json.loads(json.dumps(row)), texts) for row in rows] == rows


def test_a_stale_result_is_calculated_again(recipe):
    row = recipe.Draft(draft({"call": [{"equal_payment": dict(LOAN)}]}, {"bot": "<<月供>>"}), TEXTS).row()
    fresh = json.loads(json.dumps(row))
    row["messages"][2]["content"], row["tools"] = "月供：1元", row["tools"][:1]
    assert recipe.refreshed(row, TEXTS)["messages"] == fresh["messages"]
