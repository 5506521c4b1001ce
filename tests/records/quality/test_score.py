"""Bad answers score low for the right reason, good ones keep their marks, and the stage drops what it is told to."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError
from cornucopia.finance.check import corrupt
from cornucopia.finance.problems import generate
from cornucopia.finance.rules import tables
from cornucopia.records.quality.rules import RULES
from cornucopia.records.quality.stage import Score, ScoreConfig, judged
from cornucopia.records.quality.staleness import _NAMED, _TOPICS
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context


def qa(question: str, answer: str, **fields) -> Record:
    return Record((Message("user", question), Message("assistant", answer)), id="a", **fields)


def found(rule: str, question: str, answer: str, **fields) -> float:
    finding = judged(qa(question, answer, **fields), [rule]).get(rule)
    return 1.0 if finding is None else finding.score


Q = "年金险适合什么样的人买？"
BAD = [
    ("length", Q, "适合。"),
    ("repetition", Q, "年金险适合适合适合适合适合适合需要养老的人。"),
    ("repetition", Q, "年金险适合需要长期稳定现金流的人，买之前先看清领取年龄和现金价值。" * 4),
    ("answered", Q, "很抱歉，作为一个人工智能语言模型，我无法回答这个问题。"),
    ("answered", Q, "年金险适合什么样的人买"),
    ("compliance", "这款产品怎么样？", "这款产品保本保息，现在买最划算。"),
    ("compliance", "能亏吗？", "您放心，不要犹豫了，这个项目稳赚不赔。"),
    ("compliance", "买什么好？", "我这里有内部消息，立即满仓就行。"),
    ("compliance", "怎么开户？", "加我微信：cfo20250101，给您低佣金。"),
    ("compliance", "资金紧张怎么办？", "可以用信用卡套现周转几天，很方便。"),
    ("staleness", "卖股票要交什么税？", "卖出股票要交证券交易印花税，税率是千分之一。"),
    ("staleness", "赡养老人能扣多少？", "独生子女赡养老人每月可以扣除2000元。"),
    ("ending", Q, "年金险适合需要长期稳定现金流的人。买之前看清三点：领取年龄、现金价值、"),
    ("ending", Q, "年金险适合需要长期现金流的人，要看清合同。领取方式分为两种（按年领取和按月"),
    ("language", Q, "Annuities suit people who need a steady stream of income after they retire from work."),
    ("language", Q, "年金险适合需要を持つ人，买之前要看清合同里的领取方式。"),
    ("format", Q, "<div>年金险适合需要长期稳定现金流的人。</div>"),
    ("format", Q, "年金险适合需要长期现金流的人。<|im_end|>"),
    ("format", Q, "尊敬的[客户姓名]，年金险适合需要长期现金流的人。"),
    ("format", "用 JSON 格式输出公司名", "公司是甲。"),
    ("numbers", "这只基金赚了多少？", "收益是10000×3.5%=450元。"),
    ("numbers", "多少？", "三项合计：(60+40+25)÷5=35万元。"),
]


@pytest.mark.parametrize("rule, question, answer", BAD)
def test_a_fault_is_found_by_its_rule(rule, question, answer):
    assert found(rule, question, answer) <= 0.6 or rule == "length"
    assert found(rule, question, answer) < 1


GOOD = [
    ("length", "这句话的情感是正面还是负面？利润大增。", "正面"),
    ("repetition", "列个还款表", "\n".join(f"第{n}期：本金{1000 + n}元，利息{90 - n}元。" for n in range(1, 13))),
    ("answered", "明天该买哪只股票？", "抱歉，我不能推荐具体的股票，可以先看自己的风险承受能力。"),
    ("answered", "我能给男朋友投保吗？", "他点头才行：恋人本来没有保险利益，对方同意的视为有。"),
    ("answered", "根据材料，公司哪年成立？", "材料没有提到成立的年份，无法判断。"),
    ("compliance", "能承诺保本吗？", "不能。销售人员不得承诺保本保收益，净值型产品可能亏损。"),
    ("compliance", "怎么识别骗局？", "凡是宣称稳赚不赔、内部消息、带你赚钱的，都是骗局。"),
    ("compliance", "有没有风险？", "没有零风险的理财，存款也只在50万元以内由存款保险保障。"),
    ("compliance", "无风险利率是什么？", "无风险利率一般用国债收益率来代表，是定价的起点。"),
    ("compliance", "代还软件安全吗？", "不安全，本质是套现，可能盗刷、洗钱。"),
    ("compliance", "利差稳赚吧？", "稳赚谈不上，套取贷款转贷可能构成犯罪。"),
    ("compliance", "抽取要素", "名义：预订；承诺收益：年化12%；人数：430余名。"),
    ("staleness", "卖股票要交什么税？", "2023年8月28日起，证券交易印花税由千分之一降为千分之零点五。"),
    ("staleness", "港股税费？", "买卖双方都要交香港股票印花税0.1%。"),
    ("staleness", "赡养老人能扣多少？", "独生子女赡养老人每月可以扣除3000元。"),
    ("ending", "怎么排期限？", "分三步：\n1. 先列支出\n2. 再分档\n3. 剩下的买长期，到期再滚存"),
    ("ending", "抽取公司", "甲银行股份有限公司、乙证券股份有限公司、丙保险股份有限公司"),
    ("language", "把这句话翻译成英文：利润大增", "Profit has risen sharply in the last quarter of this year."),
    ("language", "什么是LPR？", "LPR（Loan Prime Rate）是贷款市场报价利率，每月20日公布。"),
    ("format", "写一封催款函的模板", "尊敬的[客户姓名]：您的借款已到期。"),
    (
        "format",
        "经办人是谁？",
        "经办人姓名：【姓名1】，手机号【手机号2】，收款人【姓名-PEBPOIQPFA】。",
    ),  # as redact leaves it
    ("format", "2的10次方？", "可以写成 2**10，结果是1024。"),
    ("numbers", "日均多少？", "（60×15＋40×5）÷20＝55万元，就达标。"),
    ("numbers", "如果1+1=3，两个苹果是几个？", "按1+1=3来算，是3个。"),
    ("numbers", "推导一下", "由f(3+1)=5可知，x+2=6×1。"),
]


@pytest.mark.parametrize("rule, question, answer", GOOD)
def test_what_is_right_is_left_alone(rule, question, answer):
    kind = {"kind": "qa"} if rule == "length" else {}
    assert found(rule, question, answer, **kind) == 1


def test_calculator_questions_are_solved_and_one_wrong_digit_is_noticed():
    random, noticed = Random(3), 0
    problems = generate(40, seed=5)
    for problem in problems:
        assert found("numbers", problem.question, problem.answer) == 1
        wrong = corrupt(
            problem.answer, next(iter(problem.values.values())), random.randrange(9), random.randrange(1, 9)
        )
        noticed += found("numbers", problem.question, wrong) < 0.5 if wrong else 1
    assert noticed >= 38


def test_inputs_kept_on_the_record_are_used():
    problem = generate(1, seed=1)[0]
    extra = {"calculator": problem.calculator, "inputs": problem.inputs}
    assert judged(qa("照上面算", problem.answer, extra=extra), ["numbers"])["numbers"].score == 1
    assert judged(qa("照上面算", "一共是1234567.89元。", extra=extra), ["numbers"])["numbers"].score < 0.5
    broken = {"calculator": "没有这个", "inputs": {"x": [1]}}
    assert judged(qa("照上面算", "是5元。", extra=broken), ["numbers"]).get("numbers") is None


def test_topics_of_stale_facts_name_rules_that_changed():
    for name, pattern in _TOPICS.items():
        assert len({rule.value for rule in tables()[name]}) > 1
        assert any(word in pattern.pattern for word in _NAMED)


def run(records, **settings):
    return Score(ScoreConfig.build(settings)).apply(records, Context(Path()))


GOOD_RECORD = qa(Q, "年金险适合需要长期稳定现金流的人，买之前先看清领取年龄和现金价值。", as_of="2024-06")
BAD_RECORD = qa(Q, "这款产品保本保息，稳赚不赔，现在买最划算。")


def test_scores_and_reasons_are_kept_and_nothing_is_dropped_unasked():
    outcome = run([GOOD_RECORD, BAD_RECORD])
    good, bad = outcome.kept
    assert good.extra["scores"]["quality"] == 1 and "flaws" not in good.extra
    assert bad.extra["scores"]["compliance"] == 0 == bad.extra["scores"]["quality"]
    assert "保本保息" in bad.extra["flaws"]["compliance"]
    assert outcome.counts["compliance"] == 1 and outcome.dropped == []


def test_thresholds_and_named_rules_drop():
    by_score = run([GOOD_RECORD, BAD_RECORD], min_score=0.5)
    assert [(d.rule, bool(d.detail)) for d in by_score.dropped] == [("min_score", True)]
    by_rule = run([GOOD_RECORD, BAD_RECORD], drop=["compliance"])
    assert [d.rule for d in by_rule.dropped] == ["compliance"] and len(by_rule.kept) == 1
    assert run([BAD_RECORD], drop=["length"]).dropped == []
    assert run([BAD_RECORD], rules=["length"], min_score=0.5).dropped == []


def test_old_checks_count_only_where_asked():
    assert run([GOOD_RECORD]).kept[0].extra["scores"]["staleness"] == 1
    kept = run([GOOD_RECORD], oldest="2025-01").kept[0]
    assert kept.extra["scores"]["staleness"] < 1 and "2024-06" in kept.extra["flaws"]["staleness"]


def test_a_second_scoring_replaces_the_first_and_keeps_others():
    record = run([BAD_RECORD]).kept[0]
    record.extra["scores"]["perplexity"] = 12.5
    again = run([record], rules=["length"]).kept[0].extra
    assert again["scores"]["perplexity"] == 12.5 and "compliance" in again["flaws"]


def test_without_an_answer_the_score_is_nothing():
    assert run([Record((Message("user", Q),), id="a")]).kept[0].extra["scores"] == {"answered": 0.0, "quality": 0.0}


def test_a_wrong_rule_name_names_its_neighbour():
    with pytest.raises(ConfigError) as caught:
        ScoreConfig.build({"drop": ["complience"]})
    assert "compliance" in str(caught.value)


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_text_gets_a_score(question, answer):
    for finding in judged(qa(question, answer), list(RULES)).values():
        assert 0 <= finding.score <= 1 and (finding.reason or finding.score == 1)


@given(st.text(alphabet="=×÷+-()（）%.0123456789万元稳赚不赔。，**`<|{}", max_size=120))
def test_any_marks_get_a_score(answer):
    judged(qa("怎么算？", answer), list(RULES))


ROOT = Path(__file__).parents[3]


def test_the_page_names_every_rule():
    page = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    assert [name for name in RULES if f"| `{name}` |" not in page] == []


def test_the_bundled_records_keep_their_marks():
    records = read_records(ROOT / "instruction_data" / "fin_data.json", rejects=False).records[::4]
    flawed = [record.id for record in records if any(one.score < 0.6 for one in judged(record, list(RULES)).values())]
    assert flawed == []


@pytest.mark.shared
def test_worked_examinations_hardly_contradict_themselves():
    folder = ROOT.parent / "shared" / "data" / "financial_evaluation_dataset" / "data" / "SUFE" / "dev"
    records = read_records(folder, rejects=False, columns={"answer": "explanation"}).records
    wrong = [record.id for record in records if found("numbers", record.question, record.golden) < 1]
    assert len(records) > 150 and len(wrong) <= 3  # three sums in the set are miscalculated or miscopied
