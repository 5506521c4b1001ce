"""Draws a slot's value and says it as people do: 20万, 二十万元, 4.9%, 百分之四点九, 30年, 三十年."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from cornucopia.finance.decimals import plain
from cornucopia.finance.numerals import write_numeral


@dataclass(frozen=True)
class Slot:
    """One place in a phrasing.

    Args:
        kind: money, rate, months, term, int, number, numbers, day or choice.
        words: the rest of its line in phrasings.yaml.
    """

    kind: str
    words: tuple[str, ...]

    @property
    def choices(self) -> dict[str, str]:
        """Spoken word -> value of a choice."""
        return dict(word.split("=") for word in self.words)


def parse_slot(line: str) -> Slot:
    """A slot of phrasings.yaml."""
    kind, *words = str(line).split()
    return Slot(kind, tuple(words))


def draw(slot: Slot, drawn: Mapping[str, str], random: Random) -> tuple[str, str]:
    """(value, spoken) of a slot; the value is what the calculator's Config reads, `drawn` the values so far."""
    if slot.kind == "choice":
        spoken = random.choice(list(slot.choices))
        return slot.choices[spoken], spoken
    if slot.kind == "term":
        months = random.choice(slot.words)
        return months, say_months(Decimal(months), random)
    if slot.kind == "day":
        day = _day(slot, drawn, random)
        return day.isoformat(), say_day(day, random)
    if slot.kind == "numbers":
        count, *limits = slot.words
        numbers = [plain(_decimal(limits, random)) for _ in range(int(count))]
        return ",".join(numbers), "、".join(numbers)
    number = _decimal(slot.words, random)
    return plain(number), SAY[slot.kind](number, random)


def _decimal(limits: list[str] | tuple[str, ...], random: Random) -> Decimal:
    low, high, step = map(Decimal, limits)
    span = int((high - low) / step)
    # Squaring favours small values: customers ask about 20万 more often than about 200万.
    position = random.random() ** (2 if span > 100 and high > low * 20 else 1)
    return low + step * round(position * span)


def _day(slot: Slot, drawn: Mapping[str, str], random: Random) -> datetime.date:
    if "+" in slot.words:
        other, _, low, high = slot.words
        start = datetime.date.fromisoformat(drawn[other])
        return start + datetime.timedelta(days=random.randint(int(low), int(high)))
    first, last = map(datetime.date.fromisoformat, slot.words)
    return first + datetime.timedelta(days=random.randint(0, (last - first).days))


def say_money(amount: Decimal, random: Random) -> str:
    """200000 as 20万, 20万元, 200000元, 200,000元, 二十万, 二十万元."""
    ways = [f"{plain(amount)}元", f"{amount:,.2f}元".replace(".00元", "元"), f"{plain(amount)}块钱"]
    if amount >= 10000 and amount % 1000 == 0:
        short = f"{plain(amount / 10000)}万"
        ways = [*ways, short, f"{short}元", short, f"{short}块"]
    if amount % 100 == 0:
        ways += [write_numeral(amount) + "元", write_numeral(amount) + "块"]
    return random.choice(ways)


def say_rate(rate: Decimal, random: Random) -> str:
    """0.049 as 4.9%, ４.９％, 百分之四点九; 0.0005 also as 万分之五, 0.005 as 千分之五 or 5‰."""
    ways = [f"{plain(rate * 100)}%"] * 3 + [f"{plain(rate * 100)}％", f"百分之{write_numeral(rate * 100)}"]
    if Decimal("0.001") <= rate < Decimal("0.01"):
        ways += [f"千分之{write_numeral(rate * 1000)}", f"千分之{plain(rate * 1000)}", f"{plain(rate * 1000)}‰"]
    if 0 < rate < Decimal("0.001"):
        ways += [f"万分之{write_numeral(rate * 10000)}", f"万分之{plain(rate * 10000)}"] * 2
    return random.choice(ways)


def say_months(months: Decimal, random: Random) -> str:
    """360 as 30年, 三十年, 360个月."""
    ways = [f"{plain(months)}个月"]
    if months % 12 == 0:
        ways += [f"{plain(months / 12)}年"] * 3 + ["两年" if months == 24 else f"{write_numeral(months / 12)}年"]
    elif months % 6 == 0:
        whole = int(months // 12)
        ways += [f"{write_numeral(whole)}年半" if whole else "半年"]
    return random.choice(ways)


def say_plain(number: Decimal, random: Random) -> str:
    """Digits as they are."""
    return plain(number)


def say_day(day: datetime.date, random: Random) -> str:
    """2024年3月30日, 2024-03-30 or 2024/3/30."""
    return random.choice(
        [f"{day.year}年{day.month}月{day.day}日"] * 2 + [day.isoformat(), f"{day.year}/{day.month}/{day.day}"]
    )


SAY = {"money": say_money, "rate": say_rate, "months": say_months, "int": say_plain, "number": say_plain}
