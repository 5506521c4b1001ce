"""Adapters old and new on the base they belong to; everything else is refused and leaves no trace."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from cornucopia.adapters.load import attach, read_weights
from cornucopia.core.errors import ModelError
from cornucopia.models.find import find_adapter
from cornucopia.models.fingerprint import weights_fingerprint
from cornucopia.models.load import load_base
from cornucopia.models.meta import ModelMeta, read_meta, write_meta
from cornucopia.models.spec import ModelSpec, resolve
from tiny_models import make_adapter, make_model

IDS = torch.tensor([[1, 50, 60, 70, 80]])
SAFE, OLD = "adapter_model.safetensors", "adapter_model.bin"


@pytest.fixture
def base(tiny):
    return load_base(resolve(ModelSpec(base=str(tiny), dtype="float32")))


@pytest.fixture
def copy(adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "lora")
    return tmp_path / "lora"


@pytest.fixture
def old(copy):
    """The adapter as PEFT of 2023 wrote it: a pickled .bin, no alpha_pattern or newer keys."""
    torch.save(load_file(copy / SAFE), copy / OLD)
    (copy / SAFE).unlink()
    known = ("base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights", "lora_alpha",
             "lora_dropout", "modules_to_save", "peft_type", "r", "target_modules", "task_type")  # fmt: skip
    config = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps({key: config[key] for key in known}))
    return copy


def logits(model):
    with torch.no_grad():
        return model(IDS).logits


def test_an_old_bin_gives_what_safetensors_gives(base, tiny, adapter, old):
    before = logits(base.model)
    new = logits(attach(base.model, base, adapter, "new"))
    other = load_base(resolve(ModelSpec(base=str(tiny), dtype="float32")))
    assert torch.equal(logits(attach(other.model, other, old, "old")), new) and not torch.equal(new, before)


def test_switched_off_it_is_the_base_to_the_bit(base, adapter):
    before = logits(base.model)
    model = attach(base.model, base, adapter, "one")
    assert not any(parameter.requires_grad for parameter in model.parameters()) and not model.training
    with model.disable_adapter():
        assert torch.equal(logits(model), before)
    assert not torch.equal(logits(model), before)


def test_two_adapters_beside_each_other(base, tiny, adapter, tmp_path):
    second = make_adapter(tiny, tmp_path / "b", seed=9)
    model = attach(base.model, base, adapter, "one")
    one = logits(model)
    model = attach(model, base, second, "two")
    two = logits(model)
    model.set_adapter("one")
    assert torch.equal(logits(model), one) and not torch.equal(one, two)


def test_a_pickle_that_would_run_code_is_refused_and_did_not_run(base, old, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"base_model.model.x.lora_A.weight": Evil()}, old / OLD)
    with pytest.raises(ModelError, match="会运行的代码") as error:
        attach(base.model, base, old, "bad")
    assert "open" in error.value.found and "weights_only" not in str(error.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04broken", b"\x80\x02}q\x00."])
def test_a_damaged_bin_is_told(content, old):
    (old / OLD).write_bytes(content)
    with pytest.raises(ModelError):
        read_weights(old)


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, "text"])
def test_a_bin_that_holds_no_tensors_is_told(value, old):
    torch.save(value, old / OLD)
    with pytest.raises(ModelError, match="不是张量表"):
        read_weights(old)


def cut(path):
    path.write_bytes(path.read_bytes()[:-99])


def fewer(path):
    save_file({n: t for n, t in load_file(path).items() if "layers.1" not in n}, path)


def more(path):
    tensors = load_file(path)
    extra = {n.replace("layers.1", "layers.7"): t.clone() for n, t in tensors.items() if "layers.1" in n}
    save_file(tensors | extra, path)


def narrower(path):
    save_file({n: t[:, :16].contiguous() if "lora_A" in n else t for n, t in load_file(path).items()}, path)


@pytest.mark.parametrize(
    ("damage", "reason"), [(cut, "已损坏"), (fewer, "需要 8 个"), (more, "没有"), (narrower, "层数或形状不同")]
)
@pytest.mark.parametrize("beside", [False, True])
def test_what_does_not_fit_is_refused_and_leaves_the_base_as_it_was(damage, reason, beside, base, adapter, copy):
    before = logits(base.model)
    model = attach(base.model, base, adapter, "good") if beside else base.model
    good = logits(model)
    damage(copy / SAFE)
    with pytest.raises(ModelError, match=reason) as error:
        attach(model, base, copy, "bad")
    assert str(copy) in error.value.where
    assert torch.equal(logits(model), good)
    model = attach(model, base, adapter, "again")
    assert torch.equal(logits(model), good) is beside
    with model.disable_adapter():
        assert torch.equal(logits(model), before)


def test_another_base_is_refused_by_its_fingerprint(base, tiny, copy, tmp_path):
    write_meta(copy, ModelMeta(base="原基座", base_fingerprint=weights_fingerprint(tiny)))
    attach(base.model, base, copy, "fits")
    other = load_base(resolve(ModelSpec(base=str(make_model(tmp_path / "other", seed=5)))))
    with pytest.raises(ModelError, match="不是在这个基座上训练的") as error:
        attach(other.model, other, copy, "no")
    assert "原基座" in error.value.found and "原基座" in error.value.fix


def test_another_vocabulary_is_named_as_the_reason(base, tmp_path):
    """An adapter that carries embeddings of a larger vocabulary, as Chinese LLaMA's do."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base.path)
    model.resize_token_embeddings(300)
    config = LoraConfig(
        r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"], task_type="CAUSAL_LM"
    )
    get_peft_model(model, config).save_pretrained(tmp_path / "wide")
    before = logits(base.model)
    with pytest.raises(ModelError, match="词表大小不同"):
        attach(base.model, base, tmp_path / "wide", "wide")
    assert torch.equal(logits(base.model), before)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"peft_type": "NOPE"}', '{"peft_type": "LORA", "r": "x"}'])
def test_a_damaged_config_is_told(text, base, copy):
    (copy / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError):
        attach(base.model, base, copy, "bad")


@pytest.mark.parametrize("text", ["{", "[]", '{"vocab_size": "many"}'])
def test_a_damaged_cornucopia_json_is_told(text, copy):
    (copy / "cornucopia.json").write_text(text)
    with pytest.raises(ModelError, match=r"cornucopia\.json"):
        read_meta(copy)


def test_meta_comes_back_and_what_is_unknown_is_passed_over(copy):
    assert read_meta(copy) == ModelMeta()
    meta = ModelMeta(template="fin_template", template_text={"prompt_input": "甲"}, vocab_size=7, recipe={"a": [1]})
    write_meta(copy, meta)
    assert read_meta(copy) == meta
    path = copy / "cornucopia.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"later": 1}))
    assert read_meta(copy) == meta


def test_where_adapters_are_looked_for(copy, monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_HOME", str(copy.parent))
    for place in ("base_models", "runs"):
        shutil.copytree(copy, copy.parent / place / f"in-{place}")
        assert find_adapter(f"in-{place}") == copy.parent / place / f"in-{place}"
    (copy / SAFE).unlink()
    with pytest.raises(ModelError, match="缺权重"):
        find_adapter(copy)
    with pytest.raises(ModelError, match="找不到适配器"):
        find_adapter("nowhere")


@pytest.mark.parametrize("prefix", ["base_model.model.", "module.base_model.model.", "_orig_mod.base_model.model.", ""])
def test_a_raw_state_dict_is_the_same_adapter(prefix, base, tiny, adapter, copy):
    """The adapter's name is in its keys, wrappers put theirs before, weights of the base come along."""
    weights = load_file(adapter / "adapter_model.safetensors")
    raw = {
        prefix + key.removeprefix("base_model.model.").removesuffix(".weight") + ".default.weight": value
        for key, value in weights.items()
    }
    raw[f"{prefix}model.layers.0.self_attn.q_proj.base_layer.weight"] = torch.zeros(2, 2)
    (copy / "adapter_model.safetensors").unlink()
    torch.save(raw, copy / "adapter_model.bin")
    expected = logits(attach(base.model, base, adapter, "plain"))
    other = load_base(resolve(ModelSpec(base=str(tiny), dtype="float32")))
    assert torch.equal(logits(attach(other.model, other, copy, "raw")), expected)


def test_settings_this_peft_does_not_know_are_named(base, copy, capsys):
    config = json.loads((copy / "adapter_config.json").read_text())
    (copy / "adapter_config.json").write_text(json.dumps(config | {"lora_warp": 3, "lora_unset": None}))
    attach(base.model, base, copy, "unknown")
    said = capsys.readouterr().err
    assert "lora_warp" in said and "lora_unset" not in said


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_adapter_that_is_not_finite_is_refused(value, base, copy):
    weights = load_file(copy / "adapter_model.safetensors")
    next(iter(weights.values())).view(-1)[3] = value
    save_file(weights, copy / "adapter_model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="不是数"):
        attach(base.model, base, copy, "broken")


def test_an_adapter_with_a_sampled_fingerprint_is_told_and_used(base, copy, capsys):
    write_meta(copy, ModelMeta(base="原基座", base_fingerprint="0123456789abcdef"))
    attach(base.model, base, copy, "old")
    assert "没法核对" in capsys.readouterr().err
