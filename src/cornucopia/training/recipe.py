"""The training recipe: every setting with its default, limits and Chinese help. Nothing is read or loaded here.

The data's, each method's and each objective's settings stand beside what they decide; a recipe is all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from cornucopia.core.config import Config, option, read_yaml
from cornucopia.core.console import say
from cornucopia.core.errors import nearest
from cornucopia.models.spec import ModelSpec
from cornucopia.training.data.settings import DataSettings
from cornucopia.training.llamafactory import is_llamafactory, translate
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.settings import EvaluationSettings, ProcessSettings

TRACKERS = ("tensorboard", "wandb", "swanlab", "trackio", "mlflow")
# Settings that decide no weight, or whose part in it a fingerprint stands for: a resumed run may have others.
_FREE = {
    "base", "adapter", "template", "revision", "data_path", "data_weights", "data_temperature", "data_caps",
    "max_samples", "val_data", "val_set_size", "prompt_column", "response_column", "reasoning_column", "system",
    "cutoff_len", "train_on_inputs", "cache", "strict", "output_dir", "overwrite", "resume",
    "resume_from_checkpoint", "dry_run", "cards", "auto", "report_to", "save_total_limit", "logging_steps", "shard",
    "shard_offload", "wandb_project", "wandb_run_name", "wandb_watch", "wandb_log_model", "save_dtype",
}  # fmt: skip
_KINDS: Any = tuple(dict.fromkeys(kind.Settings for kind in [*METHODS.values(), *OBJECTIVES.values()]))
_ChoiceSettings: Any = type("_ChoiceSettings", tuple(kind for kind in _KINDS if kind is not Config) or (Config,), {})


def _about(table: dict[str, Any]) -> str:
    return "，".join(f"{name} {kind.about}" for name, kind in table.items())


class TrainRecipe(_ChoiceSettings, ProcessSettings, EvaluationSettings, DataSettings, ModelSpec):
    """All settings of `cornucopia train`. Defaults are the original project's where it had them."""

    objective: str = option("sft", f"学什么：{_about(OBJECTIVES)}", aliases=("stage",))
    method: str = option("lora", f"改什么：{_about(METHODS)}", aliases=("finetuning_type",))

    save_dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "全参数训练的成品存成什么类型；auto 同 dtype"
    )

    output_dir: str = option("runs/train", "输出目录：适配器、日志、检查点、损失图", aliases=("o",))
    overwrite: bool = option(False, "输出目录已有训练结果时，清掉重来", aliases=("overwrite_output_dir",))
    resume: bool = option(False, "从输出目录里最后一个完整检查点接着练，结果与不中断完全一样")
    resume_from_checkpoint: str | None = option(None, "从这个检查点接着练；给的若是成品适配器，则以它为起点重新练")

    num_epochs: float = option(10, "训练轮数", aliases=("num_train_epochs", "epochs"), gt=0)
    max_steps: int = option(-1, "最多更新多少步；-1 由轮数决定")
    learning_rate: float = option(2e-4, "学习率峰值", aliases=("lr",), gt=0)
    lr_scheduler_type: str = option("linear", "学习率曲线：linear、cosine、constant_with_warmup 等")
    warmup_ratio: float = option(0.1, "预热步数占总步数的比例", ge=0, lt=1)
    warmup_steps: int | None = option(None, "预热多少步；给了就不看 warmup_ratio", ge=0)
    weight_decay: float = option(0.0, "权重衰减", ge=0)
    adam_beta2: float = option(0.999, "AdamW 的二阶矩衰减；从头预训练且步数少时 0.98 更快", gt=0, lt=1)
    max_grad_norm: float = option(1.0, "梯度裁剪的范数", gt=0)
    batch_size: int = option(64, "每次更新用多少条", gt=0, aliases=("train_batch_size",))
    micro_batch_size: int | None = option(
        None,
        "一次前向多少条；默认等于 batch-size，显存不够就调小（梯度累积，结果不变）",
        gt=0,
        aliases=("per_device_train_batch_size",),
    )
    auto: bool = option(
        False,
        "按可用内存自动安排：选一次前向多少条（至多 micro-batch-size），放不下再重算激活；每次更新的条数不变",
        aliases=("auto_batch",),
    )
    group_by_length: bool = option(False, "长度相近的排在一起")
    gradient_checkpointing: bool = option(False, "重算激活以省显存，慢约三成")
    packing: bool = option(True, "无填充训练：多条拼成一行，互不可见，结果与逐条相同；模型不支持时自动退回")
    compile: Literal["auto", "on", "off"] = option(
        "auto", "把逐元素的运算编译成一遍（约 20 秒、30 MB 内存，CPU 上要 C++ 编译器）；auto：训练够长才编译"
    )
    attention: Literal["auto", "sdpa", "blocks"] = option(
        "auto",
        "CPU 上注意力的反向：sdpa 用 PyTorch 的，blocks 分块成批相乘；auto：有 16 位指令的 CPU 上开头试一秒，取快的",
    )
    optim: str = option("adamw_torch", "优化器名（Hugging Face 的名字），如 paged_adamw_32bit")

    save_steps: int = option(32, "每多少步存一个检查点", gt=0)
    eval_steps: int = option(32, "每多少步验证一次", gt=0)
    logging_steps: int = option(8, "每多少步记一次损失", gt=0)
    save_total_limit: int = option(3, "最多留几个检查点（最好的总会留下）", ge=2)
    report_to: list[str] = option(["tensorboard"], f"训练曲线发往：{'、'.join(TRACKERS)}、none")
    wandb_project: str = option("", "W&B 项目名；给了就发往 W&B")
    wandb_run_name: str = option("", "W&B 运行名", aliases=("run_name",))
    wandb_watch: str = option("", "W&B 记录什么：false、gradients、all")
    wandb_log_model: str = option("", "W&B 是否上传模型：false、true")

    cards: bool = option(False, "只看这个基座各种改法、几张多大的显卡放得下（不用下载权重），不训练")
    dry_run: bool = option(False, "只看计划（配方、数据统计、内存估计），不训练")

    @classmethod
    def load(cls, path: str | Path | None, overrides: dict[str, Any] | None = None) -> Self:
        """See Config; a LLaMA-Factory YAML is read too."""
        values = read_yaml(path) if path else {}
        if not path or not is_llamafactory(values):
            return super().load(path, overrides)
        made, notes = translate(values, Path(path).parent)
        for note in notes:
            say(note)
        names = cls.alias_map()
        given = {names.get(key.replace("-", "_"), key): value for key, value in (overrides or {}).items()}
        return cls.build(made | given, where=str(path))

    @field_validator("report_to")
    @classmethod
    def _known_trackers(cls, names: list[str]) -> list[str]:
        names = [name for name in names if name not in ("none", "")]
        unknown = [name for name in names if name not in TRACKERS]
        if unknown:
            raise ValueError(f"不认识 {unknown[0]}，可选 {'、'.join(TRACKERS)}、none")
        return names

    @field_validator("objective", "method")
    @classmethod
    def _known(cls, name: str, info: Any) -> str:
        table = METHODS if info.field_name == "method" else OBJECTIVES
        if name not in table:
            close = nearest(name, table)
            hint = f"，最接近的是 {close}" if close else ""
            raise ValueError(f"应为 {'、'.join(table)} 之一{hint}")
        return name

    @model_validator(mode="after")
    def _agree(self) -> Self:
        micro = self.micro_batch_size or self.batch_size
        if self.batch_size % micro:
            raise ValueError(f"batch_size {self.batch_size} 不是 micro_batch_size {micro} 的整数倍")
        if self.base_bits and not METHODS[self.method].quantised:
            able = "、".join(name for name, kind in METHODS.items() if kind.quantised)
            raise ValueError(f"method {self.method} 不能用量化的基座：去掉 bits，或改用 method {able}")
        if self.shard == "fsdp2" and self.base_bits:
            raise ValueError("shard fsdp2 不能用量化的基座：去掉 bits，或用 shard: none（每张卡一份量化的基座）")
        if self.shard == "fsdp2" and (self.deepspeed or self.eval_generate):
            other = "deepspeed" if self.deepspeed else "eval_generate"
            raise ValueError(f"shard fsdp2 不能和 {other} 一起用：去掉一个")
        if self.shard_offload and self.shard == "none":
            raise ValueError("shard_offload 要和 shard: fsdp2 一起用")
        if self.gradient_checkpointing and not METHODS[self.method].recomputes:
            raise ValueError(f"method {self.method} 不能重算激活：去掉 gradient_checkpointing，改小 micro_batch_size")
        if OBJECTIVES[self.objective].refers and not METHODS[self.method].refers:
            free = "、".join(name for name, kind in OBJECTIVES.items() if kind.rows == "preference" and not kind.refers)
            raise ValueError(f"method {self.method} 没有参照模型可比：objective 改用 {free}，或改用 method lora")
        if self.reasoning_column and not OBJECTIVES[self.objective].reasons:
            raise ValueError(f"objective {self.objective} 没有思考过程：去掉 reasoning_column，或改用 objective sft")
        return self

    @property
    def micro(self) -> int:
        """Documents in one forward pass."""
        return self.micro_batch_size or self.batch_size

    def identity(self) -> dict[str, Any]:
        """The settings that decide the trained weights, beside base and data: a resumed run must have the same."""
        given = self.model_dump(mode="json")
        own = {*METHODS[self.method].Settings.model_fields, *OBJECTIVES[self.objective].Settings.model_fields}
        others = set(_ChoiceSettings.model_fields) - own
        return {key: value for key, value in given.items() if key not in _FREE | others}
