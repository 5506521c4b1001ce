"""Export: base and adapters in, one folder out that answers as they did, checked by reading it back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.console import warn
from cornucopia.core.errors import ModelError
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.export.card import SCORING, answering, model_card, origin
from cornucopia.export.chat_template import chat_template
from cornucopia.export.files import copy_licences, set_generation, write_tokenizer
from cornucopia.export.folder import written_whole
from cornucopia.export.merge import Merged, greatest_difference, logits_of, merge
from cornucopia.export.plan import PROBES, ROUNDINGS, ExportOptions, Plan, make_plan, probe
from cornucopia.models.fingerprint import DIGITS, files_fingerprint
from cornucopia.models.load import Base, check_finite, load_base, save_weights
from cornucopia.models.meta import ModelMeta, library_versions, read_meta, write_meta
from cornucopia.models.spec import ModelSpec, ResolvedModel, resolve
from cornucopia.tokens.template import PromptTemplate

REPORT = "export.json"
_MODELSCOPE = {"framework": "pytorch", "task": "text-generation"}  # what ModelScope wants beside the files


def export(options: ExportOptions) -> dict[str, Any]:
    """Merge, write, read back and compare.

    Returns:
        What export.json holds; of a GGUF file, what was compared.

    Raises:
        CornucopiaError: base, adapters or output cannot be used, or the result is not what base and adapters are;
            nothing is left in the output then.
    """
    if options.gguf:
        from cornucopia.export.gguf.run import export_gguf

        return export_gguf(options)
    plan = make_plan(options)
    if options.lora_modules:
        from cornucopia.export.lora import export_lora

        return export_lora(plan)
    resolved = plan.resolved
    prompts = [probe(record, resolved) for record in PROBES]
    base = load_base(resolved, scores=plan.scores)
    merged = merge(base, plan.adapters, prompts)
    template = chat_template(resolved.template, resolved.tokenizer)
    with written_whole(plan.target) as folder:
        _write_weights(folder, plan, base)
        write_tokenizer(folder, resolved.folder, resolved.tokenizer, template)
        copy_licences(folder, resolved.folder)
        write_meta(folder, _meta(plan))
        report = _checked(folder, plan, merged, prompts)
        write_json(folder / REPORT, report)
        write_json(folder / "configuration.json", _MODELSCOPE)
        prompt = resolved.tokenizer.decode(prompts[0])
        stop = resolved.template.stop_strings
        use = SCORING if plan.scores else answering(stop, prompt)
        card = model_card(plan.target.name, origin(resolved.folder), plan.adapters, report, use)
        write_text(folder / "README.md", card)
    return report


def _write_weights(folder: Path, plan: Plan, base: Base) -> None:
    """The weights in the stored type, with config and generation settings; the model is let go of."""
    import torch

    model, base.model = base.model, None
    model = model.to(getattr(torch, plan.dtype))
    try:
        check_finite(model.named_parameters(), plan.target)
    except ModelError as error:
        what, fix = f"有的权重大到 {plan.dtype} 存不下", "加 --dtype bfloat16 或 float32"
        raise ModelError(what, where=str(plan.target), found=error.found, fix=fix) from None
    if not plan.scores:
        set_generation(model, plan.resolved.tokenizer)
    model.config.use_cache = True
    save_weights(model, folder, max_shard_size=plan.shard)


def _meta(plan: Plan) -> ModelMeta:
    template = plan.resolved.template
    return ModelMeta(
        template=Path(template.name).name,
        template_text=template.text if isinstance(template, PromptTemplate) else None,
        base=plan.resolved.folder.resolve().name,
        base_fingerprint=plan.resolved.weights_fingerprint,
        recipe=_scoring(plan) if plan.scores else {},
        vocab_size=plan.resolved.shape.vocabulary,
        versions=library_versions(),
    )


def _scoring(plan: Plan) -> dict[str, Any]:
    """What of its training a reward model needs to score as it did."""
    recipe = plan.resolved.adapter_meta.recipe or plan.resolved.base_meta.recipe
    return {name: recipe[name] for name in ("objective", "cutoff_len") if name in recipe}


def _checked(folder: Path, plan: Plan, merged: Merged, prompts: Sequence[list[int]]) -> dict[str, Any]:
    """The report, once the folder read back is what base and adapters are.

    Raises:
        ModelError: the logits differ by more than the stored type explains, or as much as the adapters had moved them.
    """
    import torch

    written = load_base(resolve(ModelSpec(base=str(folder), dtype="float32", device="cpu")), scores=plan.scores)
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
        "scores": plan.scores,
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
