"""Settings of a recipe that neither data nor method nor objective decides: processes, and which weights are kept."""

from __future__ import annotations

from typing import Literal

from cornucopia.core.config import Config, option


class ProcessSettings(Config):
    """How several processes (torchrun) share the work."""

    shard: Literal["none", "fsdp2"] = option(
        "none",
        "多个进程（torchrun）时模型怎样放：none 每个进程一整份（DDP）；fsdp2 权重、梯度、优化器分到各进程",
    )
    shard_offload: bool = option(
        False, "shard fsdp2 时分开的部分放在内存里，用到才上显卡：更省显存，慢", aliases=("cpu_offload",)
    )
    deepspeed: str | None = option(None, "DeepSpeed 的 JSON 配置文件；多进程由它管，代替 shard")


class EvaluationSettings(Config):
    """What is measured on the way, which checkpoint is the best, and when there is no point in going on."""

    best_metric: str = option(
        "loss",
        "按哪个验证指标选最好的检查点：loss、accuracy、某个数据集的「文件名_loss」、eval_generate 的 number_accuracy",
        aliases=("metric_for_best_model",),
    )
    early_stopping: int = option(
        0, "验证连续这么多次没有更好就停；0 不停", aliases=("early_stopping_steps", "early_stopping_patience"), ge=0
    )
    eval_generate: str | None = option(None, "计算题文件：每次验证时让模型作答，数值全对的占比记为 number_accuracy")
    eval_generate_tokens: int = option(256, "eval_generate 每题最多生成多少词元", gt=0)
