"""Problems from the calculators: right, never held out, as answers and as tool calls."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import UsageError
from cornucopia.core.paths import project_root
from cornucopia.factory.intake.calculations import Calculations, CalculationsConfig
from cornucopia.finance.calculator import find
from cornucopia.finance.check import check_numbers
from cornucopia.finance.problems import _stripped, read_question
from cornucopia.finance.tools import find_tool
from cornucopia.records.objectives import fits
from cornucopia.records.read import read_records


def made(tmp_path, seed=1, **config):
    return list(Calculations(CalculationsConfig(**config)).records(tmp_path, seed))


def test_every_answer_is_what_the_calculator_says(tmp_path):
    for record in made(tmp_path, count=60):
        calculator = find(record.extra["calculator"])
        result = calculator.run(**record.extra["inputs"])
        verdict = check_numbers(
            record.question, record.golden, calculator=calculator.name, inputs=record.extra["inputs"]
        )
        assert verdict.right, (record.id, verdict.explanation)
        assert record.source == result.source and not fits(record, "sft")


def test_questions_and_calculations_are_new_and_never_held_out(tmp_path):
    first = made(tmp_path, count=30, kinds=["贷款"])
    rows = [{"question": record.question, "answer": record.golden, **record.extra} for record in first[:10]]
    path = tmp_path / "held.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    again = made(tmp_path, count=30, kinds=["贷款"], held_out=str(path))
    assert not {record.question for record in first[:10]} & {record.question for record in again}
    kept = [json.dumps(record.extra, ensure_ascii=False, sort_keys=True) for record in first[:10]]
    assert not set(kept) & {json.dumps(record.extra, ensure_ascii=False, sort_keys=True) for record in again}
    assert len({record.question for record in again}) == len({record.id for record in again}) == 30


def test_no_bundled_held_out_problem_is_made(tmp_path):
    held = read_records(project_root() / "instruction_data" / "infer.json", rejects=False).records
    asked = {record.question for record in held}
    assert not asked & {record.question for record in made(tmp_path, count=300)}


def test_a_tool_call_is_one_that_the_tool_takes(tmp_path):
    records = made(tmp_path, count=40, tool_calls=1.0, offered=4)
    for record in records:
        asked, call, result, answer = record.messages
        (one,) = call.tool_calls
        tool = find_tool(one.name)
        assert (asked.role, call.role, result.role, answer.role) == ("user", "assistant", "tool", "assistant")
        assert result.tool_call_id == one.id and result.content == tool.call(one.arguments).text
        assert "错误" not in result.content and answer.content
        names = [offered["function"]["name"] for offered in record.tools]
        assert len(set(names)) == 4 and one.name in names


def test_kinds_seed_and_results_alone(tmp_path):
    loans = made(tmp_path, count=20, kinds=["等额本息"], steps=False)
    assert {record.extra["calculator"] for record in loans} == {"等额本息"}
    assert all(len(record.golden) < 60 and "元" in record.golden for record in loans)
    assert made(tmp_path, count=20, seed=5) == made(tmp_path, count=20, seed=5) != made(tmp_path, count=20, seed=6)
    with pytest.raises(UsageError, match="最接近的是 等额本"):
        made(tmp_path, kinds=["等额本夕"])


def test_a_calculator_without_new_problems_ends_before_the_count(tmp_path, monkeypatch):
    import cornucopia.factory.intake.calculations as module

    monkeypatch.setattr(module, "_PATIENCE", 3)
    problem = module.one_problem(module.phrasings()[0], module.Random(0))
    monkeypatch.setattr(module, "one_problem", lambda phrasing, random: problem)
    assert len(made(tmp_path, count=10, kinds=[problem.calculator])) == 1


def test_kept_phrasings_are_never_learnt_and_arguments_stand_in_the_question_as_said(tmp_path):
    common = {"count": 60, "kinds": ["贷款"], "tool_calls": 1.0, "as_said": True}
    learnt, kept = (made(tmp_path, asks=asks, **common) for asks in ("learnt", "kept"))
    frames = [{_frame(record) for record in part} for part in (learnt, kept)]
    assert frames[0] and frames[1] and not frames[0] & frames[1]
    for record in (*learnt, *kept):
        given = json.loads(record.messages[1].tool_calls[0].arguments)
        said = [value for name, value in given.items() if name not in ("method", "keep")]
        assert said and all(value in record.question for value in said), record.question
        verdict = check_numbers(record.question, record.messages[2].content, inputs=record.extra["inputs"],
                                calculator=record.extra["calculator"])  # fmt: skip
        assert verdict.right, verdict.explanation


def _frame(record):
    """The question without its values, opening and closing."""
    text = _stripped(record.question)
    for value in sorted(read_question(record.question)[1].values(), key=len, reverse=True):
        text = text.replace(value, "#")
    return text
