"""An exported folder answers as base and adapter do, in our engine and in plain Transformers, or is not written."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from cornucopia.core.errors import ConfigError, CornucopiaError, ModelError
from cornucopia.export import folder as folders
from cornucopia.export.run import ExportOptions, export
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.text import HALF, decode
from cornucopia.models.fingerprint import weights_fingerprint
from cornucopia.models.load import DEFAULT_NEW_TOKENS
from cornucopia.models.meta import ModelMeta, read_meta, write_meta
from cornucopia.records.schema import Message, Passage, Record
from tiny_models import make_adapter, open_engines

QUESTIONS = [
    Record(messages=(Message("user", "定投多久看一次？"),)),
    Record(messages=(Message("user", "费率多少"),), passages=(Passage("管理费 0.15%"),)),
    Record(messages=(Message("user", "甲"), Message("assistant", "乙"), Message("user", "丙"))),
]
LONG = 24  # tokens of an answer


def run(base, *adapters, out, **settings):
    return export(ExportOptions(base=str(base), adapter=[str(a) for a in adapters], out=str(out), **settings))


def answers(base, adapter=None, **settings):
    engine = open_engines(base, [adapter], dtype="float32", **settings)[0]
    requests = [Request(str(number), record) for number, record in enumerate(QUESTIONS)]
    replies = {r.id: r.answer for r in engine.generate(requests, Sampling(max_new_tokens=LONG))}
    return [replies[request.id] for request in requests]


def plain_answers(folder):
    """As somebody does who has Transformers only."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype="auto")
    told = []
    for record in QUESTIONS:
        inputs = tokenizer.apply_chat_template(
            [{"role": m.role, "content": m.content} for m in record.messages],
            documents=[{"text": p.text} for p in record.passages] or None,
            add_generation_prompt=True, return_tensors="pt", return_dict=True,
        )  # fmt: skip
        output = model.generate(**inputs, max_new_tokens=LONG)
        tokens = [token for token in output[0, inputs["input_ids"].shape[1] :].tolist() if token != 2]
        told.append(decode(tokenizer, tokens).strip().rstrip(HALF).strip())  # random bytes: halves of characters
    return told


def beside(out):
    return sorted(path.name for path in out.parent.iterdir())


@pytest.fixture
def fitting(tiny, adapter, tmp_path):
    """The adapter with its base's fingerprint and a template of its own."""
    folder = tmp_path / "fits"
    shutil.copytree(adapter, folder)
    write_meta(folder, ModelMeta(template="alpaca", base="tiny", base_fingerprint=weights_fingerprint(tiny)))
    return folder


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "merged"


def test_it_answers_as_base_and_adapter_do(tiny, fitting, out):
    expected = answers(tiny, fitting)
    report = run(tiny, fitting, out=out)
    assert answers(out) == expected == plain_answers(out) and expected != answers(tiny, template="alpaca")
    assert report["dtype"] == "float32" and report["greatest_difference"] <= report["allowed_difference"] < 0.01
    assert report["adapters"][0]["base_checked"] and report["chat_template_same"] and report["changed_tensors"] == 4
    assert beside(out) == ["merged"]


def test_the_folder_is_complete_and_names_no_place_of_this_machine(tiny, fitting, out, tmp_path):
    (fitting / "train_result.json").write_text('{"steps": 12, "loss_last": 1.25, "eval_loss_best": null}')
    report = run(tiny, fitting, out=out)
    assert json.loads((out / "export.json").read_text(encoding="utf-8")) == report
    settings = json.loads((out / "generation_config.json").read_text())
    assert settings["eos_token_id"] == 2 and settings["max_new_tokens"] == DEFAULT_NEW_TOKENS
    assert read_meta(out).template == "alpaca" and not read_meta(out).recipe
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "| 训练步数 | 12 |" in card and "验证损失" not in card and "### Instruction:" in card
    for path in out.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path
        assert str(tiny.parent).encode() not in path.read_bytes(), path


def test_two_adapters_are_added_in_order(tiny, adapter, tmp_path, out):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    second = make_adapter(tiny, tmp_path / "second", seed=8)
    report = run(tiny, adapter, second, out=out)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny), adapter, "one")
    model.load_adapter(second, "two")
    model.base_model.set_adapter(["one", "two"])
    ids = torch.tensor([[1, 9, 40, 77]])
    with torch.no_grad():
        both, merged = model(ids).logits, AutoModelForCausalLM.from_pretrained(out)(ids).logits
    assert torch.allclose(both, merged, atol=1e-3)
    assert [one["name"] for one in report["adapters"]] == [adapter.name, "second"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_what_is_stored_in_16_bits_differs_by_its_rounding(dtype, tiny, adapter, out):
    report = run(tiny, adapter, out=out, dtype=dtype)
    assert 0 < report["greatest_difference"] <= report["allowed_difference"]
    stored = {str(tensor.dtype) for tensor in load_file(out / "model.safetensors").values()}
    assert stored == {f"torch.{dtype}"}


def test_shards_are_no_larger_than_asked(tiny, adapter, out):
    run(tiny, adapter, out=out, safe_shard_size="60KB")
    assert len(list(out.glob("model-*.safetensors"))) > 1 and (out / "model.safetensors.index.json").is_file()
    assert answers(out) == answers(tiny, adapter)


def test_a_tied_output_layer_stays_tied_or_becomes_two(small, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    for number, names in enumerate((["q_proj"], ["embed_tokens"])):
        model = AutoModelForCausalLM.from_pretrained(small)
        config = LoraConfig(r=2, target_modules=names, task_type="CAUSAL_LM", init_lora_weights=False)
        lora, out = tmp_path / f"lora{number}", tmp_path / f"out{number}"
        get_peft_model(model, config).save_pretrained(lora, save_embedding_layers=False)
        run(small, lora, out=out)
        assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is (number == 0)
        assert ("lm_head.weight" in load_file(out / "model.safetensors")) is (number == 1)
        assert plain_answers(out) == answers(out)


def test_without_an_adapter_the_folder_is_the_model_itself(small, tmp_path):
    model, out = tmp_path / "tuned", tmp_path / "out"
    shutil.copytree(small, model)
    write_meta(model, ModelMeta(template="fin_template"))
    (model / "LICENSE").write_text("许可")
    (model / "optimizer.pt").write_text("x")
    report = run(model, out=out)
    assert report["greatest_difference"] == 0 == report["changed_tensors"] and not report["adapters"]
    assert (out / "LICENSE").is_file() and not (out / "optimizer.pt").exists()
    assert answers(out) == answers(model) == plain_answers(out)


def other_base(fitting, tmp_path):
    write_meta(fitting, ModelMeta(base="别的", base_fingerprint="0" * 32))


def zero(fitting, tmp_path):
    path = fitting / "adapter_model.safetensors"
    save_file({name: torch.zeros_like(value) for name, value in load_file(path).items()}, path)


def infinite(fitting, tmp_path):
    path = fitting / "adapter_model.safetensors"
    weights = load_file(path)
    next(iter(weights.values())).view(-1)[0] = float("nan")
    save_file(weights, path)


def virtual(fitting, tmp_path):
    config = {"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4, "task_type": "CAUSAL_LM"}
    (fitting / "adapter_config.json").write_text(json.dumps(config))


def missing(fitting, tmp_path):
    shutil.rmtree(fitting)


def filled(fitting, tmp_path):
    (tmp_path / "made" / "merged").mkdir(parents=True)
    (tmp_path / "made" / "merged" / "我的.txt").write_text("留着")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (other_base, "不是在这个基座上"), (zero, "什么也没有改变"), (infinite, "不是数"), (virtual, "不能合并"),
        (missing, "找不到适配器"), (filled, "不是空的"),
    ],
)  # fmt: skip
def test_what_is_refused_leaves_nothing(spoil, told, tiny, fitting, tmp_path, out):
    spoil(fitting, tmp_path)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(CornucopiaError, match=told) as error:
        run(tiny, fitting, out=out)
    assert error.value.fix and error.value.where
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_places_it_does_not_write_to(tiny, fitting, tmp_path):
    for inside in (tiny, tiny / "new", fitting / "deep" / "er"):
        with pytest.raises(ConfigError, match="不往基座或适配器"):
            run(tiny, fitting, out=inside)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="是一个文件"):
        run(tiny, fitting, out=tmp_path / "file")


def test_an_adapter_is_no_base_and_a_base_no_adapter(tiny, fitting, out):
    with pytest.raises(ModelError, match="这是适配器"):
        run(fitting, out=out)
    with pytest.raises(ModelError, match="不是适配器"):
        run(tiny, tiny, out=out)


def test_a_base_whose_files_are_quantised_is_refused(tiny, fitting, tmp_path, out):
    shutil.copytree(tiny, tmp_path / "quantised")
    path = tmp_path / "quantised" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(ModelError, match="已经量化"):
        run(tmp_path / "quantised", fitting, out=out)


def test_what_16_bits_cannot_hold_is_refused(tiny, adapter, tmp_path, out):
    wide = tmp_path / "wide"
    shutil.copytree(adapter, wide)
    weights = load_file(wide / "adapter_model.safetensors")
    for name, value in weights.items():
        value.fill_(300.0 if "v_proj" in name else 0.0)
    save_file(weights, wide / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="float16 存不下"):
        run(tiny, wide, out=out, dtype="float16")
    assert not out.parent.exists()


def test_a_disk_without_room_is_told_before_anything_is_written(tiny, adapter, out, monkeypatch):
    usage = shutil.disk_usage(out.parent.parent)._replace(free=1000)
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(ModelError, match="磁盘空间不够"):
        run(tiny, adapter, out=out)
    assert not out.parent.exists()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_half_way_leaves_nothing(error, tmp_path):
    out = tmp_path / "a" / "b" / "out"
    with pytest.raises((ModelError, KeyboardInterrupt)), folders.written_whole(out) as staging:
        (staging / "half").write_text("x")
        raise error
    assert not list(tmp_path.iterdir())


def test_files_that_came_meanwhile_are_not_written_over(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(ModelError, match="没有写成"), folders.written_whole(out) as staging:
        (staging / "new").write_text("x")
        out.mkdir()
        (out / "other").write_text("y")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "other"]


def test_a_kill_leaves_no_output_and_the_next_run_removes_the_rest(tmp_path):
    out = tmp_path / "out"
    code = (
        "import sys, time; from pathlib import Path; from cornucopia.export.folder import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as staging:\n"
        "    (staging / 'half').write_text('x'); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not out.exists() and len(list(tmp_path.iterdir())) == 1
    with folders.written_whole(out) as staging:
        (staging / "whole").write_text("x")
    assert beside(out) == ["out"] and (out / "whole").is_file()


def make_sentencepiece_model(folder):
    """As the first LLaMA's conversions: tokenizer.model alone, and a configuration that names no class."""
    import sentencepiece
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir()
    text = folder.parent / "text.txt"
    text.write_text("基金净值下跌时要不要赎回\n贷款利率怎么算\n问题 回答 材料\n" * 30, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=300, model_type="bpe", byte_fallback=True,
        minloglevel=2,
    )  # fmt: skip
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "LLaMATokenizer", "bos_token": ""}')
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
        max_position_embeddings=512, initializer_range=0.6,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def test_a_sentencepiece_base_keeps_its_model_and_its_ids(tmp_path):
    from transformers import AutoTokenizer

    from cornucopia.models.tokenizer import load_tokenizer

    base, out = make_sentencepiece_model(tmp_path / "base"), tmp_path / "out"
    report = run(base, out=out)
    assert (out / "tokenizer.model").read_bytes() == (base / "tokenizer.model").read_bytes()
    assert report["chat_template_same"] and plain_answers(out) == answers(base) == answers(out)
    plain, own = AutoTokenizer.from_pretrained(out), load_tokenizer(base)
    for text in ("贷款利率  怎么算", " 前面有空格", "emoji😀"):
        assert plain(text).input_ids == own(text).input_ids
