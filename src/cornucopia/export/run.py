"""Export: base and adapters in, one folder out that answers as they did, checked by reading it back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from cornucopia.core.config import Config, option
from cornucopia.core.console import say, warn
from cornucopia.core.errors import ModelError
from cornucopia.core.hub import human
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.export.card import model_card, origin
from cornucopia.export.chat_template import chat_template
from cornucopia.export.files import copy_licences, set_generation, write_tokenizer
from cornucopia.export.folder import check_output, check_room, written_whole
from cornucopia.export.merge import Merged, check_mergeable, greatest_difference, logits_of, merge
from cornucopia.models.families import read_config
from cornucopia.models.find import find_adapter
from cornucopia.models.fingerprint import DIGITS, files_fingerprint
from cornucopia.models.load import Base, check_finite, load_base
from cornucopia.models.local import read_model
from cornucopia.models.meta import ModelMeta, library_versions, read_meta, write_meta
from cornucopia.models.spec import ModelSpec, ResolvedModel, resolve
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.tokens.render import encode_prompt
from cornucopia.tokens.template import PromptTemplate

REPORT = "export.json"
# Roundings of the stored type, relative to the greatest logit, that a difference may amount to. In float32 what counts
# is another order of sums, magnified layer by layer (160 with random weights); in 16 bits the one rounding of a weight.
ROUNDINGS = {"float32": 1024, "bfloat16": 32, "float16": 64}
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
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
    safe_shard_size: str = option("4GB", "每个权重文件最大多少，如 4GB、500MB", aliases=("max_shard_size",))

    @field_validator("safe_shard_size")
    @classmethod
    def _check_size(cls, value: str) -> str:
        if not _SIZE.fullmatch(value):
            raise ValueError("应为大小，如 4GB、500MB")
        return value


@dataclass(frozen=True)
class _Plan:
    """What will be done, found out before any weight is read."""

    resolved: ResolvedModel
    adapters: list[Path]
    target: Path
    dtype: str
    shard: str


def export(options: ExportOptions) -> dict[str, Any]:
    """Merge, write, read back and compare.

    Returns:
        What export.json holds.

    Raises:
        CornucopiaError: base, adapters or output cannot be used, or the result is not what base and adapters are;
            nothing is left in the output then.
    """
    plan = _plan(options)
    resolved = plan.resolved
    prompts = [_probe(record, resolved) for record in PROBES]
    base = load_base(resolved)
    merged = merge(base, plan.adapters, prompts)
    template = chat_template(resolved.template, resolved.tokenizer)
    with written_whole(plan.target) as folder:
        _write_weights(folder, plan, base)
        write_tokenizer(folder, resolved.folder, resolved.tokenizer, template)
        copy_licences(folder, resolved.folder)
        write_meta(folder, _meta(plan))
        report = _checked(folder, plan, merged, prompts)
        write_json(folder / REPORT, report)
        prompt = resolved.tokenizer.decode(prompts[0])
        stop = resolved.template.stop_strings
        card = model_card(plan.target.name, origin(resolved.folder), plan.adapters, report, stop, prompt)
        write_text(folder / "README.md", card)
    return report


def _plan(options: ExportOptions) -> _Plan:
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
    target = check_output(Path(options.out), [resolved.folder, *adapters])
    dtype = _stored_dtype(config) if options.dtype == "auto" else options.dtype
    parameters = read_model(resolved.folder).parameters or resolved.shape.parameters
    check_room(target, parameters * _BYTES[dtype])
    _check_memory(parameters)
    return _Plan(resolved, adapters, target, dtype, options.safe_shard_size)


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


def _probe(record: Record, resolved: ResolvedModel) -> list[int]:
    ids = encode_prompt(record, resolved.template, resolved.tokenizer)
    limit = read_config(resolved.folder).get("max_position_embeddings") or len(ids)
    return ids[-limit:]


def _write_weights(folder: Path, plan: _Plan, base: Base) -> None:
    """The weights in the stored type, with config and generation settings; the model is let go of."""
    import torch

    model, base.model = base.model, None
    model = model.to(getattr(torch, plan.dtype))
    try:
        check_finite(model.named_parameters(), plan.target)
    except ModelError as error:
        what, fix = f"有的权重大到 {plan.dtype} 存不下", "加 --dtype bfloat16 或 float32"
        raise ModelError(what, where=str(plan.target), found=error.found, fix=fix) from None
    set_generation(model, plan.resolved.tokenizer)
    model.config.use_cache = True
    model.save_pretrained(str(folder), max_shard_size=plan.shard)
    for path in folder.glob("*.safetensors"):  # written for their owner alone; a server may run as somebody else
        path.chmod((folder / "config.json").stat().st_mode)


def _meta(plan: _Plan) -> ModelMeta:
    template = plan.resolved.template
    return ModelMeta(
        template=Path(template.name).name,
        template_text=template.text if isinstance(template, PromptTemplate) else None,
        base=plan.resolved.folder.resolve().name,
        base_fingerprint=plan.resolved.weights_fingerprint,
        vocab_size=plan.resolved.shape.vocabulary,
        versions=library_versions(),
    )


def _checked(folder: Path, plan: _Plan, merged: Merged, prompts: Sequence[list[int]]) -> dict[str, Any]:
    """The report, once the folder read back is what base and adapters are.

    Raises:
        ModelError: the logits differ by more than the stored type explains, or as much as the adapters had moved them.
    """
    import torch

    written = load_base(resolve(ModelSpec(base=str(folder), dtype="float32", device="cpu")))
    difference = max(merged.difference, greatest_difference(logits_of(written.model, prompts), merged.logits))
    allowed = ROUNDINGS[plan.dtype] * torch.finfo(getattr(torch, plan.dtype)).eps * merged.greatest
    found = f"最大偏差 {difference:.3g}，{plan.dtype} 的舍入最多解释 {allowed:.3g}"
    if not difference <= allowed:
        fix = "加 --dtype float32 再试；还是这样就是这种适配器不能这样合并，直接用 --adapter"
        raise ModelError("合并后的回答与基座加适配器不同，没有写出", where=str(plan.target), found=found, fix=fix)
    if plan.adapters and difference >= merged.effect:
        found = f"适配器使 logits 最多变 {merged.effect:.3g}，存成 {plan.dtype} 的偏差有 {difference:.3g}"
        raise ModelError("适配器的作用小于舍入，合并就丢了", where=str(plan.target), found=found, fix="--dtype float32")
    same = _asks_the_same(folder, plan.resolved, prompts)
    if not same:
        warn("聊天模板写出的提示与本项目的不完全相同：这个分词器或模板有特别之处，直接用 Transformers 前请核对")
    return {
        "base": plan.resolved.folder.resolve().name,
        "base_fingerprint": plan.resolved.weights_fingerprint,
        "adapters": [_described(adapter) for adapter in plan.adapters],
        "fingerprint": written.fingerprint,
        "dtype": plan.dtype,
        "greatest_difference": difference,
        "allowed_difference": allowed,
        "adapter_effect": merged.effect,
        "changed_tensors": merged.changed,
        "prompts": len(prompts),
        "template": Path(plan.resolved.template.name).name,
        "chat_template_same": same,
        "versions": library_versions(),
    }


def _described(adapter: Path) -> dict[str, Any]:
    checked = len(read_meta(adapter).base_fingerprint) == DIGITS
    return {"name": adapter.resolve().name, "fingerprint": files_fingerprint(adapter), "base_checked": checked}


def _asks_the_same(folder: Path, resolved: ResolvedModel, prompts: Sequence[list[int]]) -> bool:
    """Whether a plain tokenizer, read from the folder, writes the prompts that were compared."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    for record, ids in zip(PROBES, prompts, strict=True):
        messages = [{"role": message.role, "content": message.content} for message in record.messages]
        documents = [{"text": passage.text} for passage in record.passages]
        if documents and not isinstance(resolved.template, PromptTemplate):
            continue  # a model's own template takes material in the question
        asked = tokenizer.apply_chat_template(
            messages, documents=documents or None, add_generation_prompt=True, return_dict=False
        )
        if asked[-len(ids) :] != ids:
            return False
    return True
