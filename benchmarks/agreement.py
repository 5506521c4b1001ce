"""Who opens what we export, and whether it answers as our own engine does: one table.

    PYTHONPATH=src python benchmarks/agreement.py --adapter runs/quickstart/adapter
    CORNUCOPIA_VLLM=~/vllm/bin/vllm PYTHONPATH=src python benchmarks/agreement.py ...   # vLLM too

Greedy, float32, from the same prompts. The reference is what `cornucopia infer` answers with base and adapter. Counted
are answers that are the same, and characters before the first that differs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.console import say, warn
from cornucopia.core.errors import CornucopiaError
from cornucopia.export.run import ExportOptions, export
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.open_engine import open_engine
from cornucopia.inference.spec import EngineSpec
from cornucopia.inference.text import HALF, decode, first_stop
from cornucopia.models.spec import ModelSpec, ResolvedModel, resolve
from cornucopia.records.read import read_records
from cornucopia.records.schema import Record
from cornucopia.tokens.reasoning import opens_block, split_reasoning
from cornucopia.tokens.render import encode_prompt

GGUF = ("f16", "q8_0", "q4_k_m")


def main() -> None:
    """Export, ask everybody, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="nano")
    parser.add_argument("--adapter", default="runs/quickstart/adapter")
    parser.add_argument("--questions", default="instruction_data/infer.json")
    parser.add_argument("--limit", type=int, default=24, help="几道题")
    parser.add_argument("--new-tokens", type=int, default=48)
    options = parser.parse_args()
    records = read_records(options.questions, rejects=False).records[: options.limit]
    told: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        for name, ask in _everybody(options, records, Path(place)):
            try:
                told[name] = ask()
                say(f"{name} 答完了")
            except (CornucopiaError, ImportError) as error:
                warn(f"{name} 没有答：{error}")
    print(table(told))


def table(told: dict[str, list[str]]) -> str:
    """Each one beside the first."""
    reference = next(iter(told.values()))
    lines = ["| 谁打开 | 回答完全相同 | 分岔前的字 |", "| --- | ---: | ---: |"]
    whole = sum(map(len, reference))
    for name, answers in told.items():
        same = sum(a == b for a, b in zip(reference, answers, strict=True))
        before = sum(_shared(a, b) for a, b in zip(reference, answers, strict=True))
        lines.append(f"| {name} | {same} / {len(reference)} | {before / whole:.1%} |")
    return "\n".join(lines)


def _shared(one: str, other: str) -> int:
    """Characters before the first that differs."""
    places = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(places, min(len(one), len(other)))


def _everybody(
    options: argparse.Namespace, records: Sequence[Record], folder: Path
) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """(name, what gives the answers)."""
    new = options.new_tokens
    resolved = resolve(ModelSpec(base=options.base, adapter=options.adapter, dtype="float32", device="cpu"))
    prompts = [encode_prompt(record, resolved.template, resolved.tokenizer) for record in records]

    def asked(continue_: Callable[[list[int]], list[int]]) -> list[str]:
        return [_answer(continue_(ids), ids, resolved) for ids in prompts]

    def engine(**settings: Any) -> list[str]:
        return _engine(records, new, dtype="float32", **settings)

    given, plain = {"base": options.base, "adapter": [options.adapter]}, str(resolved.folder)
    merged = str(folder / "merged")
    yield "本项目，基座加适配器", lambda: engine(base=options.base, adapter=options.adapter)
    yield "PEFT，基座加适配器", lambda: asked(_transformers(plain, options.adapter, new))
    export(ExportOptions.build({**given, "out": merged, "dtype": "float32"}))
    yield "本项目，合并的目录", lambda: engine(base=merged)
    yield "Transformers，合并的目录", lambda: asked(_transformers(merged, None, new))
    for kind in GGUF:
        yield (
            f"llama.cpp，{kind}",
            lambda kind=kind: _gguf(given, folder / f"{kind}.gguf", kind, prompts, new, resolved),
        )
    if os.environ.get("CORNUCOPIA_VLLM"):
        served = {"engine": "vllm", "engine_args": "--enforce-eager"}
        yield "vLLM，合并的目录", lambda: engine(base=merged, **served)
        yield "vLLM，基座加 --lora-modules", lambda: engine(base=options.base, adapter=options.adapter, **served)


def _answer(tokens: Sequence[int], prompt: Sequence[int], resolved: ResolvedModel) -> str:
    """The text of an answer's tokens, as our engine makes it."""
    end = resolved.tokenizer.eos_token_id
    text = decode(resolved.tokenizer, tokens[: tokens.index(end)] if end in tokens else tokens)
    at = first_stop(text, resolved.template.stop_strings)
    text = (text if at < 0 else text[:at]).strip().rstrip(HALF)
    opened = opens_block(resolved.tokenizer.decode(list(prompt[-8:])))
    return "\n".join(split_reasoning(text, opened=opened))


def _engine(records: Sequence[Record], new: int, **settings: Any) -> list[str]:
    requests = [Request(str(number), record) for number, record in enumerate(records)]
    engine: Any = open_engine(EngineSpec.build(settings))
    try:
        greedy = Sampling(max_new_tokens=new, do_sample=False)
        replies = {reply.id: reply for reply in engine.generate(requests, greedy)}
    finally:
        getattr(engine, "close", lambda: None)()
    return [f"{replies[request.id].reasoning}\n{replies[request.id].answer}" for request in requests]


def _transformers(folder: str, adapter: str | None, new: int) -> Callable[[list[int]], list[int]]:
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, adapter)

    def continue_(ids: list[int]) -> list[int]:
        inputs = torch.tensor([ids])
        mask = torch.ones_like(inputs)
        output = model.generate(input_ids=inputs, attention_mask=mask, max_new_tokens=new, do_sample=False)
        return list(output[0, len(ids) :].tolist())

    return continue_


def _gguf(
    given: dict[str, Any], path: Path, kind: str, prompts: list[list[int]], new: int, resolved: ResolvedModel
) -> list[str]:
    from cornucopia.export.gguf.llama_server import served

    export(ExportOptions.build({**given, "out": str(path), "gguf": kind}))
    context, threads = max(map(len, prompts)) + new, int(os.environ.get("OMP_NUM_THREADS", "2"))
    with served(path, context=context, threads=threads) as server:
        return [_answer(server.continuation(ids, new), ids, resolved) for ids in prompts]


if __name__ == "__main__":
    main()
