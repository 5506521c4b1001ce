"""Where the public data lies, and a few sentences to make tokenizers and models from."""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

CORPUS = [
    "重疾险的犹豫期不得少于15天，退保能拿回所交保费。",
    "基金净值下跌时要不要赎回？先看投资期限和风险承受能力。",
    "信用卡最低还款额一般是账单的10%，未还部分按日万分之五计息。",
    "贷款利率怎么算？等额本息与等额本金的总利息不同。",
    "股票有涨跌停限制，主板一般为10%，创业板为20%。\n社保断缴会影响医保报销。",
    "下面是一个问题，运用金融财经知识来正确回答问题.\n### 问题:\n### 材料:\n### 回答:\n",
]
