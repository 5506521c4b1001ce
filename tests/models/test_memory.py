"""The memory estimate against real models and real steps."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import ModelError
from cornucopia.models import memory
from cornucopia.models.memory import (
    GIB,
    Step,
    estimate,
    kept_activations,
    lora_parameters,
    read_shape,
    shape_from_config,
)

LLAMA_7B = {
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "vocab_size": 32000,
}  # fmt: skip


def planned(**settings):
    return estimate(shape_from_config(LLAMA_7B), Step(**({"tokens": 2048, "supervised": 500} | settings)))


def test_llama_7b_as_published():
    shape = shape_from_config(LLAMA_7B)
    assert shape.parameters == 6_738_415_616  # the model's own count
    assert lora_parameters(shape, 8, ["q_proj", "v_proj"]) == 4_194_304  # alpaca-lora's
    assert 12.5 < planned().weights / GIB < 12.6
    assert 3.4 < planned(bits=4).weights / GIB < 4.0 and 6.5 < planned(bits=8).weights / GIB < 7


def test_the_parameters_of_a_made_model_are_counted_exactly(small):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(small)
    assert read_shape(small).parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["all-linear"], ["down_proj", "k_proj"]])
def test_lora_parameters_are_pefts(targets, small):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    names = targets[0] if targets == ["all-linear"] else targets
    config = LoraConfig(r=3, target_modules=names, task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(small), config)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert lora_parameters(read_shape(small), 3, targets) == trained


def test_what_saves_memory_is_seen_to_save_it():
    assert planned(bits=4).peak < planned(bits=8).peak < planned().peak
    assert planned(checkpointing=True).activations < planned().activations / 5
    assert planned(tokens=512, supervised=125).activations == pytest.approx(planned().activations / 4, rel=0.01)
    assert planned().logits < planned(packed=False).logits / 4
    full, whole = planned(full=True), shape_from_config(LLAMA_7B).parameters
    assert full.peak >= 16 * whole and planned(full=True, accumulates=True).peak > full.peak


@pytest.mark.parametrize(
    ("compute", "full", "targets", "trained"),
    [
        (4, False, ["q_proj", "v_proj"], 0.5),
        (4, False, ["all-linear"], 1.0),
        (2, False, ["q_proj", "v_proj"], 0.5),
        (2, False, ["q_proj", "o_proj", "down_proj"], 0.5),
        (2, True, [], 1.0),
        (4, True, [], 0.5),
    ],
)
def test_activations_are_what_autograd_keeps_of_the_real_step(compute, full, targets, trained, monkeypatch):
    import torch

    monkeypatch.setattr(memory, "BUCKETS", 1)  # four documents of one length

    sizes = LLAMA_7B | {
        "hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 200
    }  # fmt: skip
    step = Step(256, int(256 * trained), compute, targets=tuple(targets), full=full)
    model, batch = _fast_model(sizes, step), _row(256, trained)
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = max(storage.nbytes(), kept.get(storage.data_ptr(), 0))
        return tensor

    shape = shape_from_config(sizes)
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=compute == 2),
    ):
        loss = model(**batch, use_cache=False).loss
    assert loss.requires_grad
    copies = 2 * shape.quantisable if full and compute == 2 else 0
    table = 4 * shape.vocabulary * shape.hidden if full else 0
    expected = kept_activations(shape, step) + copies + table + step.supervised * shape.hidden * compute
    assert expected == pytest.approx(sum(kept.values()), rel=0.1)


def _fast_model(sizes, step):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from cornucopia.training.run.fast import speed_up

    model = LlamaForCausalLM(LlamaConfig(**sizes))
    if not step.full:
        targets = list(step.targets) if step.targets != ("all-linear",) else "all-linear"
        model = model.to(torch.float32 if step.compute_bytes == 4 else torch.bfloat16)
        model = get_peft_model(model, LoraConfig(r=step.rank, target_modules=targets, lora_dropout=0.1))
    assert not speed_up(model)
    return model.train()


def _row(tokens, trained):
    """Four documents; the last part of each is trained."""
    from cornucopia.tokens.render import Example
    from cornucopia.training.data.batches import pack_row

    length = tokens // 4
    labels = [-100 if place < length * (1 - trained) else 5 for place in range(length)]
    batch = pack_row([Example([5] * length, labels)] * 4)
    del batch["labels"]
    return batch


@pytest.mark.parametrize(
    "config",
    [
        "{", "[]", "{}", '{"model_type": "llama", "hidden_size": "x"}',
        '{"model_type": "llama", "hidden_size": 8, "num_attention_heads": "a"}',
    ],
)  # fmt: skip
def test_a_damaged_config_is_told(config, tmp_path):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=r"config\.json"):
        read_shape(tmp_path)


def test_names_of_bloom_and_gpt2():
    bloom = {"model_type": "bloom", "n_embed": 64, "n_layer": 3, "n_head": 4, "vocab_size": 100}
    shape = shape_from_config(json.loads(json.dumps(bloom)))
    assert (shape.hidden, shape.layers, shape.mlp, shape.q, shape.kv) == (64, 3, 256, 64, 64)
