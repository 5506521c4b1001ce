"""Export to one GGUF file: merged as a folder is, written, opened by llama.cpp and compared."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

from cornucopia.core.console import Progress, warn
from cornucopia.core.errors import ModelError, reason
from cornucopia.core.jsonl import replacing
from cornucopia.export.chat_template import chat_template
from cornucopia.export.files import set_generation
from cornucopia.export.folder import leaving_no_folders
from cornucopia.export.gguf.check import (
    STEPS,
    Continued,
    bundled_questions,
    check_agreement,
    check_tokens,
    compare,
    continued,
)  # fmt: skip
from cornucopia.export.gguf.kinds import INSTALL, KINDS, Kind, byte_count, stored, type_of
from cornucopia.export.gguf.layout import Family, context_length, family_of, tensors, write_dimensions
from cornucopia.export.gguf.llama_server import LlamaServer, served
from cornucopia.export.gguf.vocabulary import write_vocabulary
from cornucopia.export.merge import merge
from cornucopia.export.plan import PROBES, ExportOptions, Plan, make_plan, probe
from cornucopia.models.families import read_config
from cornucopia.models.load import load_base

QUESTIONS = 9  # bundled questions asked beside the probes


def export_gguf(options: ExportOptions) -> dict[str, Any]:
    """Merge, write one file, open it with llama.cpp and compare.

    Returns:
        What was written and what was compared.

    Raises:
        CornucopiaError: as `export.run.export`, and where llama.cpp cannot stand for the model; nothing is left then.
    """
    missing = [name for name in ("gguf", "xllamacpp") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            "写 GGUF 要先装 gguf 和 xllamacpp（llama.cpp）", found=f"没有 {'、'.join(missing)}", fix=INSTALL
        )
    plan, kind = make_plan(options), KINDS[options.gguf]
    family = family_of(read_config(plan.resolved.folder), plan.resolved.folder)
    prompts = [probe(record, plan.resolved) for record in PROBES]
    base = load_base(plan.resolved)
    merged = merge(base, plan.adapters, prompts)
    model, base.model = base.model, None
    set_generation(model, plan.resolved.tokenizer)
    prompts += [probe(record, plan.resolved) for record in bundled_questions(QUESTIONS)]
    answers = [continued(model, _shortened(ids, model.config)) for ids in prompts]
    try:
        with leaving_no_folders(plan.target), replacing(plan.target) as path:
            types, tokenizer = _write(path, model, family, kind, plan)
            del model
            report = _checked(path, plan, kind, answers)
            size = path.stat().st_size
    except OSError as error:
        fix = "检查磁盘空间和权限，或换一个 --out；没有留下任何文件"
        raise ModelError("文件没有写成", where=str(plan.target), found=reason(error), fix=fix) from None
    return report | {
        "gguf": options.gguf, "bytes": size, "types": types, "tokenizer": tokenizer,
        "changed_tensors": merged.changed, "adapter_effect": merged.effect, "greatest_difference": merged.difference,
    }  # fmt: skip


def _shortened(ids: list[int], config: Any) -> list[int]:
    return ids[-max(context_length(config) - STEPS, 1) :]


def _write(path: Path, model: Any, family: Family, kind: Kind, plan: Plan) -> tuple[dict[str, int], str]:
    """The file; the number of tensors of each type, and llama.cpp's name of the tokenizer."""
    import gguf

    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH[family.architecture]])
    try:
        writer.add_name(plan.resolved.folder.resolve().name)
        writer.add_file_type(int(gguf.LlamaFileType[kind.file_type]))
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        write_dimensions(writer, model.config)
        tokenizer = plan.resolved.tokenizer
        rows = model.get_input_embeddings().weight.shape[0]
        name = write_vocabulary(writer, tokenizer, rows, plan.resolved.folder)
        _write_ends(writer, model, tokenizer)
        template = chat_template(plan.resolved.template, tokenizer)
        if isinstance(template, str):
            writer.add_chat_template(template)
        types = _write_tensors(writer, path, model, family, kind)
    finally:
        writer.close()
    return types, name


def _write_ends(writer: Any, model: Any, tokenizer: Any) -> None:
    """A second token that ends an answer, as chat models have."""
    ends = model.generation_config.eos_token_id
    for token in ends if isinstance(ends, list) else [ends]:
        if token is not None and token != tokenizer.eos_token_id:
            writer.add_eot_token_id(token)
            return


def _write_tensors(writer: Any, path: Path, model: Any, family: Family, kind: Kind) -> dict[str, int]:
    """One tensor after another, so that no more than one is held twice."""
    import gguf
    import numpy as np

    rows = list(tensors(model, family))
    output = "output.weight" if any(name == "output.weight" for name, *_ in rows) else "token_embd.weight"
    blocks = model.config.num_hidden_layers
    types = [type_of(kind, name, shape, block=block, blocks=blocks, output=output) for name, block, shape, _ in rows]
    for (name, _, shape, _), type_name in zip(rows, types, strict=True):
        raw = gguf.GGMLQuantizationType[type_name]
        writer.add_tensor_info(name, shape, np.dtype(np.float32), byte_count(shape, type_name), raw)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    with Progress("写 GGUF", len(rows)) as progress:
        for (*_, values), type_name in zip(rows, types, strict=True):
            writer.write_tensor_data(stored(values(), type_name))
            progress.advance()
    return dict(Counter(types))


def _checked(path: Path, plan: Plan, kind: Kind, answers: list[Continued]) -> dict[str, Any]:
    """What was compared, once llama.cpp is found to be as the model is."""
    import torch

    context = max(len(answer.ids) for answer in answers) + 2 * STEPS
    with served(path, context=context, threads=max(1, torch.get_num_threads() // 2)) as server:
        texts = check_tokens(server, plan.resolved.tokenizer, plan.target)
        agreement = compare(server, answers, kind)
        check_agreement(agreement, kind, plan.target)
        same = _asks_the_same(server, plan)
    if not same:
        warn("llama.cpp 用文件里的聊天模板写出的提示与本项目的不同：用它的 chat 接口前请核对，或自己写好提示用补全接口")
    return {
        "base": plan.resolved.folder.resolve().name, "texts": texts, "prompts": len(answers),
        "places": agreement.places, "agreement": agreement.share, "logprob_difference": agreement.difference,
        "logprob_allowed": agreement.allowed, "chat_template_same": same,
    }  # fmt: skip


def _asks_the_same(server: LlamaServer, plan: Plan) -> bool:
    """Whether its chat interface makes the prompts that ours does, where no material is given."""
    for record in PROBES:
        if record.passages:
            continue
        messages = [{"role": message.role, "content": message.content} for message in record.messages]
        ids = probe(record, plan.resolved)
        bos = plan.resolved.tokenizer.bos_token or ""
        made = server.tokens(server.prompt(messages).removeprefix(bos), special=True)
        if made[-len(ids) :] != ids:
            return False
    return True
