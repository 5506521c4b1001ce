from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.records.privacy.checks import id_check_digit, is_credit_code, is_id_card, is_luhn, luhn_digit
from cornucopia.records.privacy.find import KINDS, OPTIONAL, Finder
from cornucopia.records.privacy.plain import plain

ID = "11010519491231002X"  # the standard's own example of a check character
CARD = "622202020011223344" + luhn_digit("622202020011223344")
ALL = Finder(KINDS)


def found(text: str, *kinds: str) -> list[tuple[str, str]]:
    finder = Finder(kinds or set(KINDS) - OPTIONAL)
    got = [(one.kind, text[one.start : one.end]) for one in finder.find(text)]
    assert not got or finder.likely(text), "the screen would have passed it over"
    return got


def test_check_digits_are_those_of_the_standards():
    assert id_check_digit(ID[:17]) == "X" and is_id_card(ID) and not is_id_card(ID[:17] + "1")
    assert is_luhn("4111111111111111") and not is_luhn("4111111111111112")
    assert is_credit_code("91350100M000100Y43") and not is_credit_code("91350100M000100Y44")


@pytest.mark.parametrize(
    "text, kind, value",
    [
        (f"身份证号{ID}。", "id_card", ID),
        (f"身份证{ID.lower()}", "id_card", ID.lower()),
        ("证件：110105 19491231 002X", "id_card", "110105 19491231 002X"),
        ("号码１１０１０５１９４９１２３１００２Ｘ", "id_card", "１１０１０５１９４９１２３１００２Ｘ"),
        ("身份证号110105194912310021（填错了）", "id_card", "110105194912310021"),
        ("身份证号110105491231002", "id_card", "110105491231002"),
        (f"转到{CARD}", "bank_card", CARD),
        ("卡号4111-1111-1111-1111", "bank_card", "4111-1111-1111-1111"),
        ("对公账号：3100 0660 0018 1500", "account", "3100 0660 0018 1500"),
        ("股东账号A123456789", "account", "A123456789"),
        ("您好，13800138000已登记", "mobile", "13800138000"),
        ("打138-0013-8000", "mobile", "138-0013-8000"),
        ("打+86 138 0013 8000", "mobile", "+86 138 0013 8000"),
        ("手机一三八零零一三八零零零", "mobile", "一三八零零一三八零零零"),
        ("手机号１３８００１３８０００", "mobile", "１３８００１３８０００"),
        ("tel13800138000", "mobile", "13800138000"),
        ("座机010-62345678", "landline", "010-62345678"),
        ("传真（0755）83191234-802", "landline", "（0755）83191234-802"),
        ("电话：83191234", "landline", "83191234"),
        ("发到li.ming@corp.bank.com.cn。", "email", "li.ming@corp.bank.com.cn"),
        ("持护照E12345678开户", "passport", "E12345678"),
        ("港澳通行证C12345678", "passport", "C12345678"),
        ("车牌京A12345", "plate", "京A12345"),
        ("粤B·D12345的保单", "plate", "粤B·D12345"),
        ("微信号：li_ming88", "wechat", "li_ming88"),
        ("加薇信zhang2023聊", "wechat", "zhang2023"),
        ("QQ：12345678", "qq", "12345678"),
        ("加扣扣群 123456", "qq", "123456"),
        ("打138 0013  8000", "mobile", "138 0013  8000"),
        ("传真86-755-83191234", "landline", "86-755-83191234"),
        ("京 A12345的车", "plate", "京 A12345"),
        ("加我v：zhangsan88", "wechat", "zhangsan88"),
        ("工行卡 6222 0212 0800 1234 567 丢了", "bank_card", "6222 0212 0800 1234 567"),
        ("姓名张三 性别男", "name", "张三"),
        ("经理李强（电话：010-62345678）", "name", "李强"),
        ("姓名：张三，男", "name", "张三"),
        ("户名 李四\n", "name", "李四"),
        ("收款人：欧阳文静", "name", "欧阳文静"),
        ("持卡人姓名：王小明，已核实", "name", "王小明"),
    ],
)
def test_what_is_personal_is_found(text, kind, value):
    assert (kind, value) in found(text)


def test_a_name_beside_a_number_is_found_without_a_label():
    assert ("name", "王小明") in found(f"客户王小明（身份证{ID}）")
    assert ("name", "张伟") in found(f"转账给张伟，卡号{CARD}")
    assert found(f"查询，身份证号{ID}") == [("id_card", ID)]


@pytest.mark.parametrize(
    "text",
    [
        "请拨打95588，投诉打12378，或打400-820-8888、4008208888、800-820-8888。",
        "贵州茅台（600519）、000858.SZ、00700.HK、900901沪B",
        "国务院令第737号、银保监发〔2020〕12号、法释〔2021〕1号",
        "注册资本13800138000元，总股本13800138000股，市值13800138000.50元",
        "订单号：13800138000，保单号138001380001234，流水号 20230115123456789012",
        "合同编号：13800138000；批号：13912345678",
        f"保单号：{CARD}，妥善保管",
        "2023-01-15 14:30:22发布，2021.01.01-2021.12.31执行，20230101至20231231",
        "腾讯QQ在2023年有用户5亿，QQ音乐、QQ2023年版",
        "微信支付单日限额20万元，微信零钱、微信WeChat Pay、微信小程序",
        "收益率3.5%@2024，模板邮箱 name@example.com",
        "户名与账号必须一致，姓名、身份证号码要核对",
        "收款人：中国人民银行，户名：某某有限公司，联系人：客服，联系人：李经理",
        "姓名 单位 金额 时间",
        "户名不符、姓名变更、户名应与身份证一致，收款人全称，持卡人权益，联系人方式",
        "受益人是法定的，借款人应当按时还款，付款人：甲公司，储户全部存款，持卡人能在境外刷卡",
        "联行号102100099996，登记编码Z7000119000001，客服电话：4006-188-888",
        "银行卡一般是16到19位，62开头的是银联卡，尾号1234",
        "沪A股、深B股、新A股、京A级、云A2轮",
        "20某某高新SCP003，21某某新MTN001，22某某云CP012",
        "客户须本人持身份证、手机号办理",
        "从3000-3500点到3500-4000点，1 3 5 7 9 11 13 15 17",
        "一九九八年，二〇二三年，一二三四五六七八九",
        "法定代表人、董事长王某某，客户张某（身份证110***********1234）",
        "SHA256:12345678901abcdef，13800138000abc",
        "0.13800138000、-13800138000、1,380,013,800",
    ],
)
def test_what_finance_text_is_full_of_is_left(text):
    assert found(text) == []


def test_companies_codes_and_addresses_only_where_wanted():
    text = "统一社会信用代码91350100M000100Y43，住址：浙江省杭州市西湖区文三路18号2幢301室"
    assert found(text) == []
    assert found(text, "credit_code", "address") == [
        ("credit_code", "91350100M000100Y43"),
        ("address", "浙江省杭州市西湖区文三路18号2幢301室"),
    ]


@given(st.text(alphabet="0123456789０一二三 -—()（）.Xx@姓名：张京A微信QQ电话身份证卡号，。a_", max_size=120))
def test_finds_lie_within_the_text_apart_and_in_order(text):
    assert len(plain(text)) == len(text)
    finds = ALL.find(text)
    assert all(0 <= one.start < one.end <= len(text) for one in finds)
    assert all(a.end <= b.start for a, b in pairwise(finds))
    assert not finds or ALL.likely(text)


@pytest.mark.parametrize(
    "piece", ["1", "1 ", "12-", "a@", "a.", "一", "京A", "微信", "姓名：", "(0", "张", "1(", "卡号1", "@a.", "x"]
)
def test_a_long_line_is_searched_in_time_that_grows_with_its_length(piece):
    ALL.find(piece * (200_000 // len(piece)))  # a search that backtracks would not come back
