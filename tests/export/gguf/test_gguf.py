"""A GGUF file answers in llama.cpp as the merged model does here, or is not written."""

from __future__ import annotations

import json

import pytest
import torch

from cornucopia.core.errors import ConfigError, CornucopiaError, ModelError
from cornucopia.export.run import ExportOptions, export
from cornucopia.inference.engine import Request, Sampling
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.render import encode_prompt
from tiny_models import make_adapter, make_tokenizer, open_engines

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
LONG = 24  # tokens of an answer
ASKED = [Record(messages=(Message("user", text),)) for text in ("定投多久看一次？", "Rate 3.5%?")]
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make(folder, kind="Llama", tokenizer=None, width=32, **settings):
    """A tiny random model of a family."""
    import transformers

    torch.manual_seed(0)
    tokenizer = tokenizer or make_tokenizer()
    settings = {
        "vocab_size": len(tokenizer), "hidden_size": width, "intermediate_size": width * 2, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3, "initializer_range": 0.4,
    } | settings  # fmt: skip
    model = getattr(transformers, f"{kind}ForCausalLM")(getattr(transformers, f"{kind}Config")(**settings))
    for name, parameter in model.named_parameters():  # biases and norms begin at 0 and 1, and would hide a mistake
        if parameter.dim() == 1:
            parameter.data.add_(torch.randn_like(parameter) * (0.3 if "bias" in name else 0.1))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def trained_bytes(pattern):
    """Byte-level BPE with merges, cut by a pattern first."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    cut = pre_tokenizers.Split(Regex(pattern), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(False, use_regex=False)])
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>", "<pad>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    backend.train_from_iterator(["基金净值下跌 the rate of 3.5% 贷款利率怎么算？\n  还款 1234 元"] * 9, trainer)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **names)


def run(base, *adapters, out, gguf="f32", **settings):
    settings |= {"base": str(base), "adapter": [str(a) for a in adapters], "out": str(out), "gguf": gguf}
    return export(ExportOptions(**settings))


def ours(base, adapter=None):
    engine = open_engines(base, [adapter], dtype="float32")[0]
    requests = [Request(str(number), record) for number, record in enumerate(ASKED)]
    replies = {r.id: r.answer for r in engine.generate(requests, Sampling(max_new_tokens=LONG))}
    return [replies[request.id] for request in requests]


def theirs(base, file):
    """Greedy answers of llama.cpp to the same prompts."""
    from cornucopia.export.gguf.llama_server import served
    from cornucopia.inference.text import HALF, decode

    spec = resolve(ModelSpec(base=str(base), dtype="float32", device="cpu"))
    told = []
    with served(file, context=400, threads=1) as server:
        for record in ASKED:
            ids = server.continuation(encode_prompt(record, spec.template, spec.tokenizer), LONG)
            text = decode(spec.tokenizer, [i for i in ids if i != spec.tokenizer.eos_token_id])
            told.append(text.strip().rstrip(HALF))
    return told


LLAMA3 = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 64}  # fmt: skip
FAMILIES = {
    "llama": ("Llama", {}),
    "llama with biases": ("Llama", {"attention_bias": True}),
    "llama 3": ("Llama", {"rope_parameters": LLAMA3, "head_dim": 16}),
    "stretched": ("Llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}}),
    "mistral": ("Mistral", {}),
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("Qwen3", {"head_dim": 16}),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_llama_cpp_answers_as_the_model_does(name, tmp_path):
    kind, settings = FAMILIES[name]
    base, out = make(tmp_path / "base", kind, **settings), tmp_path / "to" / "model.gguf"
    report = run(base, out=out)
    assert report["agreement"] == 1 and report["chat_template_same"]
    assert theirs(base, out) == ours(base)
    assert [path.name for path in out.parent.iterdir()] == ["model.gguf"]


def test_an_adapter_is_merged_and_16_bits_answer_the_same(tmp_path):
    base = make(tmp_path / "base")
    adapter, out = make_adapter(base, tmp_path / "adapter"), tmp_path / "model.gguf"
    report = run(base, adapter, out=out, gguf="f16")
    assert report["changed_tensors"] == 4 and report["types"] == {"F16": 16, "F32": 5}
    assert theirs(base, out) == ours(base, adapter) != ours(base)


def test_the_bundled_model_answers_the_same(tmp_path):
    out = tmp_path / "nano.gguf"
    report = run("nano", out=out, gguf="f16")
    assert report["tokenizer"] == "gemma4" and report["agreement"] == 1
    assert theirs("nano", out) == ours("nano")


def test_a_sentencepiece_tokenizer(tmp_path):
    import sentencepiece

    base, text = make(tmp_path / "base", vocab_size=300), tmp_path / "text.txt"
    for path in base.glob("tokenizer*"):
        path.unlink()
    text.write_text("基金净值下跌时要不要赎回\n贷款利率怎么算\nthe rate of a loan\n" * 30, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(base / "tokenizer"), vocab_size=300, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, minloglevel=2,
    )  # fmt: skip
    out = tmp_path / "model.gguf"
    report = run(base, out=out)
    assert report["tokenizer"] == "llama" and theirs(base, out) == ours(base)


@pytest.mark.parametrize("digits", ["{1}", "{1,3}"])
def test_a_byte_level_tokenizer(digits, tmp_path):
    pattern = SPLIT.replace(r"\p{N}|", r"\p{N}{1,3}|", 1) if digits == "{1,3}" else SPLIT
    tokenizer = trained_bytes(pattern)
    base, out = make(tmp_path / "base", "Qwen2", tokenizer, vocab_size=len(tokenizer) + 5), tmp_path / "model.gguf"
    assert run(base, out=out)["tokenizer"] == "gpt2"
    assert theirs(base, out) == ours(base)


@pytest.mark.parametrize(
    ("kind", "types"), [("q8_0", {"Q8_0"}), ("q4_0", {"Q4_0", "Q6_K"}), ("q4_k_m", {"Q4_K", "Q6_K"})]
)
def test_a_quantised_file_says_how_often_it_agrees(kind, types, tmp_path):
    base, out = (
        make(tmp_path / "base", width=256, initializer_range=0.02, tie_word_embeddings=True),
        tmp_path / "model.gguf",
    )
    report = run(base, out=out, gguf=kind)
    assert set(report["types"]) == types | {"F32"}
    assert 0.5 < report["agreement"] <= 1


def foreign_family(tmp_path):
    return make(tmp_path / "base", "Gemma", head_dim=8), {}


def unigram(tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((chr(0x4E00 + n), -1.0 * n) for n in range(60))]
    backend = Tokenizer(models.Unigram(pieces, 0, False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    return make(tmp_path / "base", tokenizer=tokenizer), {}


def other_pattern(tmp_path):
    return make(tmp_path / "base", tokenizer=trained_bytes(r"\p{L}{1,2}|\s+")), {}


def other_stretching(tmp_path):
    rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    return make(tmp_path / "base", rope_parameters=rope), {}


def misplaced(tmp_path, monkeypatch):
    monkeypatch.setattr("cornucopia.export.gguf.layout._interleaved", lambda array, heads: array)
    return make(tmp_path / "base"), {}


def unreadable(tmp_path, monkeypatch):
    monkeypatch.setattr("cornucopia.export.gguf.run.write_dimensions", lambda writer, config: None)
    return make(tmp_path / "base"), {}


def otherwise_cut(tmp_path, monkeypatch):
    monkeypatch.setattr("cornucopia.export.gguf.vocabulary._PATTERNS", {r"[\s\S]+": "qwen2"})
    return make(tmp_path / "base", tokenizer=trained_bytes(r"[\s\S]+")), {}


def too_large(tmp_path):
    base = make(tmp_path / "base")
    from safetensors.torch import load_file, save_file

    weights = load_file(base / "model.safetensors")
    weights["model.layers.0.mlp.up_proj.weight"][0, 0] = 1e6
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    return base, {"gguf": "f16"}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (foreign_family, "这个系列还不能写成 GGUF"),
        (unigram, "Unigram"),
        (other_pattern, "预切分"),
        (other_stretching, "RoPE"),
        (misplaced, "回答与合并后的模型不同"),
        (unreadable, "llama.cpp 打不开"),
        (otherwise_cut, "切分文字"),
        (too_large, "16 位存不下"),
    ],
)
def test_what_is_refused_leaves_nothing(spoil, told, tmp_path, monkeypatch):
    wanted = (tmp_path, monkeypatch) if spoil.__code__.co_argcount == 2 else (tmp_path,)
    base, settings = spoil(*wanted)
    out = tmp_path / "to" / "model.gguf"
    with pytest.raises(CornucopiaError, match=told) as refused:
        run(base, out=out, **settings)
    assert "办法" in str(refused.value) and not out.parent.exists()


def test_places_it_does_not_write_to(tiny, tmp_path):
    (tmp_path / "there.gguf").write_text("已有")
    for out in (tmp_path / "there.gguf", tmp_path):
        with pytest.raises(ConfigError, match="新文件"):
            run(tiny, out=out)
    assert (tmp_path / "there.gguf").read_text() == "已有"
    with pytest.raises(ConfigError, match="不往基座"):
        run(tiny, out=tiny / "model.gguf")
    with pytest.raises(ConfigError, match="--gguf"):
        ExportOptions.build({"base": str(tiny), "out": "x.gguf", "gguf": "f16", "dtype": "float16"})


def test_without_llama_cpp_it_says_what_to_install(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"cornucopia-fin\[gguf\]"):
        run(tiny, out=tmp_path / "model.gguf")


def test_a_window_shortens_the_context(tmp_path):
    import gguf

    base, out = make(tmp_path / "base", "Mistral", sliding_window=256), tmp_path / "model.gguf"
    run(base, out=out)
    field = gguf.GGUFReader(out).fields["llama.context_length"]
    assert int(field.parts[field.data[0]][0]) == 256
    assert json.loads((base / "config.json").read_text())["max_position_embeddings"] == 512


def test_the_command_prints_how_often_it_agrees(tiny, tmp_path, capsys):
    from cornucopia.cli.export import run as command

    out = tmp_path / "model.gguf"
    assert command(["--base-model", str(tiny), "--gguf", "f32", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "下一个词元相同" in told.out + told.err and "100.0%" in told.out + told.err and out.is_file()
