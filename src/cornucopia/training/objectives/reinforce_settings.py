"""Settings of the objectives that learn from the model's own answers."""

from __future__ import annotations

from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.training.rewards import REWARDS

_REWARDS = "，".join(f"{reward.name} {reward.about}" for reward in REWARDS.values())


class ReinforceSettings(Config):
    """How answers are drawn, what they are worth, how they are learnt."""

    rewards: list[str] = option(
        ["calculator"],
        f"强化训练的奖励，名字或 名字=权重：{_REWARDS}",
    )
    group_size: int = option(8, "强化训练里每题答几次，至少 2", aliases=("num_generations",), ge=2)
    max_new_tokens: int = option(256, "强化训练里模型每一轮最多写多少个词元", aliases=("max_completion_length",), gt=0)
    rollout_temperature: float = option(1.0, "强化训练里作答的采样温度", gt=0)
    tool_rounds: int = option(2, "强化训练里每次作答最多调用几轮计算器；0 不运行工具", ge=0)
    kl_beta: float = option(0.0, "强化训练里离起点的 KL 的权重；0 不要参照模型", ge=0)
    clip_low: float = option(0.2, "概率比最多缩小多少", aliases=("epsilon",), gt=0, lt=1)
    clip_high: float = option(0.2, "概率比最多放大多少；DAPO 用 0.28", aliases=("epsilon_high",), gt=0)
    loss_per: Literal["token", "answer", "limit"] = option(
        "token", "grpo 的损失按什么平均：token 每个词元（DAPO），answer 先在每个回答内平均（原论文），limit 按长度上限"
    )
    scale_rewards: bool = option(True, "grpo 的优势除以组内标准差")
    skip_flat_groups: bool = option(True, "各次作答得分都一样的题不计入平均（DAPO 的动态采样，不另补题）")
    length_target: int = option(200, "length 奖励：超过多少个词元开始扣分", gt=0)
