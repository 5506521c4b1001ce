"""Harmless slips of JSON are mended, broken JSON is refused, and no text of any kind makes a reader fail otherwise."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.factory.write.shapes import AnswerItem, QuestionItem
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.replies import declines, read_item, read_items, read_json, unusable
from cornucopia.inference.paid.scores import read_score

WANTED = {"question": "所谓“双录”是什么？", "quotes": ["录音、录像"]}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(WANTED, ensure_ascii=False),
        "好的，以下是结果：\n```json\n" + json.dumps(WANTED, ensure_ascii=False, indent=1) + "\n```\n希望有帮助！",
        '{"question": "所谓“双录”是什么？", "quotes": ["录音、录像",],}',
        "{“question”：“所谓“双录”是什么？”，“quotes”：［“录音、录像”］}",
        "{'question': '所谓“双录”是什么？', 'quotes': ['录音、录像']}",
    ],
)
def test_harmless_slips_are_mended(text):
    assert read_json(text) == WANTED


def test_bare_quotation_marks_inside_a_text_belong_to_it():
    assert read_json('{"question": "所谓"双录"是什么？", "n": 1}') == {"question": '所谓"双录"是什么？', "n": 1}
    assert read_json('{"answer": "第一行\n第二行"}') == {"answer": "第一行\n第二行"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "没有",
        "{",
        '{"question": "额度',
        '[{"question": "额度"}',
        '{"a": 1]',
        "[" * 5000,
        '{"a" 1}',
        '{"a": "b" "c": 1}',
    ],
)
def test_what_is_cut_or_broken_is_refused(text):
    with pytest.raises(ValueError):
        read_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_sound_json_is_read_as_it_is(value):
    if isinstance(value, list | dict):
        assert read_json("好：" + json.dumps(value, ensure_ascii=False) + "完") == value


@given(st.text(alphabet="{}[]\",:“”，：\\'ab1 \n得分score./0.8", max_size=60))
def test_no_text_makes_a_reader_fail_otherwise(text):
    for read in (read_json, lambda t: read_items(t, QuestionItem, 3), lambda t: read_item(t, AnswerItem)):
        with contextlib.suppress(ValueError):
            read(text)
    judged = read_score(text)
    assert judged is None or 0 <= judged.score <= 1


def test_items_of_another_shape_are_counted_and_one_object_is_a_list_of_it():
    good, bad = read_items('[{"question": "额度是多少？", "quotes": "最高50万"}, {"q": 1}, 5]', QuestionItem, 9)
    assert [item.quotes for item in good] == [["最高50万"]] and bad == 2
    assert len(read_items('{"questions": [{"question": "额度是多少？", "quotes": []}]}', QuestionItem, 9)[0]) == 1
    with pytest.raises(ValueError, match="形式"):
        read_items('[{"question": 5}]', QuestionItem, 9)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("得分：0.8", 0.8), ("得分:1", 1.0), ("理由充分。\n得分：0.75。", 0.75), ("**得分**：0.6", 0.6),
        ("评分为0.9", 0.9),
        ('{"score": 0.8, "reason": "好"}', 0.8), ('{"reason": "旧版得分：0.1", "score": 0.5}', 0.5),
        ('```json\n{"score": "0.8"}\n```', 0.8), ("得分：8/10", 0.8), ('{"得分": 0}', 0.0), ("得分：.5", 0.5),
        ("得分：0.8\n再说一遍，得分：0.8", 0.8), ("Score: 0.4", 0.4),
    ],
)  # fmt: skip
def test_a_plain_score_is_read(text, score):
    judged = read_score(text)
    assert judged is not None and judged.score == pytest.approx(score)


@pytest.mark.parametrize(
    "text",
    [
        "", "很好", "0.8", "得分：85", "得分：80%", "得分：0.8～0.9", "得分：0.8到0.9", "得分：0.8，得分：0.6",
        "得分：0.", "得分：-1",
        "得分：12/10",
        '{"score": 0.8', '{"score": true}', '{"score": 8}', '{"score": null}', '{"points": 0.8}',
        '{"score": 0.8, "得分": 0.2}', "得分：很高",
    ],
)  # fmt: skip
def test_a_score_that_is_not_plain_is_none_and_never_0(text):
    assert read_score(text) is None


@pytest.mark.parametrize(
    "text",
    ["很抱歉，我无法提供投资建议。", "作为一个AI语言模型，我不能……", "我无法回答这个问题", "对不起，这个问题不便回答"],
)
def test_refusals_in_words_are_known(text):
    assert declines(text)
    assert unusable(Reply("a", text, "stop"))[0] == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "贷款不能提前还的情形有三种。",
        "银行无法提供该证明时，可到网点补办。",
        "客户说对不起也没有用，逾期仍要计息。" * 30,
    ],
)
def test_answers_about_what_cannot_be_done_are_no_refusals(text):
    assert not declines(text)
