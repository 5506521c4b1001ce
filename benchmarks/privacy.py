"""Precision and recall of `redact` by kind on generated sentences with hard negatives; what it finds in real text.

    python benchmarks/privacy.py [COUNT] [SEED] [FILE ...]

COUNT sentences of each kind, as many of each negative. FILE: records whose text holds nothing personal (default: the
bundled ones); each find in them is counted as false. Prints every miss of the first seed's run and exits 1 when
precision or recall of a kind is below 0.98.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from random import Random

from cornucopia.records.privacy.checks import id_check_digit, luhn_digit
from cornucopia.records.privacy.find import KINDS, Finder
from cornucopia.records.read import read_records
from cornucopia.records.texts import texts_of

FLOOR = 0.98
BUNDLED = Path(__file__).parents[1] / "instruction_data" / "fin_data.json"
PLACES = ("11", "13", "21", "31", "32", "33", "37", "41", "42", "43", "44", "51", "61", "65")
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
SPOKEN = str.maketrans("0123456789", "零一二三四五六七八九")


def digits(draw: Random, count: int) -> str:
    """So many random digits."""
    return "".join(draw.choice("0123456789") for _ in range(count))


def birthday(draw: Random) -> str:
    """YYYYMMDD."""
    return f"{draw.randint(1940, 2010)}{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}"


def id_card(draw: Random) -> str:
    """An identity card as people write it."""
    first = f"{draw.choice(PLACES)}{digits(draw, 4)}{birthday(draw)}{digits(draw, 3)}"
    number = first + id_check_digit(first)
    if draw.random() < 0.1:
        number = f"{number[:6]}{number[8:17]}"
        return f"身份证号{number}" if draw.random() < 0.5 else f"身份证：{number}"
    styles = [number, number.lower(), f"{number[:6]} {number[6:14]} {number[14:]}", number.translate(WIDE)]
    styles += [
        f"{number[:6]}-{number[6:14]}-{number[14:]}",
        f"{number[:4]} {number[4:8]} {number[8:12]} {number[12:16]} {number[16:]}",
    ]
    return draw.choice(styles)


def bank_card(draw: Random) -> str:
    """A card of a bank, in groups or not."""
    head, length = draw.choice(
        (("62", 19), ("62", 16), ("6217", 19), ("4", 16), ("52", 16), ("955880", 19), ("60", 16), ("62", 17))
    )
    first = head + digits(draw, length - 1 - len(head))
    number = first + luhn_digit(first)
    sep = draw.choice(("", "", " ", "-"))
    if not sep:
        return draw.choice((number, number.translate(WIDE)))
    return sep.join(number[at : at + 4] for at in range(0, length, 4))


def mobile(draw: Random) -> str:
    """A mobile number in one of eight forms."""
    number = f"1{draw.choice('3456789')}{digits(draw, 9)}"
    spaced = f"{number[:3]} {number[3:7]} {number[7:]}"
    styles = [
        number,
        number,
        spaced,
        spaced.replace(" ", "-"),
        f"+86{number}",
        f"+86 {spaced}",
        f"86-{number}",
        number.translate(WIDE),
    ]
    return draw.choice((*styles, number.translate(SPOKEN), f"{number[:4]} {number[4:7]} {number[7:]}"))


def landline(draw: Random) -> str:
    """A fixed number with its area."""
    area, length = draw.choice((("010", 8), ("021", 8), ("0755", 8), ("0571", 8), ("0351", 7), ("0898", 8), ("028", 8)))
    number = draw.choice("23456788") + digits(draw, length - 1)
    return draw.choice(
        (
            f"{area}-{number}",
            f"({area}){number}",
            f"（{area}）{number}",
            f"{area} {number}",
            f"{area}-{number}-{digits(draw, 3)}",
        )
    )


def email(draw: Random) -> str:
    """A mail address."""
    name = draw.choice(("zhang.wei", "liming", "chen_jie", "wangfang88", "h.zhao")) + digits(draw, draw.randint(0, 4))
    return f"{name}@{draw.choice(('qq.com', '163.com', 'gmail.com', 'corp.icbc.com.cn', 'mail.tsinghua.edu.cn'))}"


def passport(draw: Random) -> str:
    """Passports and permits, behind their names."""
    return draw.choice(
        (
            f"护照E{digits(draw, 8)}",
            f"护照号码：EA{digits(draw, 7)}",
            f"护照号G{digits(draw, 8)}",
            f"港澳通行证C{digits(draw, 8)}",
        )
    )


def plate(draw: Random) -> str:
    """A number plate."""
    place = draw.choice("京沪粤苏浙川鲁渝") + draw.choice("ABCDEFGH")
    return (
        place
        + draw.choice(("", "·"))
        + draw.choice((f"{digits(draw, 5)}", f"K{digits(draw, 4)}", f"{digits(draw, 3)}XY", f"D{digits(draw, 5)}"))
    )


def name(draw: Random) -> str:
    """A name of two or three characters."""
    given = draw.choice(("伟", "芳", "建国", "秀英", "志强", "雨桐", "子涵", "丽华", "海燕", "明", "晓东", "浩然"))
    return draw.choice(("王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "欧阳", "诸葛", "马", "高", "金")) + given


MAKERS = {
    "id_card": id_card,
    "bank_card": bank_card,
    "account": lambda draw: "1" + digits(draw, draw.choice((9, 11, 14, 17))),
    "mobile": mobile,
    "landline": landline,
    "email": email,
    "passport": passport,
    "plate": plate,
    "wechat": lambda draw: draw.choice(("wxid_", "li_", "zhang", "Mr-w", "abc")) + digits(draw, draw.randint(4, 8)),
    "qq": lambda draw: draw.choice("123456789") + digits(draw, draw.randint(5, 9)),
    "name": name,
}
SENTENCES = {
    "id_card": (
        "客户提供的身份证号是{}，请核对。",
        "证件号码：{}",
        "本人{}，申请挂失。",
        "我的身份证{}被人拿去贷款了怎么办？",
        "{}这个号码查不到征信记录。",
    ),
    "bank_card": (
        "请转到{}，谢谢。",
        "卡号：{}",
        "我的储蓄卡{}被冻结了。",
        "工资发到{}这张卡上。",
        "银行卡号{}，开户行工商银行",
    ),
    "account": ("账号：{}，开户行建设银行。", "收款账号 {}", "对公账号为{}，请核对。", "把钱打到账号{}里"),
    "mobile": (
        "我的手机号是{}，收不到验证码。",
        "请拨打{}联系我。",
        "电话：{}",
        "{}是我的预留号码",
        "联系人李经理（{}）",
        "有事打{}。",
        "你好，{}已登记。",
    ),
    "landline": ("公司电话{}。", "联系电话：{}，工作日可打", "传真：{}", "请致电{}咨询。", "{}是支行的座机"),
    "email": ("请把对账单发到{}。", "邮箱：{}", "联系{}即可", "电子邮件地址是{}，谢谢"),
    "passport": ("客户持{}开户。", "证件：{}，有效期十年。"),
    "plate": ("车牌号{}的车险到期了。", "我的车是{}，怎么理赔？", "{}出了事故"),
    "wechat": ("加微信{}详聊。", "微信号：{}", "我的微信：{}，被盗了", "薇信 {} 了解一下", "VX：{}"),
    "qq": ("QQ：{}", "加QQ{}咨询。", "QQ号{}被盗了", "请加QQ群：{}"),
    "name": (
        "姓名：{}，性别：男",
        "户名：{}\n开户行：招商银行",
        "收款人：{}",
        "户名 {}，账号已核对",
        "投保人：{}先生",
        "持卡人姓名：{}，已核实",
    ),
}
HOLDERS = ("客户{}（身份证{}）", "{}，身份证号{}", "转账给{}，身份证号码：{}", "我叫{}，身份证号是{}，想查征信")


def negative(draw: Random) -> str:
    """A sentence of finance with numbers that look personal and are none."""
    eleven = f"1{draw.choice('3456789')}{digits(draw, 9)}"
    card = bank_card(Random(draw.random())).replace(" ", "").replace("-", "")
    return draw.choice(
        (
            f"注册资本{eleven}元，实收资本{digits(draw, 11).lstrip('0')}元。",
            f"成交额{eleven}.{digits(draw, 2)}元，换手率{draw.random() * 9:.2f}%。",
            f"订单号：{eleven}，已发货。",
            f"保单号{digits(draw, 15)}，生效日2024年3月1日。",
            f"保单号：{card}，请妥善保管。",
            f"流水号 {digits(draw, 20)} 已入账。",
            f"合同编号：{eleven}。",
            f"贵州茅台（600519）收于{draw.randint(1000, 2000)}.{digits(draw, 2)}元，五粮液(000858.SZ)涨1.2%。",
            f"拨打95588或12363，也可打400-{digits(draw, 3)}-{digits(draw, 4)}、400{digits(draw, 7)}咨询。",
            f"信用卡热线：95555，投诉电话12378，{draw.choice(('800', '400'))}-820-{digits(draw, 4)}。",
            f"国务院令第{draw.randint(100, 900)}号，银保监发〔2020〕{draw.randint(1, 99)}号，自2021-01-01执行。",
            f"总股本{digits(draw, 9).lstrip('0')}股，流通股{eleven}股。",
            f"2023-0{draw.randint(1, 9)}-15 14:30:22 的净值是1.{digits(draw, 4)}，2023010{draw.randint(1, 9)}更新。",
            f"基金代码{digits(draw, 6)}，ISIN代码CNE{digits(draw, 9)}，沪市B股900{digits(draw, 3)}。",
            f"微信支付单日限额{draw.randint(1, 20)}万元，QQ钱包、微信零钱也一样，微信2023年新规。",
            f"腾讯QQ{draw.randint(2010, 2024)}年用户{draw.randint(1, 9)}亿，微信WeChat海外版。",
            f"每月还{draw.randint(1000, 9999)}.5元，360期共{draw.randint(10**6, 10**7)}.{digits(draw, 2)}元。",
            f"发票号码：{digits(draw, 20)}，发票代码{digits(draw, 12)}。",
            f"统一社会信用代码：91{digits(draw, 6)}MA{digits(draw, 8)}，注册号{digits(draw, 15)}。",
            f"银行卡一般16到19位，62开头的是银联卡，尾号{digits(draw, 4)}。",
            f"户名与账号必须一致，姓名、身份证号码、手机号三要素核验，金额{draw.randint(1, 99)}万元。",
            f"从{digits(draw, 4)}.{digits(draw, 2)}点到{digits(draw, 4)}.{digits(draw, 2)}点，区间3000-3500。",
            "收款人：中国人民银行，户名：某某科技有限公司，联系人：客服。",
            "客户，身份证到期要更新；单位，账号要核对；平安，手机银行可办。",
            f"序列号{digits(draw, 16)}，SHA值{digits(draw, 12)}abc，条码{digits(draw, 13)}。",
            f"金额分别是1234 5678 9012 3456元和{digits(draw, 4)} {digits(draw, 4)}元。",
            f"沪A{digits(draw, 6)}指数、深A股、新A股、京东A{digits(draw, 2)}方案、云A轮融资{digits(draw, 3)}万。",
            f"数列1 3 5 7 9 11 13 15 17，日期19980101、{birthday(draw)}{digits(draw, 6)}是批次号。",
            "@所有人 注意：年化3.5%@2024，邮箱格式是 name@example.com。",
            f"交易时间{birthday(draw)}{digits(draw, 6)}，交易号{digits(draw, 28)}。",
        )
    )


def measure(count: int, seed: int) -> tuple[Counter[str], Counter[str], Counter[str], list[str]]:
    """(right, missed, false) by kind, and what went wrong."""
    draw = Random(seed)
    finder = Finder(set(MAKERS))
    right, missed, false = Counter[str](), Counter[str](), Counter[str]()
    wrong = []
    for kind, make in MAKERS.items():
        for _ in range(count):
            value = make(draw)
            sentence = draw.choice(SENTENCES[kind])
            truth = [(kind, value)]
            text = sentence.format(value)
            if kind == "name" and draw.random() < 0.5:
                other = id_card(draw).lstrip("身份证号：")
                text = draw.choice(HOLDERS).format(value, other)
                truth.append(("id_card", other))
            lead = draw.choice(("", "\n", "您好，", "请问，"))
            text = f"{negative(draw)}{lead}{text}\n{draw.choice(('', negative(draw)))}"
            _compare(finder, text, truth, right, missed, false, wrong)
    for _ in range(count * len(MAKERS)):
        _compare(finder, negative(draw), [], right, missed, false, wrong)
    return right, missed, false, wrong


def _compare(
    finder: Finder,
    text: str,
    truth: list[tuple[str, str]],
    right: Counter[str],
    missed: Counter[str],
    false: Counter[str],
    wrong: list[str],
) -> None:
    found = finder.find(text) if finder.likely(text) else []
    got = [(one.kind, text[one.start : one.end]) for one in found]
    for kind, value in truth:
        hit = next((one for one in got if one[0] == kind and (one[1] in value or value in one[1])), None)
        if hit:
            got.remove(hit)
            right[kind] += 1
        else:
            missed[kind] += 1
            wrong.append(f"漏 {kind} {value!r}：{text!r}")
    for kind, value in got:
        false[kind] += 1
        wrong.append(f"误 {kind} {value!r}：{text!r}")


def main() -> int:
    """Measure, print, judge."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    right, missed, false, wrong = measure(count, seed)
    print("\n".join(wrong[:60]))
    print(f"{'种类':10}{'对':>8}{'漏':>6}{'误':>6}{'精确率':>9}{'召回率':>9}")
    low = False
    for kind in MAKERS:
        precision = right[kind] / max(1, right[kind] + false[kind])
        recall = right[kind] / max(1, right[kind] + missed[kind])
        low = low or min(precision, recall) < FLOOR
        print(f"{KINDS[kind][0]:10}{right[kind]:8}{missed[kind]:6}{false[kind]:6}{precision:9.4f}{recall:9.4f}")
    finder, texts, finds = Finder(set(MAKERS)), 0, []
    for file in sys.argv[3:] or [str(BUNDLED)]:
        for record in read_records(file).records:
            for text in texts_of(record):
                texts += 1
                finds += [f"{one.kind} {text[one.start : one.end]}：{text[:60]}" for one in finder.find(text)]
    print(f"真实金融文本 {texts} 段，误报 {len(finds)}：", *finds[:40], sep="\n")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
