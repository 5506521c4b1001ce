"""The memory estimate against real models and real steps."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import ModelError
from cornucopia.models.memory import GIB, estimate, lora_parameters, read_shape, shape_from_config

LLAMA_7B = {
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "vocab_size": 32000,
}  # fmt: skip


def step(shape, **settings):
    trained = lora_parameters(shape, 8, ["q_proj", "v_proj"])
    plan = {"dtype_bytes": 2, "bits": 0, "tokens": 2048, "supervised": 500, "checkpointing": False, "full": False}
    return estimate(shape, **(plan | {"trained": trained} | settings))


def test_llama_7b_as_published():
    shape = shape_from_config(LLAMA_7B)
    assert shape.parameters == 6_738_415_616  # the model's own count
    assert lora_parameters(shape, 8, ["q_proj", "v_proj"]) == 4_194_304  # alpaca-lora's
    assert 12.5 < step(shape).weights / GIB < 12.6
    assert 3.4 < step(shape, bits=4).weights / GIB < 4.0 and 6.5 < step(shape, bits=8).weights / GIB < 7


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
    shape = shape_from_config(LLAMA_7B)
    full = shape.parameters
    assert step(shape, bits=4).peak < step(shape, bits=8).peak < step(shape).peak
    assert step(shape, checkpointing=True).activations < step(shape).activations / 5
    assert step(shape, tokens=512).activations == step(shape).activations // 4
    assert step(shape, full=True, trained=full, dtype_bytes=4).peak > 16 * full  # weights, gradients, two moments
    assert step(shape).peak / GIB < 80


def test_activations_are_of_the_size_autograd_keeps():
    """Bytes saved for the backward pass of a real step, counted by autograd's own hooks."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = LLAMA_7B | {
        "hidden_size": 64,
        "intermediate_size": 176,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "vocab_size": 200,
    }
    model = LlamaForCausalLM(LlamaConfig(**sizes))
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model.model(torch.randint(200, (1, 256))).last_hidden_state.sum()
    planned = step(shape_from_config(sizes), dtype_bytes=4, tokens=256, trained=0).activations
    assert 0.6 < planned / sum(kept.values()) < 1.6


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
