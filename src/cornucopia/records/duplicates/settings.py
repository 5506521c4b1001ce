"""The settings of `deduplicate`, and the numbers that follow from them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from cornucopia.core.config import Config, option

SLOTS = 128  # of a MinHash signature
CHANCE = 1 / 16  # two slots of unlike texts are equal in the four bits kept
_FOUND = 0.99  # share of pairs just at the threshold that must share a band


class DeduplicateConfig(Config):
    """`deduplicate`"""

    scope: Literal["question", "question+answer", "answer", "text"] = option(
        "question",
        "比较什么：question 提问、question+answer、answer、text 全文；前两种要材料与前文相同才算近似；文档总是比全文",
    )
    near: bool = option(True, "是否去近似重复；false 只去完全重复（忽略标点、空白、全半角、大小写）")
    threshold: float = option(0.8, "字符 n 元组的 Jaccard 相似度达到多少算近似重复", gt=0, le=1)
    gram: int = option(5, "近似比较用几个字的 n 元组", ge=1, le=32)
    numbers: bool = option(True, "数字（含中文数字）不同的不算近似重复：「3 个月」与「6 个月」是两个问题")
    keep: Literal["all", "first", "longest", "best"] = option(
        "all", "同题不同答留哪些：all 全留、first 最先的、longest 回答最长的、best 评分最高的；都列进冲突文件"
    )
    score: str = option("quality", "重复的几条里留评分最高的：用 extra.scores 里的哪一项；没有评分就留最先的")
    against: list[Path] = option(
        [], "已有的数据文件：与它们重复的也去掉（它们的指纹有缓存，再用时不重算）", split="paths"
    )


def rows_a_band(threshold: float) -> int:
    """Slots in a band of the LSH: as many as still let nearly all pairs at the threshold share one (Leskovec, Rajaraman
    and Ullman, "Mining of Massive Datasets", section 3.4)."""
    fitting = [rows for rows in range(1, SLOTS + 1) if 1 - (1 - threshold**rows) ** (SLOTS // rows) >= _FOUND]
    return max(fitting, default=1)


def accepted(threshold: float) -> float:
    """The estimated similarity from which a pair is taken: one standard error below the threshold, so that most pairs
    that just reach it are found."""
    equal = threshold + (1 - threshold) * CHANCE
    return threshold - math.sqrt(equal * (1 - equal) / SLOTS) / (1 - CHANCE)
