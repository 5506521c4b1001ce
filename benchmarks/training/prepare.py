"""The benchmark's model and documents: deterministic, made from what is in the repository, the same for every side.

Documents: 36 records of instruction_data as they are, and records whose material and answer are passages of the
handbook, cut so that together the lengths resemble a finance data set of up to 512 tokens (mean about 310, half of
the tokens trained). They are dealt into groups of `PACK_DOCUMENTS` that are alike in tokens, so that a packed row of
any system holds the same documents, and an update of `UPDATE_DOCUMENTS` is the same for packed and padded systems.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.device import cpu_has_fast_bfloat16
from cornucopia.core.jsonl import read_jsonl, write_json, write_jsonl
from cornucopia.core.paths import bundled_model, project_root
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.render import Example, encode, encode_document
from cornucopia.tokens.segments import Template
from cornucopia.tokens.template import resolve_template

PACK_DOCUMENTS, UPDATE_DOCUMENTS, PADDED_BATCH = 6, 12, 4
DOCUMENTS, AS_THEY_ARE = 156, 36
SEED = 20261124

LLAMA_110M = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "intermediate_size": 2048,
    "vocab_size": 32000,
}


def shape_of(name: str) -> dict[str, int]:
    """The configuration values of a model by name: 110m, or nano (the bundled model's shape)."""
    if name == "110m":
        return dict(LLAMA_110M)
    config = json.loads((bundled_model() / "config.json").read_text(encoding="utf-8"))
    return {key: config[key] for key in LLAMA_110M}


def best_dtype() -> str:
    """The type every system trains in on this CPU."""
    return "bfloat16" if cpu_has_fast_bfloat16() else "float32"


def make_model(folder: Path, shape: dict[str, int], dtype: str = "bfloat16") -> int:
    """A LLaMA with random weights that bfloat16 holds, stored in `dtype` (LLaMA-Factory loads them as stored), and the
    bundled tokenizer; returns its number of parameters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(SEED)
    config = LlamaConfig(
        **shape,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16).to(getattr(torch, dtype))
    model.generation_config.update(bos_token_id=1, eos_token_id=2, pad_token_id=3)
    model.save_pretrained(str(folder))
    for file in bundled_model().glob("tokenizer*"):
        shutil.copy(file, folder / file.name)
    return sum(parameter.numel() for parameter in model.parameters())


def make_data(
    folder: Path, lengths: Sequence[int] | None = None, *, documents: int = DOCUMENTS, pretrain: bool = False
) -> dict[str, Any]:
    """Write records.jsonl (ours), documents.jsonl (token ids and labels) and rendered.json (text with its specials).

    Args:
        folder: where.
        lengths: tokens of each document; None: the benchmark's own mixture.
        documents: how many, for the mixture.
        pretrain: the same passages as documents of which every token is learnt.

    Returns:
        The statistics, also in data.json: documents, tokens, supervised, pack_tokens (of the longest group), pad_id.
    """
    from cornucopia.models.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(bundled_model())
    template = resolve_template("fin_template", tokenizer)
    records = list(_long_records(lengths, template, tokenizer)) if lengths else _mixture(documents, template, tokenizer)
    if pretrain:
        records = [Record(text=f"{record.material}{record.golden}") for record in records]
        examples = [encode_document(record, tokenizer, 4096)[0] for record in records]
    else:
        examples = [encode(record, template, tokenizer, 4096) for record in records]
    order = deal([len(e.input_ids) for e in examples])
    records, examples = [records[i] for i in order], [examples[i] for i in order]
    write_jsonl(folder / "records.jsonl", [_row(record) for record in records])
    write_jsonl(folder / "documents.jsonl", [{"input_ids": e.input_ids, "labels": e.labels} for e in examples])
    write_json(folder / "rendered.json", [_rendered(record, template, tokenizer) for record in records])
    statistics = _statistics(examples) | {"pad_id": tokenizer.pad_token_id}
    write_json(folder / "data.json", statistics)
    return statistics


def read_lengths(folder: Path) -> tuple[list[int], list[int]]:
    """Tokens and trained tokens of each document, in order."""
    rows = list(read_jsonl(folder / "documents.jsonl"))
    return [len(row["input_ids"]) for row in rows], [sum(label >= 0 for label in row["labels"]) for row in rows]


def deal(lengths: Sequence[int], size: int = PACK_DOCUMENTS) -> list[int]:
    """Order of the documents: groups of `size` alike in tokens (longest first, each into the lightest open group)."""
    groups: list[list[int]] = [[] for _ in range(-(-len(lengths) // size))]
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        open_groups = [group for group in groups if len(group) < size]
        min(open_groups, key=lambda group: sum(lengths[i] for i in group)).append(index)
    shuffle = random.Random(SEED).shuffle
    groups.sort(key=len, reverse=True)  # a short group stays last
    for group in groups:
        shuffle(group)
    return [index for group in groups for index in group]


def _mixture(documents: int, template: Template, tokenizer: Any) -> list[Record]:
    records = read_records(project_root() / "instruction_data/fin_data.json").records
    single = [record for record in records if len(record.messages) == 2]
    wanted = AS_THEY_ARE * documents // DOCUMENTS
    short = [single[i * len(single) // wanted] for i in range(wanted)]
    count = documents - len(short)
    lengths = [231 + round(281 * (i + 0.5) / count) for i in range(count)]
    return short + list(_long_records(lengths, template, tokenizer))


def _long_records(lengths: Sequence[int], template: Template, tokenizer: Any) -> Iterator[Record]:
    """Questions about a passage: half of the tokens are question and material, half the passage that follows."""
    articles = sorted((project_root() / "handbook").rglob("*.md"))
    bodies = [path.read_text(encoding="utf-8").split("\n---\n", 1)[-1] for path in articles]
    stream = "".join("".join(body.replace("#", "").split()) for body in bodies)
    step = len(stream) // max(len(lengths), 1)
    for number, length in enumerate(lengths):
        text = stream[number * step :] + stream
        material = _fitting(text, lambda part, n=length: _tokens(part, "。", template, tokenizer) <= n // 2 + 1)
        rest = text[len(material) :]
        answer = _fitting(rest, lambda part, n=length, m=material: _tokens(m, part, template, tokenizer) <= n)
        yield _record(material, answer)


def _record(material: str, answer: str) -> Record:
    question = Message("user", "根据材料，接着说明有关的规定和做法。", material)
    return Record(messages=(question, Message("assistant", answer)))


def _tokens(material: str, answer: str, template: Template, tokenizer: Any) -> int:
    return len(encode(_record(material, answer), template, tokenizer, 1 << 20).input_ids)


def _fitting(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning of `text` (at least one character) for which `fits` holds, by bisection."""
    low, high = 1, min(len(text), 6000)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(text[:middle]) else (low, middle - 1)
    return text[:low]


def _row(record: Record) -> dict[str, str]:
    if record.text:
        return {"text": record.text}
    question, answer = record.messages[-2], record.messages[-1]
    return {"instruction": question.content, "input": record.material, "output": answer.content}


def _rendered(record: Record, template: Template, tokenizer: Any) -> dict[str, str]:
    """The exact text, special tokens written out, for systems that bring their own template; they end a document."""
    if record.text:
        return {"instruction": tokenizer.bos_token + record.text, "input": "", "output": ""}
    segments = template.segments(record, eos=tokenizer.eos_token)
    prompt = "".join(s.text for s in segments if not s.answer)
    return {
        "instruction": tokenizer.bos_token + prompt,
        "input": "",
        "output": "".join(s.text for s in segments if s.answer),
    }


def _statistics(examples: Sequence[Example]) -> dict[str, int]:
    lengths = [len(e.input_ids) for e in examples]
    groups = [sum(lengths[i : i + PACK_DOCUMENTS]) for i in range(0, len(lengths), PACK_DOCUMENTS)]
    return {
        "documents": len(examples),
        "tokens": sum(lengths),
        "supervised": sum(e.supervised for e in examples),
        "shortest": min(lengths),
        "longest": max(lengths),
        "pack_tokens": max(groups),
    }


def main() -> None:
    """Prepare a folder by hand; run.py does it by itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench/work"))
    parser.add_argument("--model", choices=["110m", "nano"], default="110m")
    options = parser.parse_args()
    print(make_model(options.folder / "model", shape_of(options.model)), "parameters")
    print(make_data(options.folder / "data"))


if __name__ == "__main__":
    main()
