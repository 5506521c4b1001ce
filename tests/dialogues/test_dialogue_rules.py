"""Each rule of the dialogues finds the fault that it is there for, and leaves a faultless dialogue alone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import dialogue_rules as rules
from cornucopia.finance.tools import find_tool
from cornucopia.records.schema import Message, Record, ToolCall
from cornucopia.sources.document import Document, Page
from cornucopia.sources.handbook import SEARCH, hits

ARTICLE = Document(
    id="loan/99-made-up", pages=(Page(0, "提前还款须提前10个工作日申请。满一年不收违约金。"),), title="提前还款",
    source="《甲银行贷款办法》（2026年）", media="md", as_of="2026-11",
)  # fmt: skip
TEXTS = {ARTICLE.id: ARTICLE}
QUOTE = "提前还款须提前10个工作日申请。"
LOAN = '{"principal": "100万", "rate": "3%", "months": 360}'
TOOL = find_tool("equal_payment")
PLAIN = "好的，您的意思我明白了，办理以前请先把合同找出来，翻到提前还款那一页看一看。"


def dialogue(*turns, **fields):
    row = {
        "id": "dlg-loan-001", "domain": "贷款", "kind": "consult", "as_of": "2026-11", "origin": "loan.jsonl",
        "source": "《甲银行贷款办法》（2026年）",
        "extra": {"voice": "clerk", "evidence": [{"document": ARTICLE.id, "quote": QUOTE}]},
    }  # fmt: skip
    return Record(turns or good(), **(row | fields))


def good(last=PLAIN):
    asks = "请问您是哪一年签的合同？利率和剩余期限是多少？合同里一般写明了提前还款的条件。"
    said = [asks, f"要提前10个工作日申请，{PLAIN}", PLAIN, last]
    return tuple(
        turn for number, text in enumerate(said)
        for turn in (Message("user", f"第{number}个问题，我有20万元"), Message("assistant", text))
    )  # fmt: skip


def called(result=None, name="equal_payment", arguments=LOAN):
    result = TOOL.call(arguments).text if result is None else result
    call = Message("assistant", "", tool_calls=(ToolCall(name, arguments, "call_1"),))
    answer = Message("tool", result, tool_call_id="call_1", name=name)
    turns = good()
    return dialogue(*turns[:3], call, answer, *turns[3:], tools=(TOOL.schema, SEARCH))


def test_a_faultless_dialogue_has_no_fault():
    assert rules.faults(dialogue(), TEXTS) == []
    assert rules.faults(called(), TEXTS) == []


def test_a_search_gives_back_what_is_cited():
    told = hits([(ARTICLE, QUOTE)])
    assert rules.faults(called(told, "search_handbook", '{"query": "提前还款"}'), TEXTS) == []
    wrong = called(told.replace("10", "5"), "search_handbook", '{"query": "提前还款"}')
    assert "引文不符" in "".join(rules.tool_calls(wrong, TEXTS))


@pytest.mark.parametrize(
    ("rule", "record"),
    [
        ("naming", dialogue(id="dlg-fund-001")),
        ("naming", dialogue(kind="chat")),
        ("naming", dialogue(origin="fund.jsonl")),
        ("naming", dialogue(extra={"voice": "poet"})),
        ("shape", dialogue(*good()[:6])),
        ("shape", dialogue(*good()[:-1])),
        ("shape", dialogue(*good() * 3)),
        ("length", dialogue(*good("可以。"))),
        ("length", dialogue(*good("可以的，您放心。" * 120))),
        ("asking_back", dialogue(*good()[2:], *good()[2:4])),
        ("address", dialogue(*good("你可以直接去网点办理，带上身份证和借款合同，找客户经理就行，别的不用带。"))),
        ("conduct", dialogue(*good("您放心，这款产品稳赚不赔，现在买入以后就不用再看了，到期自动转回账户里。"))),
        ("conduct", dialogue(*good("从走势看，建议您尽快买入这家公司的股票，后面的空间还很大，错过就没有了。"))),
        ("conduct", dialogue(*good("您可以看看 600519 这只股票，它分红比较多，名气也大，很多客户都拿着它。"))),
        ("sources", dialogue(extra={"voice": "clerk"})),
        ("sources", dialogue(source="《乙银行贷款办法》（2026年）")),
        ("sources", dialogue(as_of="2026-12")),
        ("sources", dialogue(extra={"evidence": [{"document": ARTICLE.id, "quote": "没有这句话"}]})),
        ("sources", dialogue(extra={"evidence": [{"document": "loan/none", "quote": QUOTE}]})),
        ("tool_calls", called("月供：1元")),
        ("tool_calls", called(arguments='{"principal": "100万"}', result="月供：1元")),
        ("tool_calls", replace(called(), tools=())),
        ("tool_calls", replace(called(), tools=({"type": "function", "function": {"name": "equal_payment"}},))),
        ("tool_calls", dialogue(tools=(TOOL.schema,))),
        ("numbers", dialogue(*good("违约金按提前还款额的1%收取，您有20万元，先问一问经办的网点再决定还不还。"))),
        ("numbers", dialogue(*good("《乙银行贷款办法》说得很清楚，您可以先去网点问一问，再决定要不要提前还款。"))),
        ("numbers", dialogue(extra={"sums": ["20万元-5万元=15万元"]})),
        ("numbers", dialogue(extra={"sums": ["20万元×10=300万元"]})),
    ],
)  # fmt: skip
def test_a_fault_is_found(rule, record):
    assert list(getattr(rules, rule)(record, TEXTS))


@pytest.mark.parametrize(
    "answer",
    [
        "月供是4216.04元，您的20万元可以先留着应急，等到手里宽裕一些再考虑提前还款也不迟。",
        "这家客服热线是12378，您可以打过去投诉，把合同、流水和录音都准备好，等候书面答复就行。",
        "20万元÷10=2万元，您每次还2万元，分十次还完，每次都要先提出申请，别忘了看好日期。",
    ],
)
def test_a_number_given_or_calculated_is_no_fault(answer):
    record = dialogue(*good(answer))
    named = {"calculations": [{"name": "equal_payment", "arguments": json.loads(LOAN)}]}
    assert not list(rules.numbers(replace(record, extra={**record.extra, **named}), TEXTS))


def test_a_sum_named_in_the_record_gives_its_result():
    record = dialogue(*good("一年下来是24万元，您的20万元还差一些，可以再攒上几个月，或者把期限放长一点。"))
    sums = {"sums": ["20万元×12÷10=24万元"]}
    assert list(rules.numbers(record, TEXTS))
    assert not list(rules.numbers(replace(record, extra={**record.extra, **sums}), TEXTS))
