"""What an export is asked for, and all that can be refused before a weight is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from cornucopia.adapters.load import scores
from cornucopia.core.config import Config, option, read_yaml
from cornucopia.core.console import say, warn
from cornucopia.core.errors import ModelError
from cornucopia.core.hub import human
from cornucopia.export.folder import check_output, check_room
from cornucopia.export.llamafactory import is_export, translate
from cornucopia.export.merge import check_mergeable
from cornucopia.models.families import read_config
from cornucopia.models.find import find_adapter
from cornucopia.models.local import read_model
from cornucopia.models.meta import read_meta
from cornucopia.models.scorer import holds_scorer
from cornucopia.models.spec import ModelSpec, ResolvedModel, resolve
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.tokens.render import encode_prompt

# Roundings of the stored type, relative to the greatest logit, that a difference may amount to. In float32 what counts
# is another order of sums, magnified layer by layer (160 with random weights); in 16 bits the one rounding of a weight.
ROUNDINGS = {"float32": 1024, "bfloat16": 32, "float16": 64}
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_GGUF_BYTES = {"f32": 4, "f16": 2, "bf16": 2}  # a quantised file takes no more than 16 bits do
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*[KMG]i?B", re.I)
_ASKED = "重疾险的犹豫期有多长？"
PROBES = (
    Record(messages=(Message("user", _ASKED),)),
    Record(messages=(Message("user", "按材料回答：利率是多少？"),), passages=(Passage("一年期存款利率为 1.10%。"),)),
    Record(
        messages=(Message("user", _ASKED), Message("assistant", "不少于 15 天。"), Message("user", "退保要扣钱吗？"))
    ),
)


class ExportOptions(Config):
    """Options of `cornucopia export`."""

    base: str = option(
        ..., "基座：目录、base_models/ 下的名字，或 nano", aliases=("base_model", "model", "m", "model_name_or_path")
    )
    adapter: list[str] = option(
        [], "适配器的目录；写几次就按次序合并几个，不写则只整理基座", aliases=("lora_weights", "adapter_name_or_path"),
        split="never",
    )  # fmt: skip
    out: str = option(..., "输出目录：新的或空的", aliases=("o", "output_dir", "export_dir"))
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "存成什么类型；auto 与基座的文件相同", aliases=("torch_dtype",)
    )
    gguf: Literal["", "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"] = option(
        "", "写成 llama.cpp 的一个 GGUF 文件（--out 是文件名），这是权重的类型；不写则写成目录", aliases=("outtype",)
    )
    lora_modules: bool = option(
        False, "不合并：把一个适配器改写成 vLLM 的 --lora-modules 收的普通 LoRA（rsLoRA、PiSSA 都行；DoRA 不行）"
    )
    safe_shard_size: str = option("4GB", "每个权重文件最大多少，如 4GB、500MB", aliases=("max_shard_size",))

    @classmethod
    def load(cls, path: str | Path | None, overrides: dict[str, Any] | None = None) -> Self:
        """See Config; a LLaMA-Factory export YAML is read too."""
        values = read_yaml(path) if path else {}
        if not path or not is_export(values):
            return super().load(path, overrides)
        made, notes = translate(values)
        for note in notes:
            say(note)
        return cls.build(made | (overrides or {}), where=str(path))

    @field_validator("safe_shard_size")
    @classmethod
    def _check_size(cls, value: str) -> str:
        if not _SIZE.fullmatch(value):
            raise ValueError("应为大小，如 4GB、500MB")
        return value

    @model_validator(mode="after")
    def _check_gguf(self) -> ExportOptions:
        if self.lora_modules and (self.gguf or self.dtype != "auto" or len(self.adapter) != 1):
            raise ValueError("lora_modules 要正好一个 adapter，不与 gguf、dtype 同用")
        if self.gguf and self.dtype != "auto":
            raise ValueError("写 GGUF 时权重的类型由 --gguf 定，不写 --dtype")
        return self


@dataclass(frozen=True)
class Plan:
    """What will be done, found out before any weight is read."""

    resolved: ResolvedModel
    adapters: list[Path]
    target: Path
    dtype: str
    shard: str
    scores: bool  # a reward model


def make_plan(options: ExportOptions) -> Plan:
    """Everything that can be refused before the weights are read."""
    adapters = [find_adapter(name) for name in options.adapter]
    last = options.adapter[-1] if options.adapter else None
    resolved = resolve(ModelSpec(base=options.base, adapter=last, dtype="float32", device="cpu"))
    config = read_config(resolved.folder)
    if "quantization_config" in config:
        method = config["quantization_config"].get("quant_method", "")
        fix = "用没有量化的同一个基座（cornucopia models pull）"
        raise ModelError("这个基座的文件已经量化，不能往里合并", where=str(resolved.folder), found=method, fix=fix)
    for folder in adapters:
        check_mergeable(folder)
        _tell(folder, resolved)
    target = check_output(Path(options.out), [resolved.folder, *adapters], file=bool(options.gguf))
    dtype = _stored_dtype(config) if options.dtype == "auto" else options.dtype
    parameters = read_model(resolved.folder).parameters or resolved.shape.parameters
    check_room(target, parameters * (_GGUF_BYTES.get(options.gguf, 2) if options.gguf else _BYTES[dtype]))
    _check_memory(parameters)
    return Plan(resolved, adapters, target, dtype, options.safe_shard_size, _scores(config, adapters, options))


def _scores(config: dict[str, Any], adapters: list[Path], options: ExportOptions) -> bool:
    """Whether what is exported is a reward model.

    Raises:
        ModelError: it is, and GGUF is asked for.
    """
    found = holds_scorer(config) or any(scores(folder) for folder in adapters)
    if found and options.gguf:
        fix = "去掉 --gguf，写成目录"
        raise ModelError("GGUF 只装会回答的模型，这是奖励模型", where=(options.adapter or [options.base])[-1], fix=fix)
    return found


def _tell(folder: Path, resolved: ResolvedModel) -> None:
    """What the user should know of an adapter before it is merged."""
    meta = read_meta(folder)
    if not meta.base_fingerprint:
        warn(f"{folder} 没有记下基座的指纹，没法核对是不是 {resolved.folder.name} 上练的，只核对形状")
    if meta.template and meta.template != resolved.template.name:
        warn(f"{folder} 是用模板 {meta.template} 练的；导出用最后一个适配器的 {resolved.template.name}")
    bits = meta.recipe.get("bits") or (8 if meta.recipe.get("load_8bit") else 0)
    if bits:
        say(f"{folder} 是在 {bits} 位的基座上练的；合并进没有量化的基座，回答会略有不同")


def _stored_dtype(config: dict[str, Any]) -> str:
    """The type that config.json says the weights are stored in."""
    text = config.get("text_config") or {}
    named = (holder.get(key) for holder in (config, text) for key in ("dtype", "torch_dtype"))
    return next((name for name in named if name in _BYTES), "float32")


def _check_memory(parameters: int) -> None:
    """
    Raises:
        ModelError: the base in float32 is more than memory and swap can hold.
    """
    import psutil

    need, free = 4 * parameters, psutil.virtual_memory().available + psutil.swap_memory().free
    if need > free:
        found = f"float32 的权重要 {human(need)}，可用 {human(free)}（含交换区）"
        raise ModelError("内存不够合并", found=found, fix="关掉别的程序，或换一台内存大的机器")


def probe(record: Record, resolved: ResolvedModel) -> list[int]:
    ids = encode_prompt(record, resolved.template, resolved.tokenizer)
    limit = read_config(resolved.folder).get("max_position_embeddings") or len(ids)
    return ids[-limit:]
