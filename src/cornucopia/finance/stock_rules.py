"""A-share trading rules: price limits by board and date, ex-rights price, new-share quota, T+1 days."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.finance import rules
from cornucopia.finance.calculator import Calculator, Result, Value
from cornucopia.finance.decimals import CalculationError, percent, plain, rounded, yuan
from cornucopia.finance.fields import Day, Money, Number, Whole

_BOARDS = {"主板": "main", "创业板": "chinext", "科创板": "star", "北交所": "bse"}
_TICK = Decimal("0.01")


class PriceLimit(Config):
    """A stock on a day."""

    close: Number = option(..., "前收盘价，元", gt=0, le=100000)
    board: Literal["主板", "创业板", "科创板", "北交所"] = option("主板", "板块：主板、创业板、科创板、北交所")
    st: Literal["是", "否"] = option("否", "是不是 ST 或 *ST：是 或 否")
    listed_day: Whole = option(100, "今天是上市后第几个交易日", ge=1)
    on: Day | None = option(None, "日期；不写按最近的规则", aliases=("date",))


class ExRights(Config):
    """A distribution for every 10 shares."""

    close: Number = option(..., "股权登记日收盘价，元", gt=0, le=100000)
    cash: Number = option(Decimal(0), "每10股派现金多少元（税前）", ge=0, le=10000)
    bonus: Number = option(Decimal(0), "每10股送转多少股", ge=0, le=100)
    rights: Number = option(Decimal(0), "每10股配多少股", ge=0, le=100)
    rights_price: Number = option(Decimal(0), "配股价，元", ge=0, le=10000)


class NewShares(Config):
    """Average market value held in one market."""

    value: Money = option(..., "T-2日前20个交易日的日均持有市值（沪、深分开算），元", ge=0, le=Decimal("1e11"))
    ceiling: Whole = option(10**9, "这只新股网上申购上限，股", ge=500)
    on: Day | None = option(None, "申购日期；不写按最近的规则", aliases=("date",))


class NextDay(Config):
    """A purchase on a trading day."""

    bought: Day = option(..., "买入日期")
    holidays: list[Day] = option([], "之后的休市日（周末不用写），逗号分隔")


def price_limit(stock: PriceLimit) -> Result:
    board = _BOARDS[stock.board]
    limit = f"stock.limit_{board}" + ("_st" if stock.st == "是" and board == "main" else "")
    rule = rules.at(limit, stock.on)
    names = [limit]
    if stock.listed_day <= 5:
        free = rules.at(f"stock.free_days_{board}", stock.on)
        if stock.listed_day <= free.value:
            raise CalculationError(
                f"{stock.board}新股上市前{free.value}个交易日不设涨跌幅限制",
                where=free.source,
                found=f"第{stock.listed_day}个交易日",
                fix="没有涨停价和跌停价",
            )
        names.append(free.name)
    up, down = (rounded(stock.close * (1 + sign * rule.value)) for sign in (1, -1))
    up, down = max(up, stock.close + _TICK), max(min(down, stock.close - _TICK), _TICK)
    kind = f"{stock.board}{'ST股票' if stock.st == '是' else '股票'}"
    steps = [
        f"{kind}涨跌幅限制是{percent(rule.value)}，按前收盘价算，四舍五入到分",
        f"涨停价={plain(stock.close)}×(1+{percent(rule.value)})={plain(up)}元",
        f"跌停价={plain(stock.close)}×(1−{percent(rule.value)})={plain(down)}元",
    ]
    return Result({"涨停价": Value(up, "元"), "跌停价": Value(down, "元")}, steps, rules.cite(*names, day=stock.on))


def ex_rights(stock: ExRights) -> Result:
    if not (stock.cash or stock.bonus or stock.rights) or (stock.rights and not stock.rights_price):
        raise CalculationError(
            "没有分配，或配股没有配股价", fix="至少写 --cash、--bonus 或 --rights（配 --rights-price）之一"
        )
    change = (stock.bonus + stock.rights) / 10
    top = stock.close - stock.cash / 10 + stock.rights_price * stock.rights / 10
    if top <= 0:
        raise CalculationError("现金红利不小于股价", found=f"每股派 {plain(stock.cash / 10)} 元", fix="检查 --cash")
    price = rounded(top / (1 + change))
    plan = "".join(
        [
            f"派{plain(stock.cash)}元" if stock.cash else "",
            f"送转{plain(stock.bonus)}股" if stock.bonus else "",
            f"配{plain(stock.rights)}股" if stock.rights else "",
        ]
    )
    steps = [
        f"每10股{plan}，每股红利{plain(stock.cash / 10)}元，股份变动比例{plain(change)}",
        "除权除息参考价=[(收盘价−每股红利)+配股价×配股比例]÷(1+股份变动比例)"
        f"={plain(top)}÷{plain(1 + change)}={plain(price)}元",
        "持有市值加红利不变，不是亏损",
    ]
    return Result(
        {"除权除息参考价": Value(price, "元")}, steps, "沪深交易所交易规则（2023年修订）除权（息）参考价格公式"
    )


def new_shares(holding: NewShares) -> Result:
    rule = rules.at("stock.new_share", holding.on)
    minimum, step, lot = rule.value["minimum"], rule.value["step"], rule.value["lot"]
    units = holding.value // step if holding.value >= minimum else Decimal(0)
    shares = min(units * lot, holding.ceiling // lot * lot)
    steps = [f"沪深两市分开算，日均市值{yuan(holding.value)}，至少要{yuan(minimum)}才能申购"]
    if units:
        steps.append(
            f"每{yuan(step)}一个申购单位：{plain(holding.value)}÷{step}取整={units}个，每个{lot}股，额度{plain(shares)}股"
        )
    else:
        steps.append("市值不够，这个市场的申购额度是0股")
    steps.append("额度只是可申购的上限，要摇号中签才能买到")
    return Result(
        {"可申购股数": Value(Decimal(shares), "股"), "申购单位": Value(Decimal(units), "none")},
        steps,
        rules.cite("stock.new_share", day=holding.on),
    )


def next_trading_day(day: datetime.date, holidays: list[datetime.date]) -> datetime.date:
    """The next day that is neither a weekend nor in `holidays`."""
    day += datetime.timedelta(days=1)
    while day.weekday() >= 5 or day in holidays:
        day += datetime.timedelta(days=1)
    return day


def t_plus_one(order: NextDay) -> Result:
    if order.bought.weekday() >= 5 or order.bought in order.holidays:
        raise CalculationError("买入日不是交易日", found=str(order.bought), fix="检查 --bought")
    sell = next_trading_day(order.bought, order.holidays)
    cash = next_trading_day(sell, order.holidays)
    names = [f"{day.year}年{day.month}月{day.day}日" for day in (order.bought, sell, cash)]
    steps = [
        f"A股当天买入的股票下一个交易日才能卖（T+1），{names[0]}买入",
        f"最早{names[1]}卖出，当天的卖出款可以再买股票",
        f"钱转到银行卡要再等一个交易日，最早{names[2]}",
    ]
    values = {
        name: Value(Decimal(f"{day:%Y%m%d}"), "日期") for name, day in (("最早卖出日", sell), ("最早转出日", cash))
    }
    return Result(values, steps, "沪深交易所交易规则（2023年修订）（当日买入的证券次一交易日起可卖）；资金T+1交收")


CALCULATORS = (
    Calculator(
        "涨跌停", "price-limit", "股票", "按板块和日期的涨停价、跌停价", PriceLimit, price_limit, ("涨停价", "跌停价")
    ),
    Calculator(
        "除权除息", "ex-rights", "股票", "派现、送转、配股后的除权除息参考价", ExRights, ex_rights, ("除权除息参考价",)
    ),
    Calculator("新股额度", "new-shares", "股票", "按市值能申购多少新股", NewShares, new_shares, ("可申购股数",)),
    Calculator("T+1", "t-plus-one", "股票", "今天买入，最早哪天能卖、哪天能转出", NextDay, t_plus_one, ("最早卖出日",)),
)
