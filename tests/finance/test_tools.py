"""Calculators as tools: a valid schema each, examples that work, Chinese errors for whatever else comes."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import UsageError
from cornucopia.finance.calculator import calculators
from cornucopia.finance.tools import Tool, find_tool, tools

AWKWARD = [0, "0", "0%", -1, "-3%", "1e-9", 1e-9, "0.0001%", 1, 3, "1", 12, 600, 1e9, "9999999999", 1e30, "1e99",
"3.3",
           True, [], {}, "", "月", "２０万", "三成", "1970-05", "2025-02-29", "９９９年", "NaN",
           "inf", -0.5, "一百万元整"]  # fmt: skip
CHINESE = re.compile("[\u4e00-\u9fff]")


def parameters(tool: Tool) -> dict:
    return tool.schema["function"]["parameters"]


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool.name)
def test_its_example_works(tool: Tool) -> None:
    for inputs in parameters(tool)["examples"]:
        for arguments in (inputs, json.dumps(inputs, ensure_ascii=False)):
            result = tool.call(arguments)
            assert not result.failed and set(tool.calculator.keys) <= set(result.values)
            assert all(result.values[key].text() in result.text for key in tool.calculator.keys)


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool.name)
def test_schema_says_what_a_model_needs(tool: Tool) -> None:
    shape, fields = parameters(tool), tool.calculator.inputs.model_fields
    assert re.fullmatch(r"[a-z][a-z0-9_]{2,63}", tool.name) and CHINESE.search(tool.schema["function"]["description"])
    assert set(shape["properties"]) == set(fields) and shape["additionalProperties"] is False
    assert all(CHINESE.search(one["description"]) for one in shape["properties"].values())
    assert shape["required"] == [name for name, info in fields.items() if info.is_required()]
    assert json.loads(json.dumps(tool.schema)) == tool.schema


def test_schemas_are_valid_and_take_their_examples() -> None:
    for tool in tools():
        jsonschema.Draft202012Validator.check_schema(parameters(tool))
        for inputs in parameters(tool)["examples"]:
            jsonschema.validate(inputs, parameters(tool))


def test_every_calculator_is_a_tool() -> None:
    assert {tool.calculator for tool in tools()} == set(calculators())
    assert find_tool("equal_payment").calculator.name == "等额本息"
    with pytest.raises(UsageError, match="equal_payment"):
        find_tool("equal_paymnt")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [("", "JSON"), ("[1]", "对象"), ("{", "JSON"), ('{"principal": 1}', "缺少"), ('{"principl": 1}', "principal"),
     ('{"principal": NaN, "rate": 0, "months": 1}', "金额"), ("[" * 10000, "JSON"),
     ('{"principal": "100万", "rate": 4.9, "months": 360}', "百分数"),
     ('{"principal": 1, "rate": "490%", "months": 1}', "490%")],
)  # fmt: skip
def test_errors_are_chinese_text(arguments: str, word: str) -> None:
    result = find_tool("equal_payment").call(arguments)
    assert result.failed and word in result.text and not result.values


def test_json_numbers_keep_their_digits_and_null_is_left_out() -> None:
    tool = find_tool("equal_payment")
    one = tool.call('{"principal": 1000000, "rate": 0.049, "months": 360}')
    assert (
        one.values["月供"].text()
        == "5307.27元"
        == tool.call({"principal": 10**6, "rate": 0.049, "months": "30年"}).values["月供"].text()
    )
    assert not find_tool("stock_cost").call('{"side":"买入","price":10,"shares":100,"on":null}').failed


@pytest.mark.parametrize("tool", tools(), ids=lambda tool: tool.name)
def test_any_single_input_gives_a_result_or_a_chinese_error(tool: Tool) -> None:
    good = parameters(tool)["examples"][0]
    for name in tool.calculator.inputs.model_fields:
        for value in AWKWARD:
            for given_value in (value, [value]):
                check(tool, {**good, name: given_value})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(tools()), st.data())
def test_any_inputs_give_a_result_or_a_chinese_error(tool: Tool, data: st.DataObject) -> None:
    values = st.sampled_from(AWKWARD) | st.decimals(-10, 10**10, places=4) | st.text(max_size=8)
    inputs = dict(parameters(tool)["examples"][0])
    for name in tool.calculator.inputs.model_fields:
        if data.draw(st.booleans()):
            inputs[name] = data.draw(values)
    check(tool, inputs)


def check(tool: Tool, inputs: dict) -> None:
    result = tool.call(inputs)
    assert CHINESE.search(result.text)
    if not result.failed:
        assert all(value.number.is_finite() and "E" not in value.text() for value in result.values.values())
        assert not re.search(r"NaN|Infinity|(?<![\d)%元])-0[元%]", result.text), (inputs, result.text)
