"""Wording that Chinese financial regulation forbids in answers to customers: promises of gain, tips, unlawful help.

Where the sentence denies, forbids, warns of or asks about what it names, it is right: 不得承诺保本, 谨防稳赚不赔的骗局.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cornucopia.records.quality.rule import GOOD, SENTENCE, Finding, Said, snippet


@dataclass(frozen=True)
class _Wording:
    name: str
    pattern: re.Pattern[str]
    score: float


_SURE = r"(?:保证|承诺|确保|担保|包)"
_WORDINGS = (
    _Wording(
        "承诺收益",
        re.compile(
            rf"保本(?:又|且|并|、)?保(?:收益|息)|{_SURE}(?:您|你|客户|投资者|投资人)?的?(?:本金|收益(?![:：])|盈利|回报|赚钱|获利|赚|兑付)(?!型|类|账户|利率|的?真实|的?准确|不低于?零|率)|"
            r"(?:稳|只|包)赚(?:不(?:赔|亏)|钱)?|(?:绝对|肯定|一定|必定|必然|百分之百|100%)(?:会|能)?(?:赚钱?|盈利|翻倍|上涨|大涨|不会?亏|安全|保本)|"
            r"(?:零|没有任何|毫无|完全没有|绝无)风险|无风险(?:的?(?:高收益|投资|赚钱|获利|理财))|稳赚|旱涝保收|只涨不跌"
        ),
        0.0,
    ),
    _Wording(
        "荐股或代客操作",
        re.compile(
            r"(?:内幕|内部|小道)消息|带(?:你|您|大家)(?:一起)?(?:赚钱|炒股|买股|操作|布局)|跟(?:着)?我(?:买|操作|做)|代客(?:理财|操盘|操作)|"
            r"(?:黑马|牛|妖|涨停)股(?:推荐|代码|名单)|(?:立即|马上|果断|大胆|闭眼|无脑)(?:买入|全仓|满仓|重仓|加仓|抄底|上车)|(?:建议|推荐)(?:您|你|大家)?(?:全仓|满仓|梭哈|借钱|贷款|加杠杆)(?:买|炒|投)?"
        ),
        0.1,
    ),
    _Wording(
        "拉人",
        re.compile(
            r"(?:加|添加)(?:我|老师|助理|客服|经理)(?:的)?(?:微信|QQ|qq|VX|vx|V信|钉钉)|(?:微信|QQ|qq|vx|VX)(?:号码?)?\s*[:：]\s*[A-Za-z\d_-]{5,}|(?:QQ|qq)\s*(?:群|号)?\s*\d{6,}|(?:扫码|免费)进群|低佣(?:金)?开户|万[一1零点0.]+\d?(?:免五|开户)"
        ),
        0.2,
    ),
    _Wording(
        "教人违法违规",
        re.compile(
            r"(?:可以|建议|(?<!可)能够?|不妨|帮(?:您|你))[^，。；\n]{0,12}(?:套现|逃税|偷税|虚开发票|代开发票|洗钱|骗保|伪造|虚构(?:材料|流水)|隐瞒病史)"
        ),
        0.1,
    ),
)
# Within the sentence: it is spoken of, not said.
_SPOKEN_OF = re.compile(
    r"骗|诈|警惕|谨防|提防|当心|小心|违规|违法|非法|涉嫌|虚假|误导|夸大|宣称|号称|声称|自称|所谓|打着|标榜|鼓吹|诱|禁止|不得|严禁|不准|不允许|不应|不宜|不可能|"
    r"别信|勿信|不可信|不要相信|切勿|千万|拒绝|远离|举报|投诉|处罚|红线|刚性兑付|打破|吗|是否|能否|会不会|是不是|有没有|如果|凡是|任何[^，。]{0,12}都|误区|误以为|以为|陷阱|承担[^，。]{0,6}责任|构成|罪|本质是|盗刷|追责|冻结|后果"
)
# Before the words, in their own clause.
_DENIED = re.compile(
    r"(?:不|没|無|无|非|勿|未|别|难以|并非|谈不上|不存在|而不是|不等于|不代表|不意味|≠|等于|相当于)[^，。；,;]{0,14}\Z"
)
_DENIED_AFTER = re.compile(
    r"\A[^。；，]{0,10}(?:谈不上|是不|不存在|不可|不能|并不|都不|没有|是假|是错|等说法|等字|的说法|的承诺|字样|的宣传)"
)
_QUOTED = re.compile(r"[“「『\"'‘《【][^“”「」\n]{0,14}\Z")
_CREDIT = re.compile(
    r"(?:保险|保单|赔付|理赔|债券|担保|抵押|年金|养老金|存款|国债|质押|借款|贷款|保底|基础)[^，。；]{0,10}\Z"
)


def compliance(said: Said) -> Finding | None:
    """The worst wording of the answer that is meant as it stands."""
    worst = GOOD
    for wording in _WORDINGS:
        for found in wording.pattern.finditer(said.answer):
            if wording.score < worst.score and _is_meant(said.answer, *found.span(), wording):
                worst = Finding(wording.score, f"{wording.name}「{snippet(said.answer, *found.span())}」")
                break
    return worst


def _is_meant(text: str, start: int, end: int, wording: _Wording) -> bool:
    first, last = _sentence(text, start)
    if _SPOKEN_OF.search(text, first, last):
        return False
    clause = max((text.rfind(mark, first, start) for mark in "，,；;：:"), default=first - 1) + 1
    before = text[max(clause, first) : start]
    if _DENIED.search(before) or _DENIED_AFTER.match(text[end:last]) or _QUOTED.search(text[first:start]):
        return False
    return not (wording.score == 0 and text[start:end].startswith(("保证", "担保", "确保")) and _CREDIT.search(before))


def _sentence(text: str, at: int) -> tuple[int, int]:
    first = max(text.rfind(mark, 0, at) for mark in "。！？!?\n") + 1
    match = SENTENCE.match(text, first)
    return first, match.end() if match else len(text)
