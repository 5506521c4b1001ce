"""Phrases that stand around what is said: thanks and wishes, disclaimers of web sites, their headers and footers."""

from __future__ import annotations

import re

from cornucopia.records.clean.clauses import without_clauses
from cornucopia.records.clean.rule import PUBLISHED, SAID, Rule

_YOU = r"(?:您|你|大家|各位|题主|楼主)"
_THANKS = (
    rf"(?:再次|非常|十分|很)?(?:感谢|谢谢){_YOU}?(?:对[^，。！]{{0,12}})?的?"
    r"(?:提问|咨询|支持|关注|阅读|耐心阅读|信任|浏览|邀请)(?:[与和及][^，。！]{1,4})?"
)
_THING = (
    r"(?:以上|我的|这个|这些|这|上述|本|此|该|一?份|条|篇|的)*"
    r"(?:回答|解答|回复|答案|内容|信息|建议|介绍|解释|分享|步骤|文章|技巧|方法|说明|大纲|资料|思路|例子|点)?"
)
_HOPE = (
    rf"(?:无论如何[，,])?我?希望{_THING}(?:能够?|可以|会|将|对|给|为)*{_YOU}?(?:能够?|可以|会|将)*(?:有所|有|带来|提供|起到)?"
    rf"(?:一?些|一?点|一定的?|所)?(?:帮助|帮到|参考|启发)(?:到?{_YOU}|作用)?"
)
_IF = (
    r"(?:如果?|若)?(?:您|你|大家|还|仍)*有?(?:任何|其他|其它|更多|进一步的?|不明白|不懂|什么|相关|具体)*的?"
    r"(?:问题|疑问|需要|需求|不清楚的地方)(?:或[^，,。！]{1,16}|[、，][^，,。！]{0,10}需要[^，,。！]{0,10})?"
)
_ASK = (
    r"(?:都|也)?(?:请|欢迎|可以|敬请)?(?:您|你)?(?:都|也)?(?:可以)?(?:随时|继续|尽管)的?"
    r"(?:向我们?|与我们?|和我们?|在评论区|在下方)?"
    r"(?:提问|提出|咨询|告诉我|告知我?|联系我们?|追问|留言|问我|与我联系|沟通|交流)(?:哦|吧|呀)?"
)
_WISH = (
    rf"(?:最后)?(?:祝|预祝|祝愿){_YOU}?(?:的)?(?:投资|生活|工作|理财|购物|学习|股市|一切|万事)[^，,。！]{{0,3}}"
    r"(?:愉快|顺利|顺心|如意|长红|开心|成功|大吉)"
)
_PRAISE = (
    r"(?:如果?[^，,。]{0,10}满意[，,]?)?(?:希望|望|请|求|记得)?(?:及时)?采纳(?:一下|哦|吧|为最佳答案)*(?:[，,]?谢谢)?|"
    r"(?:麻烦|请)?给个?(?:五星)?好评(?:哦|吧)?"
)
_GLAD = rf"很?(?:高兴|荣幸)(?:能|可以)?(?:为{_YOU}|回答{_YOU}?的?)(?:解答|服务|回答|问题|疑问)*"
_OVER = (
    rf"以上(?:就是|便是|是|为)(?:我|本人|小编|关于|对|针对|{_YOU}|该|这|的|个|此)*"
    r"(?:[^，。！]{0,12}(?:解答|回答|回复)|全部内容|所有内容)"
)
_ONE = (
    rf"(?:{_THANKS}|{_HOPE}|(?:{_IF}[，,]?)?{_ASK}|{_IF}[，,]?请?(?:告诉我|告知我?|提问|联系我们?)|"
    rf"{_WISH}|{_PRAISE}|{_GLAD}|{_OVER})"
)
_HELLO = r"(?:尊敬的?|亲爱的?)?(?:客户|用户|投资者|朋友|网友)?(?:朋友)?[，,]?(?:您好|你好)"
_END = re.compile(rf"(?<=[。！？!?；;\n”」）)，,])[ ]*{_ONE}(?:[，,]?(?:{_ONE}|谢谢{_YOU}?))*[。！!~～ ]*(?:\n*)\Z")
_START = re.compile(
    rf"\A[ ]*(?:{_HELLO}[，,！!。~～]*[ ]*)?(?:{_THANKS}|{_GLAD})(?:[，,]?{_ONE})*[。！!，,~～：: ]+\n*"
)
_CONDITION = re.compile(
    r"(?:\A|(?<=[。！？!?；;，,\n]))[ ]*(?:如果?|若|假如|要是|倘若|只要)[^。！？!?；;，,\n]{1,40}[，,]\Z"
)
_TAIL, _HEAD = 120, 60  # characters that a closing or an opening takes at the most
_COURTEOUS = (
    r"感谢[您你大提咨支关阅信浏邀对]|谢谢[您你大各题楼]|谢谢对|希望[^。\n]{0,12}[帮参启]|问题[^。]{0,12}[随请欢提咨告]|"
    r"疑问[^。]{0,12}[随请欢提咨告]|需[要求][^。]{0,8}[随请欢][时欢]|祝[您你大愿]|采纳|好评|很高兴|荣幸|以上[就便是为]"
)


def _without_courtesy(text: str) -> str:
    """Whole phrases at the beginning and the end; a text that is nothing else is left (it answers a greeting)."""
    while True:
        tail = text[-_TAIL:]
        found = _END.search(tail)
        if not found:
            break
        left = text[: len(text) - len(tail) + found.start()].rstrip()
        left = _CONDITION.sub("", left).rstrip()  # 如果您需要更多帮助，请随时提问: neither half stands alone
        if not left:
            break
        text = left
        if text[-1] in "，,":
            text = f"{text[:-1]}。"
    found = _START.match(text[:_HEAD])
    if found and text[found.end() :].strip():
        text = text[found.end() :]
    return text


_CLAIM = r"[（(【\[]?(?:免责声明|版权声明|免责申明)[】\])）]?[：:]"
_CLAIM_LINE = re.compile(rf"^[ \t]*(?:{_CLAIM}|【(?:免责声明|版权声明)】)[^\n]*\n?", re.MULTILINE)
_CLAIM_BRACKET = re.compile(
    r"[（(【]免责声明[：:][^（()）【】\n]{0,300}[）)】]|【免责声明】[^\n]*|[。]免责声明[：:][^\n]{0,300}\Z"
)
_CLAIMS = re.compile(
    r"(?:本(?:文|站|网站?|资讯|栏目|平台)|文中|文章|以上(?:文章|资讯|信息|内容(?:来源|来自)))[^。；\n]{0,40}"
    r"(?:不构成[^。；\n]{0,10}建议|仅供参考|与本[站网]无关|来源于(?:网络|互联网))"
    r"|据此(?:操作|投资|入市|买卖)[^。；\n]{0,8}(?:风险|后果|责任)自[担负]|转载(?:请|须|需)(?:注明|联系)"
    r"|未经(?:许可|授权)[^。；\n]{0,8}(?:转载|复制)|如有侵权[^。；\n]{0,10}(?:联系|告知)[^。；\n]{0,12}"
)
_ABOUT_CLAIMS = re.compile(r"免责声明(?:是|的|有|应|中|里|可|能|并|不|》)|什么是|公告|合同|协议|保险")


def _without_claims(text: str) -> str:
    text = _CLAIM_BRACKET.sub(lambda found: "。" if found[0].startswith("。") else "", _CLAIM_LINE.sub("", text))
    return without_clauses(text, _CLAIMS.search, _ABOUT_CLAIMS.search) if _CLAIMS.search(text) else text


_SITE = re.compile(
    r"^[ \t]*(?:"
    r"[（(【\[]?(?:责任编辑|责编|文字编辑|编审|校对|审核编辑)[：: ][^\n]{0,30}"
    r"|[^\n]{0,40}(?:版权所有(?!权)|[Aa]ll [Rr]ights [Rr]eserved|Copyright ?(?:©|\([cC]\)|20))[^\n]{0,80}"
    r"|[^\n]{0,60}[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼](?:ICP[备证]|公网安备)[^\n]{0,40}"
    r"|(?:上一[篇页条]|下一[篇页条]|相关阅读|推荐阅读|延伸阅读|热门推荐|猜你喜欢|相关推荐)[：:]?[^\n]{0,60}"
    r"|(?:您?(?:现在|当前)?的?位置|当前位置)[：:][^\n]{0,80}|首页 ?[>»›][^\n]{0,80}"
    r"|【?(?:打印|关闭|收藏|分享|字号|大|中|小|返回顶部|返回首页|回到顶部|加入收藏|设为首页|联系我们|网站地图|关于我们|"
    r"广告服务|隐私政策|用户协议|举报|点赞|评论|转发|[|｜ 】【])+】?"
    r"|著作权归[^\n]{0,12}所有[^\n]{0,60}|分享到[：:]?[^\n]{0,30}|(?:点击)?(?:阅读|展开|查看)(?:全文|更多|原文|详情)[>》]*"
    r"|(?:本文)?(?:阅读|浏览)(?:量|数|次数)?[：:]? ?\d+次?"
    r")[ \t]*$\n?",
    re.MULTILINE,
)
_EDITOR = re.compile(r"[（(【\[](?:责任编辑|责编|文章来源|编辑)[：: ][^（()）【】\[\]\n]{1,24}[）)】\]]")
_WORDS = {
    "",
    "分享",
    "打印",
    "关闭",
    "收藏",
    "大",
    "中",
    "小",
    "评论",
    "转发",
    "点赞",
    "举报",
}  # alone they may be an answer


def _without_site(text: str) -> str:
    text = _EDITOR.sub("", text)
    return _SITE.sub(lambda found: found[0] if found[0].strip() in _WORDS else "", text)


COURTESY = Rule(
    "courtesy",
    "去掉开头结尾的客套：感谢您的提问、希望能帮到您、祝您投资愉快、如有疑问请随时提问",
    _without_courtesy,
    phrases=_COURTEOUS,
    places=SAID,
)
DISCLAIMER = Rule(
    "disclaimer",
    "去掉网站的免责声明、版权声明；「投资有风险」一类提示和保险的免责条款不动",
    _without_claims,
    phrases="免责声明|免责申明|版权声明|据此操|据此投|据此入|据此买|转载|侵权|构成(?<=不构成)|仅供参考|与本站|与本网|来源于网|来源于互",
    places=PUBLISHED,
)
SITE = Rule(
    "site",
    "去掉网页的页头页脚：责任编辑、备案号、版权所有、上一篇下一篇、当前位置、打印关闭",
    _without_site,
    phrases=r"责任编辑|责编|文字编辑|审核编辑|编审|校对|编辑[：: ]|版权所有|reserved|Reserved|Copyright|京ICP|ICP备|"
    r"ICP证|公网安备|"
    r"上一篇|上一条|"
    r"上一页|下一篇|下一条|下一页|相关阅读|推荐阅读|延伸阅读|热门推荐|相关推荐|著作权归|猜你喜|位置[：:]|首页|打印|收藏|分享|返回[首顶]|回到顶|"
    r"点赞|隐私政策|用户协议|网站地图|阅读[全更原量数次：:]|展开[全更]|查看[全更原详]|文章来源|浏览[量数次：:]",
    places=PUBLISHED,
)
