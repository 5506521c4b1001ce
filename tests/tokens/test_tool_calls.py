"""Tool calls in what models write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.records.schema import Message, Record, ToolCall
from cornucopia.tokens.template import resolve_template
from cornucopia.tokens.tool_calls import SHAPES, ToolCallReader, call_text, tool_line

TOOL = {
    "type": "function",
    "function": {
        "name": "loan",
        "description": "月供",
        "parameters": {
            "type": "object",
            "properties": {"principal": {"type": "string"}, "months": {"type": "integer"}, "paid": {"type": "integer"}},
            "required": ["principal", "months"],
        },
    },
}
GIVEN = {"principal": "50", "months": 360}
JSON = '{"principal": "50", "months": 360}'
WRITTEN = {
    "hermes": f'<tool_call>\n{{"name": "loan", "arguments": {JSON}}}\n</tool_call>',
    "hermes, stopped at the mark": f'<tool_call>{{"name": "loan", "arguments": {JSON}}}',
    "arguments as text": '<tool_call>{"name": "loan", "arguments": ' + json.dumps(JSON) + "}</tool_call>",
    "qwen3-coder": "<tool_call>\n<function=loan>\n<parameter=principal>\n50\n</parameter>\n<parameter=months>\n360\n"
    "</parameter>\n</function>\n</tool_call>",
    "glm-4.5": "<tool_call>loan\n<arg_key>principal</arg_key>\n<arg_value>50</arg_value>\n<arg_key>months</arg_key>\n"
    "<arg_value>360</arg_value>\n</tool_call>",
    "hunyuan": f"<tool_calls>\n<tool_call>loan\n```json\n{JSON}\n```</tool_call>\n</tool_calls>",
    "ours": "<tool_call>loan(principal='50', months=360)</tool_call>",
    "seed": "<seed:tool_call>\n<function=loan>\n<parameter=principal>50</parameter>\n<parameter=months>360"
    "</parameter>\n</function>\n</seed:tool_call>",
    "mistral": f'[TOOL_CALLS][{{"name": "loan", "arguments": {JSON}}}]',
    "mistral, by name": f"[TOOL_CALLS]loan[ARGS]{JSON}",
    "deepseek-v3": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>loan\n```json\n{JSON}\n```"
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek-v3.1": f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>loan<｜tool▁sep｜>{JSON}<｜tool▁call▁end｜>"
    "<｜tool▁calls▁end｜>",
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.loan:0<|tool_call_argument_begin|>"
    f"{JSON}<|tool_call_end|><|tool_calls_section_end|>",
    "internlm": f'<|action_start|><|plugin|>\n{{"name": "loan", "parameters": {JSON}}}<|action_end|>',
    "minicpm": "<|tool_call_start|>\n```python\nloan(principal='50', months=360)\n```\n<|tool_call_end|>",
    "lfm": "<|tool_call_start|>[loan(principal='50', months=360)]<|tool_call_end|>",
    "phi": f'<|tool_call|>[{{"name": "loan", "arguments": {JSON}}}]<|/tool_call|>',
    "granite": f'<|tool_call|>[{{"name": "loan", "arguments": {JSON}}}]',
    "llama, tag": f'<|python_tag|>{{"name": "loan", "parameters": {JSON}}}',
    "llama": f'{{"name": "loan", "parameters": {JSON}}}',
    "glm-4": f"loan\n{JSON}",
}


@pytest.mark.parametrize("shape", WRITTEN)
def test_each_shape_is_read_and_said_text_stays(shape):
    content, (call,) = ToolCallReader().read(WRITTEN[shape], [TOOL])
    assert (content, call.name, json.loads(call.arguments), call.id) == ("", "loan", GIVEN, "call00000")
    if shape not in ("llama", "glm-4"):
        content, (call,) = ToolCallReader().read("我来算。\n" + WRITTEN[shape], [TOOL], earlier=3)
        assert (content, json.loads(call.arguments), call.id) == ("我来算。", GIVEN, "call00003")


def test_several_calls_and_ids_of_the_model():
    two = f'<tool_call>{{"name": "a", "arguments": {{}}}}</tool_call>\n{WRITTEN["ours"]}'
    assert [call.name for call in ToolCallReader().read(two)[1]] == ["a", "loan"]
    listed = '[TOOL_CALLS][{"name": "a", "arguments": {}, "id": "abc123XYZ"}, {"name": "b", "arguments": {"x": [1]}}]'
    _, calls = ToolCallReader().read(listed)
    assert [call.id for call in calls] == ["abc123XYZ", "call00001"] and calls[1].arguments == '{"x": [1]}'
    assert len(ToolCallReader().read(f"{WRITTEN['llama']}; {WRITTEN['llama']}", [TOOL])[1]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>{}</tool_call>", '<tool_call>{"name": "loan"}</tool_call>', "<tool_call>loan(50)</tool_call>",
        '<tool_call>{"name": "loan", "arguments": [1]}</tool_call>', "<tool_call>loan(a=f())</tool_call>",
        '<tool_call>{"name": "loan", "arguments": {"a": NaN}}</tool_call>', "<tool_call>loan(**{})</tool_call>",
        '<tool_call>{"name": "loan", "arguments": {}} 然后</tool_call>', '<tool_call>{"name": "loan", "argum',
        '[TOOL_CALLS][{"name": "loan"}]', '{"name": "other", "parameters": {}}', "other\n{}", "月供是5000元。",
        '好的：{"name": "loan", "parameters": {}}', "<tool_call><function=loan><parameter=a>1</parameter></tool_call>",
        '<tool_call>{"name": "loan", "arguments": {"a": "\\ud800"}}</tool_call>', "<tool_call>" + "[" * 9000,
        "<|tool_call_start|>" + "(" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_whole_call_stays_text(text):
    assert ToolCallReader().read(text, [TOOL]) == (text, ())


def test_the_template_decides_what_counts():
    hermes = ToolCallReader("... <tool_call> ...")
    assert hermes.read(WRITTEN["llama"], [TOOL])[1] == () and hermes.read(WRITTEN["mistral"], [TOOL])[1] == ()
    llama = ToolCallReader("<|start_header_id|> {% ... %} <|python_tag|>")
    assert llama.read(WRITTEN["llama"], [TOOL])[1] and not llama.read(WRITTEN["glm-4"], [TOOL])[1]
    assert ToolCallReader("<|user|> <|observation|>").read(WRITTEN["glm-4"], [TOOL])[1]


@pytest.mark.parametrize("shape", WRITTEN)
def test_nothing_of_a_call_is_shown_while_it_is_written(shape):
    reader, text = ToolCallReader(), WRITTEN[shape]
    assert all(reader.before_call(text[:end]) == 0 for end in range(1, len(text)))
    assert reader.before_call("好的，" + "我来算") == 6


pieces = st.sampled_from(
    [part for shape in SHAPES for part in (shape.opening, shape.closing, *shape.around)]
    + ["loan", '{"name": "loan", "arguments": ', "{", "}", "[", "]", '"', "```json", "```python\n", "(", ")", "=", "\n",
       "<function=loan>", "<parameter=a>", "</parameter>", "</function>", "<arg_key>", "</arg_key>", "[ARGS]", "1e999",
       "'x'", "NaN", "\\ud800", "\x00", "月供", ";"]
)  # fmt: skip


@given(st.lists(st.one_of(pieces, st.text(max_size=8)), max_size=20).map("".join))
def test_no_text_raises_and_every_call_is_whole(text):
    for template in ("", "<tool_call>", "<|start_header_id|>", "<|observation|>"):
        content, calls = ToolCallReader(template).read(text, [TOOL])
        assert content == text or calls
        assert all(isinstance(json.loads(call.arguments), dict) and call.name for call in calls)
        json.dumps([call.arguments for call in calls]).encode()


values = st.one_of(st.text(max_size=20), st.integers(-(10**12), 10**12), st.booleans(), st.none())
arguments = st.dictionaries(
    st.text(min_size=1, max_size=8), st.one_of(values, st.lists(values, max_size=3)), max_size=4
)


@given(st.sampled_from(["loan", "贷款", "class", "a-b"]), arguments)
def test_our_own_shape_comes_back_as_it_was(name, given_arguments):
    try:
        json.dumps(given_arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    call = ToolCall(name, json.dumps(given_arguments, ensure_ascii=False), "call00000")
    said, calls = ToolCallReader("<tool_call>").read(call_text(call), [])
    if name == "贷款" or "</tool_call>" not in call_text(call)[:-12]:
        assert [(one.name, json.loads(one.arguments)) for one in calls] == [(name, given_arguments)] and said == ""


def test_a_prompt_template_shows_tools_calls_and_results(tokenizer):
    template = resolve_template("fin_tools", tokenizer)
    turns = (
        Message("user", "贷50个月供多少？"),
        Message("assistant", "", tool_calls=(ToolCall("loan", JSON, "c"),)),
        Message("tool", "月供：1元\n步骤：{line}", tool_call_id="c", name="loan"),
        Message("assistant", "月供1元。"),
    )
    segments = template.segments(Record(turns, tools=(TOOL,)), eos="</s>")
    assert segments[0].text == f"### 工具:\n{tool_line(TOOL)}\n"
    assert tool_line(TOOL) == "loan(principal, months, paid?)：月供"
    answers = [segment.text for segment in segments if segment.answer]
    assert answers == ["<tool_call>loan(principal='50', months=360)</tool_call></s>", "月供1元。</s>"]
    assert segments[3].text == "\n### 结果:\n月供：1元\n### 回答:\n"
    assert template.calls(Record()).read(answers[0].removesuffix("</s>"))[1]
    stored = resolve_template("fin_tools", tokenizer, template.text)
    assert stored == template and resolve_template("fin_template", tokenizer).calls(Record()) is None
