"""An adapter as vLLM's `--lora-modules` takes it: rewritten as a plain LoRA, and compared with what it was."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from cornucopia.adapters.load import attach
from cornucopia.adapters.plain_lora import plain_lora, rank_for, write_plain_lora
from cornucopia.core.errors import ModelError
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.export.chat_template import chat_template
from cornucopia.export.folder import written_whole
from cornucopia.export.merge import greatest_difference, logits_of
from cornucopia.export.plan import PROBES, ROUNDINGS, Plan, probe
from cornucopia.models.load import load_base
from cornucopia.models.meta import library_versions, read_meta, write_meta

TEMPLATE = "chat_template.jinja"


def export_lora(plan: Plan) -> dict[str, Any]:
    """Write one adapter rewritten, with the chat template that it was trained with.

    Returns:
        What export.json holds.

    Raises:
        ModelError: it cannot be written plainly, or does not answer as before; nothing is left in the output then.
    """
    import torch

    (adapter,) = plan.adapters
    weights, config = plain_lora(adapter)
    base, prompts = load_base(plan.resolved), [probe(record, plan.resolved) for record in PROBES]
    plain = logits_of(base.model, prompts)
    model = attach(base.model, base, adapter, "before")
    before = logits_of(model, prompts)
    with tempfile.TemporaryDirectory() as folder:
        write_plain_lora(Path(folder), weights, config)
        after = logits_of(attach(model, base, folder, "after"), prompts)
    difference, effect = greatest_difference(before, after), greatest_difference(before, plain)
    allowed = ROUNDINGS["float32"] * torch.finfo(torch.float32).eps * max(float(part.abs().max()) for part in before)
    if not difference <= allowed:
        found = f"最大偏差 {difference:.3g}，float32 的舍入最多解释 {allowed:.3g}"
        raise ModelError(
            "改写后的适配器回答不同，没有写出", where=str(adapter), found=found, fix="合并：去掉 --lora-modules"
        )
    if not effect > 0:
        raise ModelError("适配器什么也没有改变", where=str(adapter), fix="核对是不是练好的那个适配器")
    report = {
        "base": plan.resolved.folder.resolve().name, "base_fingerprint": plan.resolved.weights_fingerprint,
        "adapter": adapter.resolve().name, "rank": config["r"], "max_lora_rank": rank_for(config["r"]),
        "greatest_difference": difference, "allowed_difference": allowed, "adapter_effect": effect,
        "template": Path(plan.resolved.template.name).name, "versions": library_versions(),
    }  # fmt: skip
    with written_whole(plan.target) as folder_:
        write_plain_lora(folder_, weights, config)
        template = chat_template(plan.resolved.template, plan.resolved.tokenizer)
        if isinstance(template, str):
            write_text(folder_ / TEMPLATE, template)
        write_meta(folder_, read_meta(adapter))
        write_json(folder_ / "export.json", report)
    return report
