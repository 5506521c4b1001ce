"""The training recipe: every setting with its default, limits and Chinese help. Nothing is read or loaded here."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import field_validator, model_validator

from cornucopia.core.config import Config, option

# Settings younger than some runs, which stay resumable: they count only where they are not as they always were.
_YOUNGER_DEFAULTS = (("quant_type", "auto"), ("compile", "auto"), ("attention", "auto"))
TRACKERS = ("tensorboard", "wandb", "swanlab", "trackio", "mlflow")


class TrainRecipe(Config):
    """All settings of `cornucopia train`. Defaults are the original project's where it had them."""

    stage: Literal["sft", "pretrain"] = option("sft", "阶段：sft 指令微调，pretrain 继续预训练")
    method: Literal["lora", "full"] = option(
        "lora", "训练什么：lora 只训适配器，full 训全部参数", aliases=("finetuning_type",)
    )

    base_model: str = option(
        "nano", "基座：目录、base_models/ 下的名字，或 nano（随项目附带）", aliases=("model", "m", "model_name_or_path")
    )
    bits: Literal[0, 4, 8] = option(
        0, "基座量化位数：0 不量化，8 自带，4 用 bitsandbytes", aliases=("quantization_bit",)
    )
    quant_type: Literal["auto", "int8", "int8_dot", "fp8"] = option(
        "auto", "8 位的种类：int8 只存成 8 位；int8_dot、fp8 连矩阵乘也用 8 位（GPU 上更快）"
    )
    load_8bit: bool = option(False, "基座用 8 位（同 --bits 8）", aliases=("load_in_8bit",))
    dtype: str = option("auto", "基座数据类型：auto、float32、bfloat16、float16", aliases=("torch_dtype",))
    device: str = option("auto", "设备：auto、cpu、cuda")
    save_dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "全参数训练的成品存成什么类型；auto 同 dtype"
    )

    data_path: list[str] = option(
        ["instruction_data/fin_data.json"],
        "训练数据文件，可多个",
        aliases=("data", "dataset", "train_file"),
        split="paths",
    )
    data_weights: list[float] = option([], "各数据文件的采样倍数（2 即每轮用两遍），与 data-path 一一对应")
    val_data: str | None = option(
        None, "验证数据文件；不给则按 val-set-size 从训练数据里分", aliases=("validation_file", "eval_dataset")
    )
    val_set_size: float = option(0, "验证集大小：小于 1 是比例，否则是条数；0 不验证", ge=0)
    prompt_column: str | None = option(None, "问题所在的列名（自有格式时用）")
    response_column: str | None = option(None, "回答所在的列名（自有格式时用）")
    reasoning_column: str | None = option(None, "思考过程所在的列名；训练成回答前面的 <think> 段")
    prompt_template_name: str | None = option(
        None,
        "模板：fin_template、alpaca、chat（模型自带）或 JSON 路径；默认有自带聊天模板就用它，否则 fin_template",
        aliases=("template", "prompt_template"),
    )
    cutoff_len: int = option(
        512, "每条最多多少词元，超出按规则截短并计数", aliases=("max_seq_length", "max_length"), gt=8
    )
    train_on_inputs: bool = option(False, "问题部分也计入损失")
    cache: bool = option(True, "大数据分好的词存盘，同样的数据和设置下次直接用；--no-cache 不存不用")
    strict: bool = option(False, "有一条坏数据就停（默认跳过、计数、存入 rejects）")

    output_dir: str = option("runs/train", "输出目录：适配器、日志、检查点、损失图", aliases=("o",))
    overwrite: bool = option(False, "输出目录已有训练结果时，清掉重来", aliases=("overwrite_output_dir",))
    resume: bool = option(False, "从输出目录里最后一个完整检查点接着练，结果与不中断完全一样")
    resume_from_checkpoint: str | None = option(None, "从这个检查点接着练；给的若是成品适配器，则以它为起点重新练")

    num_epochs: float = option(10, "训练轮数", aliases=("num_train_epochs", "epochs"), gt=0)
    max_steps: int = option(-1, "最多更新多少步；-1 由轮数决定")
    learning_rate: float = option(2e-4, "学习率峰值", aliases=("lr",), gt=0)
    lr_scheduler_type: str = option("linear", "学习率曲线：linear、cosine、constant_with_warmup 等")
    warmup_ratio: float = option(0.1, "预热步数占总步数的比例", ge=0, lt=1)
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

    lora_r: int = option(8, "LoRA 秩", aliases=("lora_rank", "rank"), gt=0)
    lora_alpha: int = option(16, "LoRA 缩放系数 alpha", gt=0)
    lora_dropout: float = option(0.05, "LoRA 丢弃率", ge=0, lt=1)
    lora_target_modules: list[str] = option(
        ["q_proj", "v_proj"], "给哪些层加 LoRA；all-linear 为全部线性层", aliases=("target_modules", "lora_target")
    )

    save_steps: int = option(32, "每多少步存一个检查点", gt=0)
    eval_steps: int = option(32, "每多少步验证一次", gt=0)
    logging_steps: int = option(8, "每多少步记一次损失", gt=0)
    save_total_limit: int = option(3, "最多留几个检查点（最好的总会留下）", ge=2)
    report_to: list[str] = option(["tensorboard"], f"训练曲线发往：{'、'.join(TRACKERS)}、none")
    wandb_project: str = option("", "W&B 项目名；给了就发往 W&B")
    wandb_run_name: str = option("", "W&B 运行名", aliases=("run_name",))
    wandb_watch: str = option("", "W&B 记录什么：false、gradients、all")
    wandb_log_model: str = option("", "W&B 是否上传模型：false、true")

    seed: int = option(42, "随机种子")
    dry_run: bool = option(False, "只看计划（配方、数据统计、内存估计），不训练")

    @field_validator("report_to")
    @classmethod
    def _known_trackers(cls, names: list[str]) -> list[str]:
        names = [name for name in names if name not in ("none", "")]
        unknown = [name for name in names if name not in TRACKERS]
        if unknown:
            raise ValueError(f"不认识 {unknown[0]}，可选 {'、'.join(TRACKERS)}、none")
        return names

    @model_validator(mode="after")
    def _agree(self) -> Self:
        micro = self.micro_batch_size or self.batch_size
        if self.batch_size % micro:
            raise ValueError(f"batch_size {self.batch_size} 不是 micro_batch_size {micro} 的整数倍")
        if self.method == "full" and (self.bits or self.load_8bit):
            raise ValueError("全参数训练不能用量化的基座：去掉 bits，或改用 method: lora")
        if self.quant_type != "auto" and self.base_bits != 8:
            raise ValueError(f"quant_type {self.quant_type} 只用于 8 位的基座：加上 bits: 8")
        if self.stage == "pretrain" and self.reasoning_column:
            raise ValueError("继续预训练没有思考过程：去掉 reasoning_column，或改用 stage: sft")
        if self.data_weights and len(self.data_weights) != len(self.data_path):
            raise ValueError(
                f"data_weights 有 {len(self.data_weights)} 个，data_path 有 {len(self.data_path)} 个，应一一对应"
            )
        return self

    @property
    def base_bits(self) -> int:
        """Quantisation of the base: 0, 4 or 8."""
        return 8 if self.load_8bit and not self.bits else self.bits

    @property
    def micro(self) -> int:
        """Documents in one forward pass."""
        return self.micro_batch_size or self.batch_size

    def identity(self) -> dict[str, object]:
        """The settings that decide the trained weights: a resumed run must have the same."""
        free = {
            "output_dir",
            "overwrite",
            "resume",
            "resume_from_checkpoint",
            "dry_run",
            "report_to",
            "save_total_limit",
            "logging_steps",
            "wandb_project",
            "wandb_run_name",
            "wandb_watch",
            "wandb_log_model",
            "strict",
            "auto",
            "cache",
            "reasoning_column",  # part of the data's fingerprint; runs older than the setting stay resumable
            "save_dtype",
        }
        given = self.model_dump(mode="json")
        return {key: value for key, value in given.items() if key not in free and (key, value) not in _YOUNGER_DEFAULTS}
