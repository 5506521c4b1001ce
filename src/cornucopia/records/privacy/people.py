"""Names of people where their form and place say that they are such, and addresses where they are told.

A name is taken behind 姓名, 户名, 收款人 ... or right before somebody's number (客户王小明（身份证 ...）). Names that
stand alone in a text are left: those of officials, authors and managers belong to finance text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cornucopia.records.privacy.numbers import Found

_SURNAMES = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞任袁柳"
    "酆鲍史唐费廉岑薛雷贺倪汤滕殷罗毕郝邬安常乐于时傅皮卞齐康伍余元卜顾孟平黄穆萧尹姚邵湛汪祁毛禹狄米贝明臧计伏成戴谈宋茅庞"
    "熊纪舒屈项祝董梁杜阮蓝闵席季麻强贾路娄危江童颜郭梅盛林刁钟徐邱骆高夏蔡田樊胡凌霍虞万支柯管卢莫经房裘缪干解应宗丁宣邓"
    "郁单杭洪包诸左石崔吉龚程邢裴陆荣翁荀羊甄曲封芮储靳汲松井段富巫乌焦巴弓牧山谷车侯全班仰秋仲宫宁仇栾暴甘厉戎祖武符刘景"
    "詹束龙叶幸司黎薄印宿白怀蒲从鄂索赖卓蔺屠蒙池乔阴胥苍双闻莘党翟谭贡姬申扶堵冉宰桑桂牛寿通边扈燕冀尚农温庄晏柴瞿阎充慕连"
    "茹习艾鱼容向古易慎戈廖庾居衡步都耿满弘匡国文寇广东欧利蔚越师巩聂晁勾敖融冷辛阚那简饶空曾沙丰查荆游权肖涂岳覃佟代闫"
)
_DOUBLE = "欧阳|上官|司马|诸葛|东方|皇甫|尉迟|公孙|慕容|令狐|宇文|长孙|司徒|夏侯|轩辕|端木|百里|南宫|独孤"
_HAN = "[\u4e00-\u9fff]"
_NAME = rf"(?:(?:{_DOUBLE}){_HAN}{{1,2}}|[{_SURNAMES}]{_HAN}{{1,2}}?|{_HAN}{{2,5}}-{_HAN}{{2,6}})"
ROLES = (
    "姓名|户名|收款人|付款人|汇款人|持卡人|投保人|被保险人|被保人|受益人|借款人|担保人|开户人|联系人|"
    "经办人|申请人|收件人|寄件人|户主|借款方|贷款人|出借人|转账人|存款人|储户|监护人|客户名|真实名字|本名"
)
_AFTER = (
    rf"(?=(?!{_HAN})|(?:先生|女士|小姐|同志|身份证|证件|手机|电话|卡号|银行卡|账号|帐号|账户|联系|性别|年龄|开户|住址|地址|护照|微信|"
    r"出生|民族|职业|邮箱|和|与|的|于|已|在|向|为|是|欠|转|汇|申请))"
)
_LABELLED = re.compile(
    rf"(?:{ROLES})(?:姓名|名称|名字)?"
    rf"(?P<gap>[ ]{{0,3}}:[ ]{{0,3}}|[ ]{{1,3}}|是|为|叫)(?P<it>{_NAME}){_AFTER}"
)
_LEAD = (
    r"(?:\A|(?<=[^\u4e00-\u9fff])|客户|用户|持卡人|投保人|被保险人|借款人|申请人|联系人|会员|储户|员工|经理|主任|业务员|柜员|同事|朋友|丈夫|妻子|先生|父亲|母亲|我叫|"
    r"我是|名叫|本人|叫|给|向|到|找|由|为)"
)
_HOLDER = re.compile(
    rf"{_LEAD}(?P<it>{_NAME})(?:先生|女士|小姐)?(?:的)?[ ]?[(,，、: ]{{0,2}}[ ]?(?:的)?"
    r"(?:(?:居民)?身份证|证件|手机|电话|联系|银行卡|借记卡|储蓄卡|信用卡|卡号|账号|帐号|账户|工行|建行|农行|中行|招行|护照|微信|QQ|尾号)?"
    r"(?:号码?|方式|电话|卡号|账号)?(?:是|为)?[:( ]{0,3}(?:(?:身份证|证件|手机|电话|卡)号?码?[: ]?)?\Z"
)
# Words that begin with a character which is a surname too.
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        单位 方式 方法 方便 金额 金融 余额 时间 时候 任何 常用 安全 平安 平台 全部 全称 全国 万元 于是 应当 应该 应与
        成功 成为 经过 经理 经办 管理 通过 通知 通常 支付 支持 支行 房产 房屋 车辆 边境 国家 国内 国籍 文件 文字 广东
        广州 东方 利息 利率 越来 连续 满足 充值 容易 向前 简单 空白 空缺 代理 代办 代码 查询 查看 权限 权益 双方 印章
        从业 司机 幸福 白金 怀疑 水平 时效 明确 明细 计算 成员 强制 解除 解释 包括 包含 石油 程序 封面 储蓄 富裕 山东
        谷歌 侯选 宁波 甘肃 武汉 景区 叶子 申请 申报 温馨 居民 居住 都是 都要 国有 高级 高管 高于 路径 项目 纪录 季度
        席位 强烈 江苏 盛大 林业 江西 江南 万一 毕竟 安排 和平 元整 顾客 康复 皮肤 卡号 能否 尚未 农业 农行 农村 东莞
        相同 不符 一致 华夏 华为 金卡 马上 方可 任意 章节 云南 柏林 云闪付 支付宝 花呗 计划 谈话 明天 万能 贝壳 成本
        路费 别名 何时 何种 那么 那个 沙发 国际 文化 师傅 车主 经营 经济 利益 常见 常规 时请 通用 空的 有误 全名 全程
        严格 严禁 许可 何人 水电 石家庄 平均 符合 单独 单笔 单一 满意 连同 冷静 解约 解冻 代扣 代缴 代表 向他 向其
        曾经 游客 查收 查验 易付宝 牛市 农户 都应 步骤 池子 柜台 客服
        """,
    )
)

_ADDRESS = re.compile(
    r"(?:[\u4e00-\u9fff]{2,8}(?:省|自治区))?(?:[\u4e00-\u9fff]{2,8}?(?:市|自治州|地区))?(?:[\u4e00-\u9fff]{1,8}?(?:区|县|旗|市))?"
    r"[\u4e00-\u9fff0-9]{1,14}?(?:路|街|大道|道|巷|弄|胡同|村|镇|小区|花园|苑)[\u4e00-\u9fff0-9-]{0,12}?\d{1,5}(?:号|弄|栋|幢|座)"
    r"(?:[\u4e00-\u9fffA-Za-z0-9-]{0,12}?(?:号楼|栋|幢|座|单元|室|号|层|楼))*"
)
_AT_HOME = re.compile(
    r"(?:住址|地址|家住|住在|现住|户籍|居住地|住所|寄到|寄往)[^\u4e00-\u9fff0-9]{0,4}(?:是|为|于)?[: ]{0,2}\Z"
)


# 姓名张三，: without a mark between, for the words after which nothing but a name is likely, and only up to a mark.
_JOINED = re.compile(rf"(?:姓名|户名|收款人|付款人|持卡人|联系人)(?P<it>{_NAME})(?!{_HAN})")


def labelled_names(text: str) -> Iterator[Found]:
    """Names behind 姓名： and the like."""
    for pattern in (_LABELLED, _JOINED):
        for found in pattern.finditer(text):
            if is_name(found["it"]):
                yield Found(found.start("it"), found.end("it"), "name", found["it"])


def holders(text: str, numbers: Sequence[Found]) -> Iterator[Found]:
    """Names right before somebody's number; a name of two characters needs a word or a mark that leads to it."""
    for number in numbers:
        if number.kind in ("email", "plate", "credit_code", "name", "address"):
            continue
        head = text[max(0, number.start - 30) : number.start]
        for found in _HOLDER.finditer(head):
            if is_name(found["it"]):
                start = number.start - len(head) + found.start("it")
                yield Found(start, start + len(found["it"]), "name", found["it"])


def is_name(text: str) -> bool:
    """Whether it can be a person's: no word of every day, no title (李经理), none hidden already (张某)."""
    if re.search("经理$|先生$|女士$|小姐$|老师$|主任$|总$|行长$|师傅$|同学$", text):
        return False
    if text[-1] in "某号码是的在和与等称人行了卡" or "某" in text or text[:2] in _WORDS or text in _WORDS:
        return False
    return not re.search(
        "公司|银行|证券|基金|保险|集团|支行|中心|身份|证件|手机|电话|账号|帐号|信息|姓名|客户|号码|微信", text
    )


def addresses(text: str) -> Iterator[Found]:
    """Addresses with a house number behind 住址, 地址, 住在 ..."""
    for found in _ADDRESS.finditer(text):
        if _AT_HOME.search(text, max(0, found.start() - 12), found.start()):
            yield Found(found.start(), found.end(), "address", found.group())
