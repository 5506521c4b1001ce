"""The settings that decide what is trained on, and in which order."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from cornucopia.core.config import Config, option


class DataSettings(Config):
    """Files, columns, lengths and the seed."""

    data_path: list[str] = option(
        ["instruction_data/fin_data.json"],
        "训练数据文件，可多个",
        aliases=("data", "dataset", "train_file"),
        split="paths",
    )
    data_weights: list[float] = option([], "各数据文件的采样倍数（2 即每轮用两遍），与 data-path 一一对应")
    data_temperature: float | None = option(
        None, "各数据文件按条数的 1/T 次方混合，总条数不变：1 照原样，越大各文件的份额越接近", gt=0
    )
    data_caps: list[int] = option([], "各数据文件每轮最多用多少条（随机取），与 data-path 一一对应；0 不限")
    max_samples: int | None = option(None, "每个数据文件只用前多少条", gt=0)
    val_data: str | None = option(
        None, "验证数据文件；不给则按 val-set-size 从训练数据里分", aliases=("validation_file", "eval_dataset")
    )
    val_set_size: float = option(0, "验证集大小：小于 1 是各文件的比例，否则是全部文件一共的条数；0 不验证", ge=0)
    prompt_column: str | None = option(None, "问题所在的列名（自有格式时用）")
    response_column: str | None = option(None, "回答所在的列名（自有格式时用）")
    reasoning_column: str | None = option(None, "思考过程所在的列名；训练成回答前面的 <think> 段")
    system: str = option("", "对话没有系统提示的，加上这一段；问的时候也要带上它", aliases=("default_system",))
    cutoff_len: int = option(
        512, "每条最多多少词元，超出按规则截短并计数", aliases=("max_seq_length", "max_length"), gt=8
    )
    train_on_inputs: bool = option(False, "问题部分也计入损失")
    cache: bool = option(True, "大数据分好的词存盘，同样的数据和设置下次直接用；--no-cache 不存不用")
    strict: bool = option(False, "有一条坏数据就停（默认跳过、计数、存入 rejects）")
    seed: int = option(42, "随机种子")

    @model_validator(mode="after")
    def _one_weight_a_file(self) -> Self:
        if self.data_weights and len(self.data_weights) != len(self.data_path):
            raise ValueError(
                f"data_weights 有 {len(self.data_weights)} 个，data_path 有 {len(self.data_path)} 个，应一一对应"
            )
        if self.data_caps and (len(self.data_caps) != len(self.data_path) or min(self.data_caps) < 0):
            raise ValueError(f"data_caps 应与 data_path 一一对应，共 {len(self.data_path)} 个不小于 0 的数")
        if self.data_weights and self.data_temperature is not None:
            raise ValueError("data_weights 和 data_temperature 只能给一个")
        return self
