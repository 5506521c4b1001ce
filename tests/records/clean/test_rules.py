"""Each rule on what it mends and, above all, on what it must leave."""

from __future__ import annotations

import pytest

from cornucopia.records.clean.advertising import ADVERTISING
from cornucopia.records.clean.boilerplate import COURTESY, DISCLAIMER, SITE
from cornucopia.records.clean.characters import COMPOSED, HALF_WIDTH, SIMPLIFIED, SPACES, UNSEEN
from cornucopia.records.clean.endings import breaks_off, cut_back
from cornucopia.records.clean.lists import LISTS
from cornucopia.records.clean.markup import ENTITIES, TAGS, URLS
from cornucopia.records.clean.mojibake import MOJIBAKE
from cornucopia.records.clean.punctuation import REPEATS
from cornucopia.records.clean.rule import Beyond, Rule

MENDED = [
    (UNSEEN, "利\u200b率\ufeff\x07是3%\r\n", "利率是3%\n"),
    (UNSEEN, "图标\ue60c和\xad软连字符", "图标和软连字符"),
    (COMPOSED, "cafe\u0301", "café"),
    (HALF_WIDTH, "年化３．５％，共１，０００，０００元", "年化3.5%，共1,000,000元"),
    (HALF_WIDTH, "Ａ股ＥＴＦ，跌－２．３％", "A股ETF，跌-2.3%"),
    (SIMPLIFIED, "銀行貸款的利率與期限", "银行贷款的利率与期限"),
    (SPACES, "\u3000\u3000第一段。 \n\n\n\n第二段\xa0。", "第一段。\n\n第二段 。"),
    (ENTITIES, "R&amp;D&nbsp;支出&#8220;很高&#8221;，&amp;lt;5%", "R&D\xa0支出“很高”，<5%"),
    (TAGS, '<p style="color:red">利率</p><p>3%<br/>起</p>', "利率\n\n3%\n起"),
    (TAGS, "10<sup>4</sup>元<b>很</b>重要<!-- 注 --><script>x()</script>", "10^4元很重要"),
    (TAGS, "<ul><li>甲</li><li>乙</li></ul>", "- 甲\n\n- 乙"),
    (URLS, "见公告。\nhttps://a.com/b?c=1\n完", "见公告。\n完"),
    (URLS, "详见公告（http://a.com/x/1.html）。", "详见公告。"),
    (URLS, "利率3%。原文链接：https://a.com/news/1", "利率3%。"),
    (MOJIBAKE, "股票开户".encode().decode("latin-1"), "股票开户"),
    (MOJIBAKE, "åˆ©çŽ‡ 3%", "利率 3%"),
    (MOJIBAKE, "itâ€™s 5°C", "it’s 5°C"),
    (MOJIBAKE, "中国银行".encode("gbk").decode("latin-1"), "中国银行"),
    (REPEATS, "好的！！！！真的吗？？？等等。。。。", "好的！真的吗？等等……"),
    (REPEATS, "股票，，基金、、债券。。", "股票，基金、债券。"),
    (REPEATS, "涨了，。跌了。，再说————", "涨了。跌了。再说——"),
    (COURTESY, "感谢您的提问。利率是3%。希望我的回答能帮到您！祝您投资愉快！", "利率是3%。"),
    (COURTESY, "利率是3%。\n\n如果您还有其他问题，请随时向我提问。", "利率是3%。"),
    (COURTESY, "我只能开发票。如果您需要开票的帮助，请随时告诉我！", "我只能开发票。"),
    (COURTESY, "20日结息，若对账需要帮助，欢迎随时联系我们。", "20日结息。"),
    (COURTESY, "尊敬的客户您好，感谢您对我行的支持。利率是3%。", "利率是3%。"),
    (COURTESY, "先看合同。以上就是我的解答，望采纳，谢谢！", "先看合同。"),
    (COURTESY, "要10万资产，以上就是关于创业板的回答，希望能帮到您！", "要10万资产。"),
    (DISCLAIMER, "利率3%。本文内容仅供参考，不构成投资建议，使用前核实。据此操作，风险自担。", "利率3%。"),
    (DISCLAIMER, "股价上涨。\n免责声明：本文仅供参考，不构成投资建议。\n", "股价上涨。\n"),
    (DISCLAIMER, "股价上涨。（免责声明：内容来源于互联网）", "股价上涨。"),
    (DISCLAIMER, "股价上涨。本文仅供参考，据此操作风险自担。", "股价上涨。"),
    (SITE, "首页 > 财经 > 正文\n股价上涨。（责任编辑：张三）\n上一篇：利率\n版权所有 京ICP备12345号", "股价上涨。\n"),
    (SITE, "股价上涨。\n打印 关闭\n分享到：微博\n阅读全文>>", "股价上涨。\n"),
    (ADVERTISING, "沪市打新要市值1万元，有问题可以加我微信：abc12345。", "沪市打新要市值1万元。"),
    (ADVERTISING, "利率3%。如有疑问可以加微信：abc12345，或拨打13800138000。", "利率3%。"),
    (ADVERTISING, "利率3%，可以加我微信abc12345，也可以直接联系小王，随时在线。", "利率3%。"),
    (ADVERTISING, "佣金一般万分之三。如需开户，可以点击右上角加微信联系我，24小时在线！", "佣金一般万分之三。"),
    (ADVERTISING, "开户要带身份证。加V信：xyz_888，佣金超低。", "开户要带身份证。"),
    (ADVERTISING, "先看年报（薇信 stock666 领资料），再看估值。", "先看年报，再看估值。"),
    (ADVERTISING, "融资利率8%。想要更低佣金可以联系我开户。", "融资利率8%。"),
    (ADVERTISING, "点击上方蓝字关注我们\n利率下调。扫描下方二维码关注公众号，免费领取资料。", "\n利率下调。"),
    (ADVERTISING, "我司佣金可以低至成本价，欢迎私信我。印花税卖出收。", "印花税卖出收。"),
    (ADVERTISING, "利率3%。QQ群：123456789", "利率3%。"),
    (ADVERTISING, "利率3%。详情咨询微信13800138000。", "利率3%。"),
    (ADVERTISING, "可转债手续费万分之0.4，如果您想开户，欢迎添加我的微信，全程指导您办理。", "可转债手续费万分之0.4。"),
    (ADVERTISING, "开户要身份证，很方便，需要开户可以私信我，我发您开户二维码。", "开户要身份证，很方便。"),
    (ADVERTISING, "手续费加1分，需要的朋友可以加我Q 123456789", "手续费加1分。"),
    (ADVERTISING, "最低200股。（想了解更多请扫码添加老师微信）", "最低200股。"),
    (LISTS, "1. 甲\n1. 乙\n1. 丙", "1. 甲\n2. 乙\n3. 丙"),
    (LISTS, "1、甲\n3、乙\n4、丙", "1、甲\n2、乙\n3、丙"),
    (LISTS, "如下：1.打开应用。2.点开户按钮。3.传身份证件。", "如下：\n1.打开应用。\n2.点开户按钮。\n3.传身份证件。"),
]  # fmt: skip

LEFT = [
    (COURTESY, "如果您需要更多的资料，请随时提问。"),
    (URLS, "https://www.example.com/news/1"),
    (URLS, "a.example.com\nhttps://docs.example.com/list"),
    (LISTS, "横向：\n1. 银行的准备金\n3. 债券的票息\n5. 股票的红利\n7. 基金的净值"),
    (UNSEEN, "第一行\n第二行\t制表 👨\u200d👩\u200d👧 ❤️"),
    (COMPOSED, "①②㎡ é Ω"),
    (HALF_WIDTH, "本金×利率＝利息，“引号”（括号）：；！？，。～"),
    (SPACES, "- 甲\n  - 乙\n\n第二段 mixed English words"),
    (ENTITIES, "标普（S&P）500，AT&T，a&b;"),
    (ENTITIES, "HTML 里 &nbsp; 是什么意思？"),
    (TAGS, "市盈率<20且市净率<3，a<b and b>c，5 < x > 2"),
    (TAGS, "HTML 的 <p> 和 <br> 有什么区别？"),
    (TAGS, "<think>想</think>《公司法》<<通知>> <image> <|im_end|>"),
    (URLS, "请登录 www.pbc.gov.cn 查询，或到 https://www.icbc.com.cn 办理。"),
    (URLS, "见[公告](https://a.com/b)和国家网站（https://www.gov.cn/x/y）。"),
    (MOJIBAKE, "Société Générale、Nestlé、São Paulo、25°C、±5%、£100、¥100、3×5÷2、§12"),
    (MOJIBAKE, "横滨、鏖战、鍥等生僻字，联通、鑫元"),
    (MOJIBAKE, "为什么会出现锟斤拷这种乱码？"),
    (MOJIBAKE, "这是真的吗????？"),
    (REPEATS, "他说……——不是吧？！A...B，见 ../x，1,000.00；----\n**重点** ____ 3..5"),
    (REPEATS, "Wait.... really!!!"),
    (COURTESY, "希望您先看合同的免责条款。感谢信要写抬头。"),
    (COURTESY, "您好！请问有什么可以帮您？"),
    (COURTESY, "希望这些技巧可以帮助你提高工作效率，但先看合同。"),
    (COURTESY, "感谢您的提问！"),
    (COURTESY, "此致\n祝您投资愉快的同时注意风险"),
    (DISCLAIMER, "免责条款：因战争造成的损失，保险人不赔。"),
    (DISCLAIMER, "免责声明的效力如何？格式条款要提示说明。"),
    (DISCLAIMER, "投资有风险，入市需谨慎。以上分析不构成投资建议。"),
    (SITE, "数据来源：Wind。编辑推荐的股票不可信。"),
    (SITE, "首页上可以看到位置：浙江。打印回单要收费。\n分享\n版权所有权归谁？"),
    (ADVERTISING, "微信支付单日限额20万元，微信零钱可以提现。"),
    (ADVERTISING, "腾讯控股旗下有QQ和微信，QQ音乐2023年上市。"),
    (ADVERTISING, "请拨打客服热线95588，或400-820-8888咨询开户。"),
    (ADVERTISING, "券商佣金一般万分之一到万分之三，最低5元。"),
    (ADVERTISING, "不要扫描陌生二维码添加好友，凡是让你加微信荐股的都是诈骗。"),
    (ADVERTISING, "投资者可扫描公告中的二维码提前提问，重点关注公司业绩。"),
    (ADVERTISING, "开户需本人带身份证到营业部，也可咨询客户经理。"),
    (ADVERTISING, "我的微信号：abc12345被盗了怎么办？"),
    (ADVERTISING, "可免费领取社保卡，点击“申请”按钮即可。"),
    (ADVERTISING, "贵州茅台（600519）公告，联系电话0851-22386002。"),
    (ADVERTISING, "加息对股市的影响，增加V型反转的概率，Level V。"),
    (ADVERTISING, "拨打95555转人工；也可以关注“招商银行”微信公众号查询。"),
    (ADVERTISING, "如遇自称老师让您加微信、进群荐股，请立即报警，谨防诈骗。"),
    (ADVERTISING, "请添加好友后在群聊里点击“群收款”，点击右上角“账单”可查限额。"),
    (LISTS, "1. 甲\n2. 乙\n3. 丙"),
    (LISTS, "要点：1、甲方同意；2、乙方同意；3、双方签字。"),
    (LISTS, "1. 甲\n3. 乙\n4. 丙\n其中第3项最重要"),
    (LISTS, "1. 甲\n2. 乙\n小结\n1. 丙\n2. 丁"),
    (LISTS, "1.5%的利率\n2.3%的利率\n3.5%的利率"),
    (LISTS, "M1、M2、M3；T+1、T+2、T+3；选项1、选项2、选项3、选项4"),
    (LISTS, "2023. 年报\n2024. 年报"),
    (LISTS, "第1、第2、第3名，前1、2、3号"),
]


@pytest.mark.parametrize("rule, before, after", MENDED)
def test_mends(rule: Rule, before, after):
    assert rule.mend(before) == after
    assert before == after or rule.noticed(before)


@pytest.mark.parametrize("rule, text", LEFT)
def test_leaves(rule: Rule, text):
    assert rule.mend(text) == text


@pytest.mark.parametrize(
    "text",
    ["锟斤拷锟斤拷利率", "利\ufffd率", "烫烫烫烫", "鐨勫埄鐜囨槸3锛屾湡闄愪竴骞达紝鏄�", "Ã¦Â\x9dÂ ç´¢å ç\x9aå\x88"],
)
def test_what_is_lost_is_dropped(text):
    with pytest.raises(Beyond):
        MOJIBAKE.mend(text)


def test_utf8_read_as_gbk_comes_back_where_every_byte_is_there():
    whole = next(text for text in ("股票基金", "股票债券", "利率期限", "银行存款") if _as_gbk(text))
    assert MOJIBAKE.mend(_as_gbk(whole)) == whole


def _as_gbk(text: str) -> str:
    try:
        return text.encode().decode("gbk")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize(
    "text",
    ["利率有两种。一种是固定利率，", "先看期限。再看（包括", "先看期限。因为", "先看期限。例如", "先看期限。他说“不要"],
)
def test_breaks_off(text):
    assert breaks_off(text) and cut_back("利率有两种，期限也有两种。一种是") == "利率有两种，期限也有两种。"


@pytest.mark.parametrize(
    "text",
    [
        "正面", "贵州茅台", "A", "先看期限。再看利率", "先看期限。利率是3%", "先看期限。\n- 利率和",
        "先看期限。\n| 甲 | 乙", "先看期限。\n```\nx = 1,", "先看期限。公式为 a=b+c", "先看期限。（完）",
        "先看期限。他很温和", "先看期限。走势是向上的方向", "先看期限。见下表\U000f0000", "先看期限。\n1. 利率，", "",
        "The rate is 3. It was",
    ],
)  # fmt: skip
def test_does_not_break_off(text):
    from cornucopia.records.clean.hidden import hide

    assert not breaks_off(hide(text)[0])


def test_any_unfinished_sentence_where_wanted():
    assert breaks_off("先看期限。再看利率。最后要看风险承受", "any") and not breaks_off("先看期限。再看利率。", "any")
