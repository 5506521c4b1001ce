"""Figures named by their mark: what a model reads, what it says, and what stands there in the end."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError
from cornucopia.finance.calculator import find
from cornucopia.finance.problems import one_problem, phrasings, read_question
from cornucopia.finance.tools import find_tool
from cornucopia.records.schema import Message, Record, ToolCall
from cornucopia.tokens.figures import MARKS, FigureReader, Figures, marked
from cornucopia.tokens.template import resolve_template

LOAN = find_tool("equal_payment")
ASKED = "贷款119万，年利率百分之五点七，分2年还，月供多少？"
ARGUMENTS = {"principal": "119万", "rate": "百分之五点七", "months": "2年"}
CALL = ToolCall(LOAN.name, json.dumps(ARGUMENTS, ensure_ascii=False), "call00000")
RESULT = LOAN.call(CALL.arguments).text
SAID = f"月供：{RESULT.partition('；')[0].removeprefix('月供：')}。"
TURNS = (
    Message("user", ASKED),
    Message("assistant", "", tool_calls=(CALL,)),
    Message("tool", RESULT, tool_call_id=CALL.id, name=LOAN.name),
    Message("assistant", SAID),
)


def test_the_model_reads_marks_and_writes_them_and_gets_the_figures_back():
    asked, called, result, said = marked(Record(TURNS)).messages
    assert asked.content == "贷款119万①，年利率百分之五点七②，分2年③还，月供多少？"
    assert json.loads(called.tool_calls[0].arguments) == {"principal": "①", "rate": "②", "months": "③"}
    first, _, steps = result.content.partition("\n")
    assert "④" in first and not set(MARKS) & set(steps) and said.content == "月供：④。"
    text, calls = FigureReader("<tool_call>", Record(TURNS[:1])).read(
        "<tool_call>equal_payment(principal='①', rate='②', months='③')</tool_call>"
    )
    assert not text and calls == (CALL,)
    assert FigureReader("<tool_call>", Record(TURNS[:3])).read(said.content) == (SAID, ())


def test_nearly_every_calculators_call_and_answer_can_be_said_in_marks():
    random, literal = Random(3), []
    for phrasing in phrasings():
        problem = one_problem(phrasing, random)
        tool, figures = find_tool(find(problem.calculator).key.replace("-", "_")), Figures()
        read = read_question(problem.question)
        call = ToolCall(tool.name, json.dumps(read[1] if read else problem.inputs, ensure_ascii=False, default=str))
        figures.marked(problem.question)
        pointed = figures.call(call)
        same = tool.call(figures.filled(pointed.arguments)).text == tool.call(call.arguments).text
        if not same or any(digit in pointed.arguments for digit in "0123456789"):
            literal.append(problem.calculator)
    assert len(literal) <= len(phrasings()) // 6, literal


def test_a_mark_without_a_figure_stays_and_marks_of_the_question_are_none():
    reader = FigureReader("<tool_call>", Record((Message("user", "①100万 ②50万，哪个多？"),)))
    assert reader.read("⑤和⑳") == ("⑤和⑳", ())
    asked = marked(Record((Message("user", "①100万"),))).messages[0].content
    assert asked.count("①") == 1 and asked.startswith("(1")
    many = Figures().marked("、".join(f"{n}元" for n in range(100, 140)))
    assert [char for char in many if char in MARKS] == list(MARKS)


def test_a_stream_shows_nothing_behind_a_mark_until_it_is_filled():
    reader = FigureReader("<tool_call>", Record(TURNS[:1]))
    assert (
        reader.before_call("一共①，") == 2 and reader.before_call("一共<tool_c") == 2 and reader.before_call("好") == 1
    )


@given(st.text(st.sampled_from("①②⑳0123456789.,%％万元年月日-/ 百分之三一借")), st.text(max_size=60))
def test_any_text_is_marked_and_filled_without_loss(text, other):
    figures = Figures()
    shown = figures.marked(text)
    assert len(shown) >= len(text) and figures.filled(figures.pointed(other)) is not None
    figures.call(ToolCall("loan", other)), figures.call(ToolCall("loan", json.dumps({"a": [text, 1, None, True]})))
    plain = text.translate({ord(mark): f"({n})" for n, mark in enumerate(MARKS, 1)})
    assert "".join(char for char in shown if char not in MARKS) == plain


def test_the_template_says_it_and_its_file_is_checked(tmp_path):
    template = resolve_template("fin_calculators", None)
    record = Record(TURNS, tools=(LOAN.schema,))
    text = "".join(segment.text for segment in template.segments(record, eos="</s>"))
    assert "119万①" in text and "principal='①'" in text and "月供：④。</s>" in text and "步骤" not in text
    assert LOAN.name not in text.split("<tool_call>")[0]  # known by heart
    assert isinstance(template.calls(record), FigureReader)
    assert resolve_template("fin_calculators", None, template.text) == template
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(template.text | {"figures": "numbered"}), encoding="utf-8")
    with pytest.raises(ConfigError, match="marked"):
        resolve_template(str(path), None)
