"""A polished answer says the same numbers, or the original stays."""

from __future__ import annotations

import pytest

from cornucopia.factory.write.fidelity import changed
from cornucopia.factory.write.polish import Polish, PolishConfig
from servers import chat_server
from writing_fakes import pair, said, settings, stage_run

RAW = "亲，那个利息嘛就是5万块乘以2%等于1000块一年，满3个月才能取，联系客服95xxx。"


def polish(server, tmp_path, records, **more):
    return stage_run(Polish(PolishConfig.build(settings(server.url, tmp_path, **more))), records, tmp_path / "run")


def test_better_words_are_taken_and_the_old_ones_kept_beside(tmp_path):
    better = "润色后的回答：50000元按2%计算，一年的利息是1000元；存满3个月后才能支取，可联系客服95xxx。"
    with chat_server(answer=lambda body: better) as server:
        raw = pair("利息多少？", RAW, id="a", extra={"scores": {"judge": 0.2}, "level": "passage"})
        outcome = polish(server, tmp_path, [raw])
    (record,) = outcome.kept
    assert "scores" not in record.extra and record.extra["level"] == "passage"  # the score was another answer's
    assert record.golden == better.removeprefix("润色后的回答：")
    assert record.extra["before_polish"] == RAW and outcome.counts == {"polished": 1}
    assert outcome.examples == [("polished", RAW, record.golden)]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("50000元按3%计算，一年的利息是1000元；存满3个月后才能支取，可联系客服95xxx。", "kept_numbers_changed"),
        ("按2%计算，一年的利息是1000元；存满3个月后才能支取，可联系客服95xxx。", "kept_numbers_changed"),
        (RAW, "kept_same"),
        ("好的。", "kept_length"),
        ("很抱歉，我无法帮助您润色这段文字。", "kept_refused"),
        (("50000元按2%", "length"), "kept_cut_off"),
    ],
)
def test_the_original_stays_where_it_was_not_kept_to(tmp_path, text, count):
    with chat_server(answer=lambda body: text) as server:
        outcome = polish(server, tmp_path, [pair("利息多少？", RAW, id="a")])
    assert outcome.kept == [pair("利息多少？", RAW, id="a")] and outcome.counts == {count: 1}


def test_earlier_turns_and_records_without_an_answer_are_left_alone(tmp_path):
    with chat_server(answer=lambda body: said(body)[:0] + "年利率为2%，按年付息。") as server:
        asked = pair("甲？", "利率2%，年年付。", id="a")
        outcome = polish(server, tmp_path, [asked.prompt(), asked])
    assert outcome.kept[0] == asked.prompt() and outcome.kept[1].golden == "年利率为2%，按年付息。"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("收取千分之五的费用", "收取0.5%的费用"), ("贷款1.2亿元", "贷款12000万元"), ("3年后", "36个月后"),
        ("下降6.8%", "-6.8%"), ("条件有：年满18周岁；有收入", "1. 年满18周岁\n2. 有收入"),
        ("2024年3月1日", "2024-03-01"),
        ("有两种办法", "有2种办法"),
    ],
)  # fmt: skip
def test_the_same_number_in_another_spelling_is_the_same(before, after):
    assert changed(before, after) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("股票代码600519", "股票代码600518"), ("利率上升0.5%", "利率下降0.5%"), ("3个月", "3年"), ("3万元", "3万美元"),
        ("最多3个账户", "最多5个账户"), ("依据《保险法》第16条", "依据《保险法》第19条"),
        ("2024年3月1日", "2024年3月10日"),
        ("收费2元", "收费2元，每月封顶20元"), ("拨打12345678", "拨打12345679"),
    ],
)  # fmt: skip
def test_another_number_is_seen(before, after):
    assert changed(before, after)
