"""Each format becomes the right Record, no key is lost, and a wrong row says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cornucopia.core.errors import DataError, UsageError
from cornucopia.records.formats import FORMATS, detect, parse_columns, to_record
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.write import WRITERS

ASKED, ANSWERED = Message("user", "什么是年金险？"), Message("assistant", "按期给付的保险。")
Q, A = ASKED.content, ANSWERED.content

TURNS = [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]

ROWS = {
    "record": {"cornucopia": 1, "messages": TURNS},
    "openai_batch": {"custom_id": "r1", "method": "POST", "url": "/v1", "body": {"messages": TURNS}},
    "openai": {"messages": TURNS},
    "sharegpt": {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]},
    "alpaca": {"instruction": Q, "input": "", "output": A},
    "prompt_response": {"prompt": Q, "response": A, "history": []},
    "choice": {"question": "选哪个", "A": "甲", "B": "乙", "answer": "B"},
    "question_answer": {"question": Q, "answer": A},
    "query_response": {"query": Q, "response": A},
    "content_summary": {"content": Q, "summary": A},
    "context_target": {"context": Q, "target": A},
    "input_output": {"input": Q, "output": A},
    "preference": {"chosen": TURNS, "rejected": [TURNS[0], {"role": "assistant", "content": "差"}]},
    "text": {"text": "一篇公告"},
}


def test_every_format_has_a_sample_here():
    assert list(ROWS) == [known.name for known in FORMATS]


def test_the_page_on_data_names_every_format():
    page = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
    assert [name for name in (*ROWS, *WRITERS) if f"`{name}`" not in page] == []


@pytest.mark.parametrize("name", ROWS)
def test_each_format(name):
    record, found = to_record(ROWS[name])
    assert found == name
    if name == "text":
        assert (record.text, record.messages) == ("一篇公告", ())
    elif name == "choice":
        assert (record.question, record.golden, record.kind) == ("选哪个\nA. 甲\nB. 乙", "B", "choice")
    else:
        assert record.messages == (ASKED, ANSWERED)


def test_alpaca_input_is_the_material_and_history_comes_first():
    record, _ = to_record(
        {"instruction": "总结", "input": "公告全文", "output": "好", "system": "你是助手", "history": [["早", "早"]]}
    )
    assert record.messages == (
        Message("system", "你是助手"), Message("user", "早"), Message("assistant", "早"),
        Message("user", "总结"), Message("assistant", "好"),
    )  # fmt: skip
    assert record.passages == (Passage("公告全文"),) and record.material == "公告全文"


def test_an_instruction_that_stands_in_input_is_still_the_question():
    assert to_record({"instruction": "", "input": Q, "output": A})[0].messages == (ASKED, ANSWERED)


def test_other_names_for_the_answer_and_the_material_are_not_lost():
    record, _ = to_record({"instruction": "回答", "context": "材料", "response": "好"})
    assert record == Record((Message("user", "回答"), Message("assistant", "好")), passages=(Passage("材料"),))


def test_chinese_column_names():
    record, _ = to_record({"问题": Q, "答案": A, "领域": "保险", "来源": "保险法"})
    assert (record.messages, record.domain, record.source) == ((ASKED, ANSWERED), "保险", "保险法")


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": Q, "output": A, "思考": " 先想 "},
        {"question": Q, "answer": A, "reasoning": "先想"},
        {
            "messages": [
                {"role": "user", "content": Q},
                {"role": "assistant", "content": A, "reasoning_content": "先想"},
            ]
        },
        {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A, "reasoning": "先想"}]},
    ],
)
def test_thinking_belongs_to_the_answer(row):
    assert to_record(row)[0].messages == (ASKED, Message("assistant", A, reasoning="先想"))


def test_thinking_without_an_answer_stays_a_key_of_the_row():
    record = to_record({"question": Q, "reasoning": "先想"})[0]
    assert record.messages == (ASKED,) and record.extra == {"reasoning": "先想"}
    assert to_record({"q": Q, "a": A, "topic": "主题"}, {"question": "q", "answer": "a", "reasoning": "topic"})[
        0
    ].messages == (ASKED, Message("assistant", A, reasoning="主题"))


@pytest.mark.parametrize("value", [False, "false", "False"])
def test_a_text_that_breaks_off_says_so(value):
    assert to_record({"text": "半句", "complete": value})[0] == Record(text="半句", complete=False)
    assert to_record({"text": "整句", "complete": True})[0].complete


def test_provenance_and_unknown_keys_are_carried():
    row = {
        "question": Q,
        "answer": A,
        "id": 7,
        "domain": "保险",
        "kind": "qa",
        "source": "法",
        "license": "CC0",
        "as_of": "2025-01",
    }
    record, _ = to_record({**row, "article": "第二条", "score": 0})
    assert (record.id, record.domain, record.kind, record.source) == ("7", "保险", "qa", "法")
    assert (record.licence, record.as_of, record.extra) == ("CC0", "2025-01", {"article": "第二条", "score": 0})


def test_batch_keeps_its_id_and_parameters():
    body = {"messages": [{"role": "user", "content": Q}], "model": "m", "max_tokens": 9}
    record, _ = to_record({"custom_id": "r1", "method": "POST", "url": "/v1/chat/completions", "body": body})
    assert (record.id, record.kind, record.golden) == ("r1", "openai_batch", "")
    assert record.extra == {"method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "max_tokens": 9}}


def test_text_parts_are_joined_pictures_kept_and_other_media_refused():
    parts = [{"type": "text", "text": "甲"}, {"type": "text", "text": "乙"}]
    assert to_record({"messages": [{"role": "user", "content": parts}]})[0].question == "甲\n乙"
    parts = [{"type": "image_url", "image_url": {"url": "a.png"}}, {"type": "text", "text": "看图"}]
    shown = to_record({"messages": [{"role": "user", "content": parts}]})[0].messages[0]
    assert (shown.content, shown.images) == ("<image>看图", ("a.png",))
    with pytest.raises(DataError, match="以外的内容"):
        to_record({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]})


def test_tool_turns():
    turns = [("human", "查"), ("function_call", "{}"), ("observation", "3%"), ("gpt", "利率 3%")]
    record, _ = to_record({"conversations": [{"from": who, "value": what} for who, what in turns], "tools": "[]"})
    assert [m.role for m in record.messages] == ["user", "assistant", "tool", "assistant"]
    assert record.extra == {"tools": "[]"}


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [{"from": "human", "value": Q}], "chosen": {"value": A}, "rejected": {"value": "差"}},
        {"prompt": Q, "chosen": A, "rejected": "差"},
        {"prompt": [TURNS[0]], "chosen": [TURNS[1]], "rejected": [{"role": "assistant", "content": "差"}]},
        {"instruction": Q, "output": [A, "差"]},
    ],
)
def test_the_chosen_answer_of_a_pair_is_golden_and_both_are_kept(row):
    record, _ = to_record(row)
    assert record.messages == (ASKED, ANSWERED)
    assert [turn.content for turns in record.rejected for turn in turns] == ["差"] and not record.extra


def test_a_question_without_answer_ends_with_the_user():
    for row in ({"instruction": Q, "output": ""}, {"question": Q}, {"prompt": Q, "response": None}):
        assert to_record(row)[0].messages == (ASKED,)


def test_numbers_are_text_and_other_types_are_refused():
    assert to_record({"question": "几年", "answer": 5})[0].golden == "5"
    for value in (True, {"a": 1}, ["x"]):
        with pytest.raises(DataError, match="answer 应是文字"):
            to_record({"question": "几年", "answer": value})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"question": "  ", "answer": "x"}, "是空的"),
        ({"messages": []}, "没有用户的提问"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "没有用户的提问"),
        ({"messages": [{"role": "usr", "content": "x"}]}, "最接近的是 user"),
        ({"messages": "x"}, "messages 应是列表"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}]}, "结尾"),
        ({"instruction": "x", "history": [["只有问"]]}, r"\[问, 答\]"),
        ({"custom_id": "1", "body": {}}, "messages"),
        ({"text": " "}, "空"),
        ({"type": "text", "text": "对话的一部分"}, "没有认出"),
        ({}, "没有认出"),
    ],
)
def test_bad_rows_say_why(row, reason):
    with pytest.raises(DataError, match=reason):
        to_record(row)


def test_unknown_keys_name_the_nearest_format():
    with pytest.raises(DataError, match=r"(?s)instrction、output.*alpaca.*instrction 像是 instruction"):
        to_record({"instrction": "x", "output": "y"})


def test_columns_name_the_files_own_keys():
    columns = parse_columns(["question=客户提问", "answer=答复"])
    record, _ = to_record({"客户提问": Q, "答复": A, "question": "编号 1"}, columns)
    assert (record.messages, record.extra) == ((ASKED, ANSWERED), {"question（原列）": "编号 1"})
    assert detect({"instruction": "x", "客户提问": Q}, columns).name == "question_answer"  # type: ignore[union-attr]


@pytest.mark.parametrize("word", ["客户提问", "questoin=客户提问", "question="])
def test_wrong_column_words_are_usage_errors(word):
    with pytest.raises(UsageError):
        parse_columns([word])


def test_parts_with_their_text_under_value_are_read_thinking_and_calls_too():
    call = {"type": "tool_call", "value": '{"name": "rate", "arguments": {"years": 3}}'}
    answer = [{"type": "reasoning", "value": "先查利率"}, {"type": "text", "value": "我查一下。"}, call]
    turns = [
        {"role": "user", "content": [{"type": "text", "value": Q}], "loss_weight": 0.0},
        {"role": "assistant", "content": answer, "loss_weight": 1.0},
    ]
    record, _ = to_record({"messages": turns})
    asked, said = record.messages
    assert (asked.content, asked.learnt) == (Q, False)
    assert (said.content, said.reasoning, said.learnt) == ("我查一下。", "先查利率", True)
    assert [(one.name, one.arguments) for one in said.tool_calls] == [("rate", '{"years": 3}')]
    pair = {"chosen_messages": turns, "rejected_messages": [turns[0], {"role": "assistant", "content": "不知道"}]}
    record, name = to_record(pair)
    assert (name, record.question, record.rejected[0][0].content) == ("preference", Q, "不知道")


@pytest.mark.parametrize("part", [{"type": "text"}, {"type": "tool_call", "value": "{"}, {"type": "audio_url"}])
def test_a_part_that_cannot_be_read_is_refused(part):
    with pytest.raises(DataError, match="第 1 轮"):
        to_record({"messages": [{"role": "user", "content": [part]}]})
    with pytest.raises(DataError, match="不是助手"):
        to_record({"messages": [{"role": "user", "content": [{"type": "reasoning", "value": "想"}, Q]}]})


@pytest.mark.parametrize(
    "rounds",
    [
        [{"human": "一", "assistant": "甲"}, {"human": Q, "assistant": A}],
        [{"system": "你是顾问", "input": "一", "output": "甲"}, {"input": Q, "output": A}],
    ],
)
def test_rounds_of_question_and_answer_are_turns(rounds):
    record, name = to_record({"conversation": rounds})
    said = [(turn.role, turn.content) for turn in record.messages if turn.role != "system"]
    assert name == "sharegpt"
    assert said == [("user", "一"), ("assistant", "甲"), ("user", Q), ("assistant", A)]
    assert [turn.content for turn in record.messages if turn.role == "system"] == ["你是顾问"] * ("system" in rounds[0])


def test_questions_and_answers_in_two_lists_are_turns():
    record, _ = to_record({"input": ["一", Q], "output": ["甲", A]})
    assert [turn.content for turn in record.messages] == ["一", "甲", Q, A]


def test_an_empty_system_text_is_none():
    turns = [{"role": "system", "content": "", "thinking": None}, *TURNS]
    assert to_record({"messages": turns})[0].messages == (ASKED, ANSWERED)
    with pytest.raises(DataError, match="第 1 轮（用户）是空的"):
        to_record({"messages": [turns[0], {"role": "user", "content": " "}]})


@pytest.mark.parametrize("key", ["cot", "complexCOT", "Complex_CoT"])
def test_thinking_under_other_names(key):
    assert to_record({"question": Q, "answer": A, key: "先想"})[0].messages[-1].reasoning == "先想"


def test_a_seed_task_gets_its_first_instance():
    told = set()
    more = [{"input": "", "output": "乙"}]
    row = {"instruction": Q, "instances": [{"input": "某保单条款全文", "output": A}, *more], "is_classification": False}
    record, name = to_record(row, told=told)
    assert (name, record.messages, record.material.strip()) == ("alpaca", (ASKED, ANSWERED), "某保单条款全文")
    assert record.extra == {"instances": more, "is_classification": False}
    assert any("instances" in one for one in told)
    odd = {"instruction": Q, "instances": ["甲"]}
    assert to_record(odd)[0].extra == {"instances": ["甲"]}


def test_the_right_answer_of_an_evaluation_set_is_the_answer_unless_another_is_given():
    assert to_record({"question": Q, "std_answer": A, "class": "qa"})[0].messages == (ASKED, ANSWERED)
    record = to_record({"instruction": Q, "output": A, "golden_answer": "甲"})[0]
    assert (record.messages, record.extra) == ((ASKED, ANSWERED), {"golden_answer": "甲"})
    assert to_record({"question": Q, "std_answer": ""})[0].messages == (ASKED,)


def test_a_row_with_one_long_text_is_told_how_to_be_a_document():
    with pytest.raises(DataError) as told:
        to_record({"raw_content": "一篇公告" * 20, "date": "2026-01-05"})
    assert "--columns text=raw_content" in str(told.value.fix)
    with pytest.raises(DataError) as told:
        to_record({"raw_content": "短", "date": "2026-01-05"})
    assert "text=raw_content" not in str(told.value.fix)
