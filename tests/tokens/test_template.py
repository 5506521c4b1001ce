"""Templates by name and path: what they render, what is refused."""

from __future__ import annotations

import json

import pytest
from chat_models import CHATML, STRICT, with_template

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.records.schema import Message, Passage, Record, ToolCall
from cornucopia.tokens.template import TEMPLATES, PromptTemplate, resolve_template

ORIGINAL = "下面是一个问题，运用金融财经知识来正确回答问题.\n### 问题:\n利率？\n### 回答:\n"


def text(template, question, material=""):
    return "".join(segment.text for segment in template.segments(asking(question, material), eos="</s>"))


def asking(question, material=""):
    return Record((Message("user", question),), passages=(Passage(material),) if material else ())


def test_the_finance_template_keeps_the_originals_text_and_shows_the_material(tokenizer):
    template = resolve_template("fin_template", tokenizer)
    assert text(template, "利率？") == ORIGINAL
    assert "### 材料:\n公告\n### 回答:\n" in text(template, "利率？", "公告")


@pytest.mark.parametrize("name", sorted(path.stem for path in TEMPLATES.glob("*.json")))
def test_every_bundled_template_carries_question_and_material(name, tokenizer):
    template = resolve_template(name, tokenizer)
    shown = text(template, "问题甲{input}", "材料乙{instruction}")
    assert "问题甲{input}" in shown and "材料乙{instruction}" in shown
    assert "{" not in shown.replace("{input}", "").replace("{instruction}", "")
    assert shown.rstrip().endswith(template.response_split)


def test_fields_in_any_order_and_a_stray_input(tokenizer):
    swapped = PromptTemplate("t", "{input}|{instruction}|{input}>", "<{instruction}{input}>答:", "答:")
    assert text(swapped, "问", "料") == "料|问|料>"
    assert text(swapped, "问") == "<问>答:"  # what follows the empty field stays


def test_by_default_the_tokenizers_own_else_the_finance_template(tokenizer):
    assert resolve_template(None, tokenizer).name == "fin_template"
    assert resolve_template("", with_template(tokenizer, CHATML)).name == "chat"


def test_a_json_file_and_a_stored_text(tokenizer, tmp_path):
    path = tmp_path / "我的.json"
    fields = {"prompt_input": "{instruction}/{input}:", "prompt_no_input": "{instruction}:", "response_split": ":"}
    path.write_text("\ufeff" + json.dumps(fields), encoding="utf-8")
    template = resolve_template(str(path), tokenizer)
    assert text(template, "a") == "a:" and template.name == str(path)
    stored = resolve_template("没有的名字", tokenizer, fields)
    assert text(stored, "a", "b") == "a/b:"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "应是含"), ("{", "应是含"), ('{"prompt_input": "x"}', "应是含"), ("\udcff", "应是含"),
        ('{"prompt_input": "{input}", "prompt_no_input": "x", "response_split": ""}', "没有 {instruction}"),
    ],
)  # fmt: skip
def test_a_bad_template_file_says_what_is_missing(content, message, tokenizer, tmp_path):
    path = tmp_path / "t.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=message) as error:
        resolve_template(str(path), tokenizer)
    assert str(path) in error.value.where


def test_an_unknown_name_names_the_nearest(tokenizer):
    with pytest.raises(ConfigError) as error:
        resolve_template("fin_templat", tokenizer)
    assert "fin_template" in error.value.fix
    with pytest.raises(ConfigError, match="没有自带聊天模板"):
        resolve_template("chat", tokenizer)


def test_a_chat_template_that_refuses_is_told(tokenizer):
    template = resolve_template("chat", with_template(tokenizer, STRICT))
    with pytest.raises(DataError, match="不接受") as error:
        template.segments(Record((Message("system", "s"), Message("user", "u")), origin="a.json:3"), eos="</s>")
    assert error.value.where == "a.json:3" and "no system" in error.value.found
    broken = resolve_template("chat", with_template(tokenizer, "{% for %}"))
    with pytest.raises(DataError, match="不接受"):
        broken.segments(asking("u"), eos="</s>")


def test_the_next_question_stops_an_answer(tokenizer):
    assert resolve_template("fin_template", tokenizer).stop_strings == ["### 问题:"]
    assert resolve_template("alpaca", tokenizer).stop_strings == ["### Instruction:"]
    assert resolve_template("ori_template", tokenizer).stop_strings == []


def test_a_template_without_a_place_for_the_material_gets_one_and_it_is_told_once(tokenizer, tmp_path, capsys):
    path = tmp_path / "fin.json"
    path.write_text(
        json.dumps(
            {
                "prompt_input": "问：{instruction}答：",
                "prompt_no_input": "问：{instruction}答：",
                "response_split": "答：",
            }
        )
    )
    template = resolve_template(str(path), tokenizer)
    assert text(template, "利率？") == "问：利率？答：" and capsys.readouterr().err == ""
    assert text(template, "利率？", "公告") == text(template, "利率？", "公告") == "问：利率？\n\n材料：\n公告答："
    assert capsys.readouterr().err.count("没有 {input}") == 1


CALL = ToolCall("rate", '{"term": 1}', "c1")
TALK = Record(
    (
        Message("user", "利率？"),
        Message("assistant", "", tool_calls=(CALL,)),
        Message("tool", "3%", tool_call_id="c1", name="rate"),
        Message("assistant", "3%。"),
    ),
    tools=({"type": "function", "function": {"name": "rate", "parameters": {}}},),
)  # fmt: skip
TOOLS = (
    "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}{% for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}({{ c.function.arguments.term }}){% endfor %}"
    "{% if m.tool_call_id %}#{{ m.tool_call_id }}{% endif %}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_tools_and_calls_reach_the_chat_template(tokenizer, capsys):
    parts = resolve_template("chat", with_template(tokenizer, TOOLS)).segments(TALK, eos="</s>")
    assert "".join(p.text for p in parts) == (
        "[rate]<user>利率？</s><assistant>rate(1)</s><tool>3%#c1</s><assistant>3%。</s>"
    )
    assert [p.text for p in parts if p.answer] == ["rate(1)</s>", "3%。</s>"] and capsys.readouterr().err == ""


def test_what_a_template_leaves_out_is_told_once(tokenizer, capsys):
    chat = resolve_template("chat", with_template(tokenizer, CHATML))
    fin = resolve_template("fin_template", tokenizer)
    deaf = resolve_template(
        "chat", with_template(tokenizer, "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}")
    )
    told = Record((Message("system", "守规矩"), Message("user", "问"), Message("assistant", "答")))
    for _ in range(2):
        chat.segments(TALK, eos="</s>"), fin.segments(TALK, eos="</s>"), deaf.segments(told, eos="</s>")
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "tools" in line]) == 2 and len([li for li in lines if "系统提示" in li]) == 1
    assert '"name": "rate"' in "".join(part.text for part in fin.segments(TALK, eos="</s>"))
