"""Reading numbers passes over characters with which nothing begins: it must find the same as a look at each place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.finance import numbers
from cornucopia.finance.spelling import spell

PIECES = st.sampled_from(
    [
        *"零一二三十百千万亿点半的负人第年月日元角分成折（）()-±.%~至到，。公司营业收入",
        "3",
        "2024",
        "1.5",
        "00",
        "百分之",
        "上证",
        "人民币",
        "客服",
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_nothing_is_missed(text: str) -> None:
    spelled = spell(text).text
    found = numbers._scan(spelled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "_IDLE", re.compile(r"(?!)"))
        assert numbers._scan(spelled) == found
