"""What judges write, by a hand-made table: plain verdicts and grades are read, and nothing else ever is."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.comparison.judging.reading import READERS, read_choice, read_opinion, read_two_scores
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.scores import read_score


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("理由在此。\n[[A]]", "A"), ("[[B]]", "B"), ("不分高下 [[C]]", "tie"), ("［［Ａ］］", "A"), ("【【B】】", "B"),
        ("[[ a ]]", "A"), ("结论：A", "A"), ("**结论**：助手 B", "B"), ("结论：[[B]]", "B"), ("裁决: 平局", "tie"),
        ('{"reason": "都对", "verdict": "tie"}', "tie"),
        ('{"verdict": "[[A]]"}', "A"), ('```json\n{"结论": "B"}\n```', "B"),
        ("A 的收益率 \\frac{1}{2} 算错了。[[B]]", "B"), ("[[A]]\n再说一遍：[[A]]", "A"),
        ("Winner: B", "B"), ("[[平局]]", "tie"),
        ("作为AI评委，我认为 A 更准确。[[A]]", "A"), ("｛“verdict”：“A”｝", "A"),
    ],
)  # fmt: skip
def test_a_plain_verdict_is_read(text, choice):
    assert read_choice(text) == choice
    assert read_opinion(Reply("x", text, "stop"), "choice").choice == choice


@pytest.mark.parametrize(
    "text",
    [
        "", "A 更好", "[A]", "[[D]]",
        "[[A]] 还是 [[B]] 呢", "较好写 [[A]] 或 [[B]]，不分写 [[C]]", "[[AB]]", "[[A", "A]]",
        "结论：AB",
        "结论：A股投资有风险", "结论：Apple", '{"verdict": "A', '{"verdict": "A"} {"verdict": "B"}', '{"verdict": 1}',
        "结论：A\n结论：B", '{"verdict": "A"} [[B]]', '{"verdict": "甲"}', "结论：B1", "assistant a is better", "[[8]]",
    ],
)  # fmt: skip
def test_what_is_no_plain_verdict_is_none(text):
    assert read_choice(text) is None
    opinion = read_opinion(Reply("x", text, "stop"), "choice")
    assert opinion.choice == "" and opinion.why


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("评分：[[5]]", 5), ("Rating: [[8]]", 8), ("[[7.5]]", 7.5),
        ("评分: 8/10", 8), ("得分：80/100", 8), ("得分：１０", 10),
        ("得分：8分。", 8), ("[[8/10]]", 8), ('{"score": 9}', 9), ('{"rating": "8/10"}', 8), ("**评分**：7", 7),
        ("[[8]] 即得分：8", 8), ("得分：[8]", 8), ("打分为 6 分", 6), ("推导 \\boxed{4490}。\n评分：[[9]]", 9),
        ("得分：1", 1), ("得分：8\n1. 准确", 8), ("得分：8\nA 对", 8), ("Score: 8 because", 8),
        ("【【6】】", 6), ("[[8]]/10", 8), ("[[4]]/5", 8), ('{"reason": "a"}\n{"score": 3}', 3),
    ],
)  # fmt: skip
def test_a_plain_grade_of_ten_is_read(text, score):
    assert READERS["ten"](text) == pytest.approx(score)


@pytest.mark.parametrize(
    "text",
    [
        "", "好", "8", "8/10", "[[0]]", "[[11]]",
        "[[-8]]", "[[8-9]]", "[[8]] [[9]]", "[[8]]/5", "得分：0.8", "得分：85", "得分：80%", "得分：8～9",
        "得分：8到9", "得分：八", "得分：①", "得分：²", "得分：8²",
        "得分：½", "得分：8½", "得分：8以上", "得分：8左右", "得分：8+",
        "准确得分：3，完整得分：5", "评分标准：1. 准确", "评分：1. 准确 2. 完整",
        "得分：8/10/2", "得分：8/0", "得分：12/10", "[[rating]]",
        "[[分数]]", '{"score": 8', '{"score": 8} {"score": 3}', '{"score": [8]}', '{"score": true}', "得分：٨",
        "得分：8.", "得分：8一",
        '{"score": 1e400}', '{"score": NaN}', "得分：nan", "得分：inf", "得分：1e1",
        "得分：0x8", "得分：8 9", "得分：8x",
    ],
)  # fmt: skip
def test_what_is_no_plain_grade_is_none(text):
    assert READERS["ten"](text) is None


def test_a_grade_from_0_to_1_is_not_taken_for_one_of_ten():
    assert READERS["one"]("得分：0.8") == 0.8 and READERS["one"]("得分：8/10") == 0.8 and READERS["one"]("得分:1") == 1
    assert READERS["one"]("得分：8") is None and READERS["ten"]("得分：0.8") is None


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("[[8, 7]]\n理由", "A"), ("8 7\n理由", "A"), ("６，９", "B"),
        ("[[8,8]]", "tie"), ("7.05 7.1", "tie"), ("[[3,3.2]]", "B"),
        ("8", None), ("", None), ("8 7 6", None), ("11 7", None), ("[[0, 7]]", None), ("[[8,7]] [[7,8]]", None),
        ("分数如下\n8 7", None), ("2023 年 8 月", None),
    ],
)  # fmt: skip
def test_two_scores_are_read_off_the_first_line_or_double_brackets(text, choice):
    assert read_two_scores(text) == choice


_PARTS = st.sampled_from(
    ["得分", "评分", "：", ":", "[[", "]]", "[", "A", "B", "C", "8", "0", ".", "/", "10", "%",
     "～", "一", "²", "{", "}", '"score"', '"verdict"', ",", " ", "\n", "-", "结论", "\\frac", "满分", "e", "分"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=80), st.lists(_PARTS, max_size=14).map("".join)))
def test_no_text_breaks_a_reader_or_leaves_its_scale(text):
    for name, read in READERS.items():
        found = read(text)
        assert found is None or found in ("A", "B", "tie") or (1 if name == "ten" else 0) <= found <= 10
    one = read_score(text)
    assert one is None or 0 <= one.score <= 1


@given(st.text(alphabet=st.characters(exclude_characters="0123456789０１２３４５６７８９")))
def test_without_a_digit_there_is_no_grade(text):
    assert READERS["ten"](text) is None and READERS["one"](text) is None and read_two_scores(text) is None


@given(
    st.text(max_size=60).filter(
        lambda text: not re.search(r"score|rating|得分|评分|分数|打分|\[\[|【【|［［", text, re.I)
    )
)
def test_a_number_without_a_name_or_brackets_is_no_grade(text):
    assert READERS["ten"](f"{text} 8 {text}") is None


@given(st.integers(-50, 150))
def test_a_whole_number_is_read_within_its_scale_alone(number):
    expected = float(number) if 1 <= number <= 10 else None
    assert READERS["ten"](f"评分：[[{number}]]") == expected
    assert READERS["ten"](json.dumps({"reason": "理由", "score": number})) == expected


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply("x", "[[A]]", "length"), "cut_off"), (Reply("x", "", "error", error="坏了"), "failed"),
        (Reply("x", " ", "stop"), "empty"),
        (Reply("x", "很抱歉，我无法评判。", "stop"), "refused"), (Reply("x", "嗯", "stop"), "unparsed"),
    ],
)  # fmt: skip
def test_why_there_is_no_verdict(reply, why):
    assert read_opinion(reply, "choice").why == why
