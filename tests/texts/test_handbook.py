"""Every handbook article: front matter, length, names, no doubles, no promise of profit."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.finance import rules
from cornucopia.finance.decimals import percent, plain
from cornucopia.finance.tax import tax_on
from cornucopia.records.overlap import near_duplicates
from cornucopia.records.schema import Record

HANDBOOK = Path(__file__).resolve().parents[2] / "handbook"
DOMAINS = {
    "credit-card": "信用卡与支付", "fund": "基金", "insurance": "保险", "loan": "贷款",
    "social-security": "社保与公积金", "stock": "股票", "tax-bond-macro": "税务债券与宏观", "wealth": "理财与存款",
}  # fmt: skip
PER_FOLDER = 35
MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
DATE = re.compile(r"(19|20)\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")  # a year alone where no month is known
HAN = re.compile(r"[一-鿿]")

PROMISE = re.compile("保证(收益|赚|盈利)|稳赚|包赚|保赚|稳赢|必涨|只涨不跌|零风险|毫无风险|刚性兑付|保本保息|躺赚")
# A promise may be named in order to refuse it: in quotation marks, or in a sentence that denies, forbids or warns.
QUOTED = re.compile("「[^「」]*」|『[^『』]*』|“[^“”]*”")
DENIED = re.compile("不|没有|并非|别|禁止|严禁|违规|违法|骗|拒绝|打破|警惕")


def promises(text: str) -> list[str]:
    """Sentences that promise profit or safety in the text's own voice."""
    sentences = re.split("[。！？；\n]", text)
    return [s.strip() for s in sentences if PROMISE.search(QUOTED.sub("", s)) and not DENIED.search(s)]


def read(path: Path) -> tuple[dict, str]:
    """Front matter and body."""
    opening, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert opening == "", f"{path} does not begin with front matter"
    return yaml.safe_load(front), body


@pytest.fixture(scope="module")
def articles():
    """Path within the handbook -> (front matter, body)."""
    return {path.relative_to(HANDBOOK): read(path) for path in sorted(HANDBOOK.glob("*/*.md"))}


def test_every_domain_has_its_numbered_articles(articles):
    assert {path.parts[0] for path in articles} == set(DOMAINS)
    for folder in DOMAINS:
        names = [path.name for path in articles if path.parts[0] == folder]
        assert all(re.fullmatch(r"\d\d-[a-z0-9]+(-[a-z0-9]+)*\.md", name) for name in names), names
        assert sorted(int(name[:2]) for name in names) == list(range(1, len(names) + 1)), folder
        assert len(names) >= PER_FOLDER, folder
    assert len(articles) >= 280


def test_nothing_else_lies_in_a_domain_folder(articles):
    files = {path.relative_to(HANDBOOK) for folder in DOMAINS for path in (HANDBOOK / folder).rglob("*")}
    assert files == set(articles)


def test_front_matter_is_whole(articles):
    for path, (front, _) in articles.items():
        assert set(front) == {"title", "domain", "keywords", "sources", "as_of"}, path
        assert front["domain"] == DOMAINS[path.parts[0]], path
        assert isinstance(front["title"], str) and front["title"].strip(), path
        assert len(front["keywords"]) >= 2 and all(isinstance(w, str) and w.strip() for w in front["keywords"]), path
        assert MONTH.fullmatch(str(front["as_of"])), path
    titles = [front["title"] for front, _ in articles.values()]
    assert len(set(titles)) == len(titles)


def test_every_source_has_a_name_and_a_date_before_the_article(articles):
    for path, (front, _) in articles.items():
        assert front["sources"], path
        for source in front["sources"]:
            assert set(source) <= {"name", "number", "date", "article", "note", "url"}, (path, set(source))
            assert source["name"].strip() and DATE.fullmatch(str(source["date"])), (path, source)
            assert str(source["date"])[:7] <= front["as_of"], (path, source)


def test_length_and_markdown(articles):
    for path, (_, body) in articles.items():
        assert 500 <= len(HAN.findall(body)) <= 1000, (path, len(HAN.findall(body)))
        assert not re.search("�|TODO|待补|作为(一个)?AI|<[a-z]+>", body), path
        assert body.endswith("\n") and not re.search(r"^# ", body, re.M), path


def test_articles_address_the_reader_in_one_way(articles):
    spoken = "wealth/16-verify-product.md"  # a bank's question to a customer, word for word
    assert [str(path) for path, (_, body) in articles.items() if "您" in body] == [spoken]


def test_no_article_repeats_another(articles):
    names = list(articles)
    pairs = near_duplicates([Record(text=body) for _, body in articles.values()], threshold=0.2)
    assert not pairs, [(str(names[pair.left]), str(names[pair.right]), pair.similarity) for pair in pairs]


def _day(date):
    return f"{date.year}年{date.month}月{date.day}日"


def _sayings():
    """Article -> what it has to say if it agrees with the calculators' rule tables."""
    warned = rules.at("stock.limit_main_st")
    tiers = rules.at("bank.fund_redemption_floor").value
    months = rules.at("social.payout_months").value
    fund, shares = rules.at("social.housing_fund").value, rules.at("stock.new_share").value
    brackets = rules.at("tax.annual_brackets").value
    return {
        "fund/03-short-holding-fee": [f"少于{days}日不低于{percent(rate)}" for days, rate in tiers],
        "social-security/12-pension-formula": [f"{age}岁{months[age]}" for age in (50, 55, 58, 60, 61, 62, 63, 65)],
        "social-security/31-housing-fund-contribution": [f"不低于{percent(fund['floor'])}", percent(fund["ceiling"])],
        "stock/03-price-limits": [f"从{_day(warned.valid_from)}起也是{percent(warned.value)}"],
        "stock/05-trading-fees": [percent(rules.at(f"stock.{name}").value) for name in ("stamp_duty", "transfer_fee")],
        "stock/14-ipo-subscription": [f"每{shares['step']}元市值", f"一个单位是{shares['lot']}股"],
        "tax-bond-macro/01-personal-income-tax-rates": [
            f"{plain(low / 10000)}万到{plain(high / 10000)}万元{percent(rate)}"
            for (low, _, _), (high, rate, _) in pairwise(brackets)
            if high
        ],
        "tax-bond-macro/03-special-deductions-family": [
            f"少交{plain(tax_on(Decimal(200_000), brackets) - tax_on(Decimal(152_000), brackets))}元",
            f"最多也只省{plain(tax_on(brackets[0][0], brackets))}元",  # the whole of the first bracket
        ],
        "stock/19-st-stocks": [f"{_day(warned.valid_from)}起由5%放宽到{percent(warned.value)}"],
        "tax-bond-macro/10-personal-pension-tax": [percent(rules.at("tax.private_pension").value["rate"])],
    }


def test_handbook_and_rule_tables_agree(articles):
    for name, sayings in _sayings().items():
        body = articles[Path(f"{name}.md")][1]
        missing = [saying for saying in sayings if saying not in body]
        assert not missing, (name, missing)


def test_no_article_promises_profit(articles):
    found = {str(path): promises(body) for path, (_, body) in articles.items() if promises(body)}
    assert not found


@pytest.mark.parametrize("text", ["这只基金稳赚。", "买它零风险，收益高。", "不用担心。本产品保证收益！"])
def test_a_promise_is_found(text):
    assert promises(text)


@pytest.mark.parametrize("text", ["它不保证收益。", "听到「稳赚」就挂电话。", "承诺保本保息的都是骗局。"])
def test_a_promise_refused_or_quoted_is_none(text):
    assert not promises(text)


@given(st.text(alphabet="稳赚保证收益不「」。，\n好", max_size=40))
def test_a_promise_hides_behind_no_other_sentence(text):
    clean = text.replace("「", "").replace("」", "")
    assert "这个稳赚" in "".join(promises(f"{clean}。这个稳赚。{clean}"))
