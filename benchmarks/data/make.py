"""Finance-like Chinese records of about 300 characters with planted duplicates: the same bytes for the same seed.

    python benchmarks/data/make.py 100000 runs/bench/data/100000.jsonl

Each row has `kind`: `new`, `exact` (an earlier one with other punctuation and width) or `near` (an earlier one with a
few characters changed, the numbers left alone), and `of`, the id of the earlier one. Some carry what cleaning and
redacting look for: advertising, telephone numbers, e-mail addresses.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path


def _words(text: str) -> list[str]:
    return text.split()


EXACT, NEAR = 0.08, 0.08  # share of the records
_MEMORY = 20_000  # earlier texts that a duplicate is made of
_FIRMS = "华泰盛达中科新安天合远洋瑞丰恒信嘉实汇通金鼎国元长江东海南方北辰西部宏源银河光大兴业招商平安民生浦发"
_KINDS = _words("银行 证券 基金 保险 信托 期货 租赁 科技 能源 医药 电子 地产 物流 化工 传媒")
_THINGS = _words(
    "不良贷款率 净息差 拨备覆盖率 资本充足率 营业收入 归母净利润 经营现金流 资产负债率 毛利率 "
    "研发费用 存货周转天数 应收账款 商誉减值 股息率 市盈率 市净率 换手率 融资余额 到期收益率 "
    "信用利差 久期 票面利率 回购利率 准备金率 汇率中间价 赎回费率 管理费率"
)
_ACTS = _words("上调 下调 维持 披露 重述 核销 计提 转回 置换 赎回 回购 增持 减持 质押 解押 发行 兑付 展期")
_WHYS = _words(
    "受利率市场化影响 因项目回款较慢 由于会计准则变化 随着居民财富增长 在监管趋严的背景下 考虑到季节因素 "
    "为满足流动性要求 根据董事会决议 按照合同约定 结合行业周期判断 出于审慎原则 参照同业水平"
)
_ENDS = _words(
    "投资者应当关注其后续变化 这对短期业绩影响有限 相关风险已在年报中提示 具体办法以公告为准 "
    "建议分散配置并控制仓位 实际收益以产品到期为准 是否续作取决于资金面 历史表现不代表未来 "
    "需要结合现金流一起看 该口径与监管报表一致"
)
_ASKS = _words("怎么理解 会有什么影响 应该如何处理 怎样计算 有哪些风险 需要满足什么条件 与去年相比变化大吗")
_ADS = "加微信 vx{0} 免费领取牛股", "开户佣金万一，联系 QQ{0}"


def sentence(rng: random.Random) -> str:
    """One statement."""
    firm = "".join(rng.choices(_FIRMS, k=4)) + rng.choice(_KINDS)
    figure = f"{rng.randint(1, 9999) / 100}%" if rng.random() < 0.6 else f"{rng.randint(1, 99999):,}万元"
    when = f"{rng.randint(2015, 2025)}年{rng.randint(1, 12)}月"
    middle = f"{rng.choice(_WHYS)}{rng.choice(_ACTS)}{rng.choice(_THINGS)}至{figure}"
    return f"{firm}{when}{middle}，{rng.choice(_THINGS)}随之变动，{rng.choice(_ENDS)}。"


def row(rng: random.Random, number: int) -> dict[str, str]:
    """A new record."""
    firm = "".join(rng.choices(_FIRMS, k=4)) + rng.choice(_KINDS)
    question = f"{firm}{rng.choice(_ACTS)}{rng.choice(_THINGS)}，{rng.choice(_THINGS)}{rng.choice(_ASKS)}？"
    answer = "".join(sentence(rng) for _ in range(rng.randint(4, 6)))
    draw = rng.random()
    if draw < 0.02:
        answer += rng.choice(_ADS).format(rng.randint(10**8, 10**9))
    elif draw < 0.04:
        mobile = f"13{rng.randint(10**8, 10**9 - 1)}"
        answer += f"联系人{rng.choice('王李张刘陈')}经理，电话{mobile}，邮箱user{number}@example.com。"
    return {"id": f"r{number}", "instruction": question, "output": answer, "kind": "new", "of": ""}


def copy(rng: random.Random, number: int, earlier: dict[str, str], kind: str) -> dict[str, str]:
    """A duplicate of an earlier record."""
    question, answer = earlier["instruction"], earlier["output"]
    if kind == "exact":
        question, answer = question.replace("？", "?").replace("，", ", "), answer.replace("。", "。 ")
    else:
        chars = list(answer)
        places = [
            place for place, char in enumerate(chars) if "\u4e00" <= char <= "\u9fff" and char not in "万亿百千二三"
        ]
        for place in rng.sample(places, rng.randint(1, 4)):
            chars[place] = rng.choice("的了和与在为对将可以及其所被由")
        answer = "".join(chars)
    return {"id": f"r{number}", "instruction": question, "output": answer, "kind": kind, "of": earlier["id"]}


def write(count: int, path: Path, seed: int = 42) -> None:
    """Write `count` records."""
    rng, earlier = random.Random(seed), list[dict[str, str]]()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            draw = rng.random()
            kind = "exact" if draw < EXACT else "near" if draw < EXACT + NEAR else "new"
            if kind == "new" or not earlier:
                made = row(rng, number)
                if len(earlier) < _MEMORY:
                    earlier.append(made)
                elif rng.random() < 0.05:
                    earlier[rng.randrange(_MEMORY)] = made
            else:
                made = copy(rng, number, rng.choice(earlier), kind)
            file.write(json.dumps(made, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
