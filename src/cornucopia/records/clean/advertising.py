"""Advertising and contact details, as they stand in crawled answers about shares and accounts.

What is said about these things stays: how WeChat payments work, what commission brokers charge, official numbers
(95xxx, 12xxx, 400, 800), warnings about fraud. So each pattern needs an invitation or a contact, not a topic.
"""

from __future__ import annotations

import re

from cornucopia.records.clean.clauses import without_clauses
from cornucopia.records.clean.rule import PUBLISHED, Rule

_CHAT = (
    r"(?:[微薇威徽溦维]信|微.信|(?<![A-Za-z])[vV]信|(?<![A-Za-z])(?:[vV][xX]|[wW][xX]|[qQ]{2})(?![A-Za-z])|扣扣|企鹅号)"
)
# An account's name: letters and at least one digit or _, and no name of a product (QQ音乐, 微信Pay2 ...).
_ID = (
    r"(?!(?:[wW]e|[pP]ay|[aA]pp|[iI]os|http|[hH]5|API|api|PC|pc))"
    r"(?=[A-Za-z_-]{0,19}[0-9_])[A-Za-z0-9][A-Za-z0-9_-]{4,19}(?![万亿元年月%])"
)
_OTHERS = r"(?<!我的)(?<!本人)(?<!本人的)"  # what somebody tells of his own account is no advertisement
_ME = r"(?:我|本人|老师|助理|小助手|客服|(?:您的|专属|首席|资深)?(?:客户|理财|投资|专属)?(?:经理|顾问)|投顾)"
_ADD = r"(?:添加|加一?下?|联系|咨询|私)"
_MOBILE = r"1[3-9]\d[ -]?\d{4}[ -]?\d{4}"
_TRADE = r"(?:开户|佣金|两融|融资融券|期权|账户|低佣|费率|投顾|选股|股票|基金|期货|理财|办理)"

PATTERNS: dict[str, tuple[str, ...]] = {
    "加我微信": (
        rf"{_ADD}{_ME}的?(?:个人)?{_CHAT}",
        rf"(?:加|留){_CHAT}(?:号?[：: ]|详|免费|领|咨询|沟通|了解|我|哦|吧|$)",
    ),
    "欢迎加微信": (
        rf"(?:欢迎|请|直接|点击|点我|右上角|左下角|下方|需要)[^，。；]{{0,10}}{_ADD}[^，。；]{{0,6}}{_CHAT}(?!支付|红包|扫)",
    ),
    "加V": (
        r"(?<![增添叠])(?:添加|加)我?[ +➕]*[vVＶ](?![A-Za-z\u2160-\u217f0-9])(?!IP)",
        r"[＋+➕][ ]?[vV](?:我|信|[：:])",
    ),
    "微信号": (rf"{_OTHERS}{_CHAT}(?:号码?|同号|账号|ID|id)?[ ]*[：:是为➕+]?[ ]*{_ID}",),
    "手机号": (
        rf"(?:开户|咨询|报名|业务|预约|联系我|加盟|{_CHAT})[^，。；0-9]{{0,8}}{_MOBILE}",
        rf"{_MOBILE}[ ]*[（(]?(?:{_CHAT})?同(?:号|步|{_CHAT})",
    ),
    "加Q": (r"加我?[qQ][：: ]*[1-9]\d{4,10}(?!\d)",),
    "群号": (
        rf"(?:{_CHAT}|交流|股票|粉丝|学习)群(?:号码?)?[ ]*[：:]?[ ]*[1-9]\d{{4,11}}",
        r"(?:加入|进|加)(?:我们的?|我的?|本)?(?:股票|交流|投资|炒股|学习|粉丝|VIP|微信|QQ)*群(?:[：:]|免费|领取|学习|交流|$)",
    ),
    "扫码": (
        r"(?:扫|识别|长按)[^，。；]{0,12}(?:二维码|码)[^，。；]{0,6}(?:关注|添加|加我|领取|咨询|联系|入群|进群|开户|下载)",
        r"扫码(?:关注|添加|加|进群|入群|领取|咨询|开户)",
    ),
    "点击关注": (
        r"点击(?:上方|下方|右上角|左上角|右下角|头像|蓝字|文末|底部|主页|我的?)[^，。；]{0,14}"
        r"(?:关注|头像|蓝字|微信|咨询|联系|加|链接|主页)",
        r"点击(?:一下)?关注",
        r"点个关注|(?<![\u4e00-\u9fff])点关注",
        r"(?:关注|搜索)(?:我们?的?|本|下方|上方|右上角)[^，。；]{0,10}(?:公众号|头像|微信|账号)|关注我们?[哦吧呀]?$",
        r"(?:求|点个?)(?:关注|赞)(?:支持|哦|吧|$)",
    ),
    "开户链接": (
        r"开户(?:链接|二维码|通道|地址)[^，。；]{0,6}(?:[：:]|如下|发给?您|发你|找我|领取|点击|见下)",
        r"(?:点击|通过)[^，。；]{0,6}(?:下方|下面|我的|专属|以下)[^，。；]{0,4}链接[^，。；]{0,6}(?:开户|办理|领取|注册)",
    ),
    "联系我开户": (
        rf"{_TRADE}[^。；]{{0,24}}(?:联系|找|私信|咨询|加|点)(?:我|本人)(?:[^，。；]{{0,2}}(?:[，,。！!~]|$)|{_TRADE}|申请|领取)",
        rf"(?:联系|找|私信|咨询)(?:我|本人)[^，。；]{{0,10}}{_TRADE}",
    ),
    "佣金优惠": (
        r"(?:我司|我们(?:公司|营业部|的)?(?=佣)|我们(?:公司|营业部)|我这(?:里|边)?|本营业部)[^。；]{0,20}佣金[^。；]{0,10}(?:万|低|优惠|成本|可谈|调)",
        r"佣金(?:超低|可谈|面谈|可以谈)",
        r"(?:超低|VIP|vip|内部|专属|成本价|全网最低)佣金",
        r"(?:给|帮|为)您[^，。；]{0,8}(?:调|降|申请)[^，。；]{0,4}(?:低|优惠)?[^，。；]{0,3}佣金",
    ),
    "免费领取": (
        r"(?:免费|限时)(?:领取?|赠送|送|诊股|荐股)[^，。；]{0,14}(?:资料|课程|牛股|金股|干货|指标|软件|名额|股票池)",
        r"免费(?:诊股|荐股)[^，。；]{0,6}(?:点|加|扫|联系|进)",
    ),
    "私信": (r"(?:欢迎|可以?|请|随时|直接)?(?:私信|私聊|滴滴|戳)(?:我|老师|小编|本人|主页|博主)",),
    "客户经理自荐": (
        r"我(?:是|司是|们是)[^。；]{2,24}(?:客户经理|投资顾问|投顾|理财经理|营业部)[^。；]{0,30}"
        rf"(?:联系|{_CHAT}|开户|服务|咨询)",
    ),
    "二维码关注": (r"(?:微信)?扫描?二维码[^，。；\n]{0,4}(?:分享|关注)[^，。；\n]{0,16}",),
}
_AD = re.compile("|".join(pattern for patterns in PATTERNS.values() for pattern in patterns))
# A sentence that warns of such things, or speaks about them, is no advertisement.
_SPARED = re.compile(
    r"不要|不得|不可|切勿|请勿|莫|谨防|警惕|小心|当心|避免|防范|诈骗|骗|陌生|不明|非法|违规|违法|禁止|严禁|冒充|假冒|虚假|"
    r"套路|话术|举报|被盗|泄露|聊天|反诈|警方|公安|监管|证监会|是不是|靠谱吗|可信吗"
)

# What one of the patterns needs: literal beginnings only, which are searched many times faster than the patterns.
_PHRASES = (
    r"微信|薇信|威信|徽信|溦信|维信|微.信|v信|V信|vx|vX|Vx|VX|wx|wX|Wx|WX|"
    r"qq|qQ|Qq|QQ|扣扣|企鹅号|加我|加[ +➕]?[vVＶ]|加[qQ]|"
    r""
    r"＋ ?[vV]|\+ ?[vV]|➕ ?[vV]|群[号：: 0-9免领学交\n\uffff]|群\Z|"
    r"二维码|扫码[^，。；]{0,6}[关添加领咨联入进开下]|关注[我们本下上右支哦吧]|点击[上下左右头蓝文底主我一关]|"
    r"点个|点关注|搜索[我本]|求[关赞]|开户[链二通地]|链接|联系[我本]|找[我本]|咨询[我本]|加本人|点我|点本人|私信|私聊|滴滴|戳[我老]|佣金超|佣金可|佣金面|超低佣|VIP佣|vip佣|内部佣|专属佣|成本价佣|最低佣|给您|帮您|为您|我这|"
    r"本营业|我们公司|我们营业|我们的?佣|"
    r"免费[领送赠诊荐]|限时[领送赠]|我是|我司|我们是|扫描?二维"
)
_LIKELY = re.compile(_PHRASES).search


def is_advertising(text: str) -> bool:
    """Whether the clause or sentence invites to a contact, an account or a group."""
    return bool(_LIKELY(text) and _AD.search(text))


def _without_advertising(text: str) -> str:
    return without_clauses(text, is_advertising, _SPARED.search)


ADVERTISING = Rule(
    "advertising",
    "去掉广告和联系方式：加微信、QQ 群、扫码、开户链接、佣金优惠等；95/12/400 开头的官方电话不动",
    _without_advertising,
    phrases=_PHRASES,
    places=PUBLISHED,
)
