"""Chinese numbers: what must be read, what must not, and render -> read on generated numbers."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.finance.numbers import read_numbers
from cornucopia.finance.numerals import read_numeral, write_numeral
from cornucopia.finance.spoken import SAY, say_day

READ = [
    ("12,345.67元", "12345.67", "元"), ("３．５％", "0.035", "比例"), ("千分之五", "0.005", "比例"),
    ("百分之三点五", "0.035", "比例"), ("万分之二点五", "0.00025", "比例"), ("20万", "200000", "none"),
    ("1.2亿", "120000000", "none"), ("三成", "0.3", "比例"), ("三成五", "0.35", "比例"), ("八五折", "0.85", "比例"),
    ("二十五万", "250000", "none"), ("一千零五十", "1050", "none"), ("25个BP", "0.0025", "比例"),
    ("25bp", "0.0025", "比例"), ("25个基点", "0.0025", "比例"), ("0.25个百分点", "0.0025", "比例"),
    ("2024年3月1日", "20240301", "日期"), ("2024-03-01", "20240301", "日期"), ("2024年3月", "202403", "日期"),
    ("二〇二四年三月", "202403", "日期"), ("2024年", "2024", "日期"), ("半年", "0.5", "年"), ("三年半", "3.5", "年"),
    ("一个半月", "1.5", "月"), ("36个月", "36", "月"), ("7天", "7", "日"), ("三块五", "3.5", "元"),
    ("3元5角2分", "3.52", "元"), ("三万五", "35000", "none"), ("3万5", "35000", "none"), ("一百五", "150", "none"),
    ("1亿2000万元", "120000000", "元"), ("十二万五千块", "125000", "元"), ("３，４００元", "3400", "元"),
    ("-3.5%", "-0.035", "比例"), ("负百分之三", "-0.03", "比例"), ("5手", "500", "股"), ("100份", "100", "份"),
    ("1.5倍", "1.5", "倍"), ("四分之三", "0.75", "比例"), ("¥100", "100", "元"), ("5‰", "0.005", "比例"),
    ("壹佰贰拾元", "120", "元"), ("两千三", "2300", "none"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value", "unit"), READ)
def test_reads(text: str, value: str, unit: str) -> None:
    found = read_numbers(f"答：{text}，谢谢")
    assert [(one.value, one.unit) for one in found] == [(Decimal(value), unit)]
    assert found[0].span == (2, 2 + len(text))


@pytest.mark.parametrize("text", ["万一一般百分比，千万别一定", "第3年", "第三个月", "五险一金", "十分统一", "A1条款"])
def test_words_are_not_numbers(text: str) -> None:
    assert read_numbers(text) == []


@pytest.mark.parametrize(
    ("text", "low", "high", "unit"),
    [("3%~5%", "0.03", "0.05", "比例"), ("3到5年", "3", "5", "年"), ("3-5万元", "30000", "50000", "元"),
     ("百分之三十到百分之四十", "0.3", "0.4", "比例"), ("10%-20%", "0.1", "0.2", "比例")],
)  # fmt: skip
def test_ranges(text: str, low: str, high: str, unit: str) -> None:
    found = [(one.value, one.unit, one.part) for one in read_numbers(text)]
    assert found == [(Decimal(low), unit, "low"), (Decimal(high), unit, "high")]


def test_step_is_the_last_digit_written() -> None:
    steps = {"5307.27元": "0.01", "0.53万元": "100", "20万": "10000", "3.53%": "0.0001", "三十年": "1"}
    for text, step in steps.items():
        assert read_numbers(text)[0].step == Decimal(step)


def test_arithmetic_keeps_its_signs_apart() -> None:
    found = [str(one.value) for one in read_numbers("(1+0.4083%)^360−1=3.336，2462−1200=1262元")]
    assert found == ["1", "0.004083", "360", "1", "3.336", "2462", "1200", "1262"]


SPELLED = [
    (r"4.9\%", "0.049", "比例"), ("5{,}307.27", "5307.27", "none"), (r"\$5,307.27", "5307.27", "元"),
    (r"$\frac{1}{4}$", "0.25", "比例"), (r"6.8\text{万元}", "68000", "元"), (r"$-4.9\%$", "-0.049", "比例"),
    ("1.36 亿", "136000000", "none"), ("2个亿", "200000000", "none"), ("3个点", "0.03", "比例"),
    ("2.3pct", "0.023", "比例"),
    ("1.2e6", "1200000", "none"), ("1.2×10^6", "1200000", "none"), ("3万5千", "35000", "none"),
    ("壹佰万元整", "1000000", "元"),
    ("5\u2009307.27元", "5307.27", "元"), ("5，307.27元", "5307.27", "元"), ("5’307.27", "5307.27", "none"),
    ("2026 年 3 月 1 日", "20260301", "日期"), ("2026.3.1", "20260301", "日期"), ("20260301", "20260301", "日期"),
    ("3月1日", "301", "日期"), ("61岁5个月", "737", "月"), ("**6.8**%", "0.068", "比例"), ("1/4", "0.25", "比例"),
    ("—1.9%", "-0.019", "比例"), ("－4.1%", "-0.041", "比例"), ("‒4.1%", "-0.041", "比例"),
    ("负的3%", "-0.03", "比例"),
    ("(860.5)万元", "-8605000", "元"), ("（1,860.50）", "-1860.50", "none"), ("-¥100", "-100", "元"),
    ("▼3%", "-0.03", "比例"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value", "unit"), SPELLED)
def test_spellings(text: str, value: str, unit: str) -> None:
    found = read_numbers(f"即：{text}。")
    assert [(one.value, one.unit) for one in found] == [(Decimal(value), unit)]


@pytest.mark.parametrize(
    "text",
    ["3:2", "比分 3：2", "贵州茅台（600519）", "600519.SH", "第3-5条", "GB/T 32152-2015", "客服热线95588",
     "沪深300指数",
     "138-0000-1234", "卡号6222020000001234567", "10w元", "v1.2.3", "Ⅲ级①②", "国发〔2005〕38号", "T+1", "M2",
     "1️⃣2️⃣",
     "10²", "14:30", "000001"],
)  # fmt: skip
def test_codes_are_skipped_whole(text: str) -> None:
    assert read_numbers(f"关于{text}的说明") == []


@pytest.mark.parametrize(
    ("text", "signed"),
    [("同比-6.8%", "-0.068"), ("同比下降6.8%", "-0.068"), ("下降-6.8%", "-0.068"), ("降至6.8%", "0.068"),
     ("增幅为-3%", "-0.03"),
     ("增长6.8%", "0.068"), ("6.8%的降幅", "-0.068"), ("亏损额为3万元", "-30000"), ("沪指跌近1%", "-0.01"),
     ("A组-3%", "-0.03"),
     ("跌幅扩大至3%", "-0.03"), ("收益-成本=3%", "0.03"), ("- 6.8%是上限", "0.068"), ("LPR减30BP", "-0.003"),
     ("LPR-30BP", "-0.003"), ("至少100元", "100"), ("比去年少100元", "-100"), ("最低1%", "0.01")],
)  # fmt: skip
def test_signs(text: str, signed: str) -> None:
    assert [one.signed for one in read_numbers(text)] == [Decimal(signed)]


@given(st.integers(0, 10**12 - 1))
def test_numerals_come_back(number: int) -> None:
    assert read_numeral(write_numeral(number)) == number


@given(
    st.sampled_from(["money", "rate", "months"]),
    st.integers(1, 9_999_999),
    st.integers(0, 4),
    st.randoms(use_true_random=False),
)
@settings(max_examples=300)
def test_spoken_numbers_come_back(kind: str, number: int, places: int, random: object) -> None:
    """Every spelling the problems use, with words around it."""
    value = {"money": Decimal(number).scaleb(-min(places, 2)), "rate": Decimal(number % 9999 + 1).scaleb(-5),
             "months": Decimal(number % 600 + 1)}[kind]  # fmt: skip
    text = SAY[kind](value, random)
    found = read_numbers(f"我的情况是{text}，请问")
    assert len(found) == 1, text
    months = found[0].value * (12 if found[0].unit == "年" else 1)
    assert (months if kind == "months" else found[0].value) == value, text


@given(st.dates(datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)), st.randoms(use_true_random=False))
def test_dates_come_back(day: datetime.date, random: object) -> None:
    found = read_numbers(f"于{say_day(day, random)}到期")
    assert [(one.unit, str(one.value)) for one in found] == [("日期", f"{day:%Y%m%d}")]


@given(st.text(alphabet="0123456789.,%‰一二三十百千万亿零点分之元年月日成个到~-（）+×=第半角ａ５，。 ", max_size=40))
@settings(max_examples=400)
def test_never_fails_and_spans_are_in_order(text: str) -> None:
    found = read_numbers(text)
    ends = [0] + [one.span[1] for one in found]
    assert all(start <= one.span[0] < one.span[1] <= len(text) for start, one in zip(ends, found, strict=False))


@pytest.mark.parametrize("part", ["一", "9", "1,", "1-", "(", "$", r"\frac{", "下降", "二三", "１ "])
def test_a_stutter_is_read_without_end_or_harm(part: str) -> None:
    found = read_numbers(part * 1500 + "，共3%")
    assert found[-1].value == Decimal("0.03")


def test_a_number_without_a_leading_zero_may_have_a_scale():
    (found,) = read_numbers("：.5万元")
    assert (found.value, found.unit) == (5000, "元")


@pytest.mark.parametrize(("text", "value"), [("两个亿左右", 2 * 10**8), ("5000円", 5000)])
def test_more_spellings(text, value):
    assert [n.value for n in read_numbers(text)] == [value]
