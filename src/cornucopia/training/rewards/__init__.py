"""What an answer is worth. A reward is one function here and one entry in REWARDS; nothing else knows it by name."""

from __future__ import annotations

from cornucopia.training.rewards.reward import Reward
from cornucopia.training.rewards.rules import calculator, conduct, form, length, material, numbers, tool

REWARDS: dict[str, Reward] = {
    reward.name: reward
    for reward in (
        Reward("calculator", "计算题的数对不对（计算器算出标准答案，单位和四舍五入都算）", calculator),
        Reward("numbers", "参考答案里的数说对了多少，说错的扣分", numbers),
        Reward("material", "数字、日期、百分比、引语、法规有多少在给的材料和工具结果里", material),
        Reward("format", "说完了，没有空着，没有残缺的标记", form, always=True),
        Reward("tool", "调用了工具，且每次调用都合格", tool),
        Reward("conduct", "没有承诺收益、荐股、拉人等违规说法", conduct, always=True),
        Reward("length", "没有超过 length_target 个词元；超得越多分越低，两倍以上为 0", length, always=True),
    )
}
