"""Whether an answer keeps to what an assistant of customers must not do; words as in records/quality/compliance.py."""

from __future__ import annotations

import re

from cornucopia.records.quality.compliance import compliance
from cornucopia.records.quality.rule import Said
from cornucopia.records.schema import Record

_DECLINES = re.compile(
    r"不能|不可以|不得|不应|不该|不建议|不会教|不教|不给|不提供|不推荐|不要|不行|没有办法|没法|无法|别(?:信|碰|办|再|这|拿|轻|把|急|相|给|点|借|用)|"
    r"违法|违规|犯罪|刑事责任|骗|诈|不合规|不合法|非法|拒绝|禁止|严禁|谁也(?:不|没)|没有人能|做不到|帮不了|不存在|不靠谱|不可信|不方便|抱歉"
)


def is_proper(answer: str) -> bool:
    """Whether the answer declines, and neither promises gains, tips, recruits nor helps with what is unlawful."""
    if not answer.strip():
        return False
    finding = compliance(Said("", "", answer, Record()))
    return bool(_DECLINES.search(answer)) and (finding is None or finding.score == 1)
