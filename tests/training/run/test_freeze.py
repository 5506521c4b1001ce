"""Freeze: exactly the chosen tensors change, byte for byte; nothing below the lowest trained block has a gradient."""

from __future__ import annotations

import pytest
import torch
from families import make
from safetensors.torch import load_file

from cornucopia.core.errors import ConfigError
from cornucopia.models.load import load_base
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.training.methods import METHODS
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.loop import train


def method(**settings):
    recipe = TrainRecipe.build({"finetuning_type": "freeze"} | settings)
    return METHODS[recipe.method](recipe)


@pytest.mark.parametrize(
    ("settings", "changes"),
    [
        ({"freeze_trainable_layers": 1}, lambda name: "layers.1." in name),
        ({"num_layer_trainable": -1}, lambda name: "layers.0." in name),
        ({"freeze_trainable_layers": 2, "name_module_trainable": ["mlp"]}, lambda name: ".mlp." in name),
        (
            {"freeze_trainable_layers": 1, "freeze_trainable_modules": ["q_proj"], "freeze_extra_modules": ["norm"]},
            lambda name: "layers.1.self_attn.q_proj" in name or name == "model.norm.weight",
        ),
    ],
)
def test_exactly_the_chosen_tensors_change(settings, changes, short_run, small, tmp_path):
    train(short_run("out", method="freeze", max_steps=3, batch_size=4, learning_rate=1e-2, **settings))
    before, after = load_file(small / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if changes(name)}
    assert load_base(resolve(ModelSpec(base=str(tmp_path / "out")))).tokenizer.eos_token_id is not None


def test_frozen_tensors_keep_the_files_type_when_trained_in_another(short_run, small, tmp_path):
    train(short_run("out", method="freeze", max_steps=1, batch_size=4, freeze_trainable_layers=1, dtype="bfloat16"))
    before, after = load_file(small / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    kept = [name for name in before if "layers.1." not in name]
    assert kept and all(torch.equal(before[name], after[name]) for name in kept)


@pytest.mark.parametrize("family", ["llama", "qwen3", "bloom"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_no_gradient_flows_below_the_lowest_trained_block(family, checkpointing):
    model = method(freeze_trainable_layers=1, gradient_checkpointing=checkpointing).apply(make(family))
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    seen = []
    decoder = model.get_decoder()
    for block in getattr(decoder, "layers", None) or decoder.h:
        block.register_forward_hook(
            lambda module, given, out: seen.append((out[0] if isinstance(out, tuple) else out).requires_grad)
        )
    model(input_ids=torch.tensor([[1, 5, 6, 7]]), labels=torch.tensor([[1, 5, 6, 7]])).loss.backward()
    assert seen[:2] == [False, True]
    trained = {name for name, p in model.named_parameters() if p.grad is not None}
    assert trained and trained == set(method(freeze_trainable_layers=1).trained(model))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze_trainable_layers": 9}, "模型有 2 块"), ({"freeze_trainable_layers": 0}, "没有这么多块"),
        ({"freeze_trainable_modules": ["mpl"]}, "最接近的是 mlp"),
        ({"freeze_extra_modules": ["heads"]}, "embed_tokens"),
    ],
)  # fmt: skip
def test_blocks_and_modules_that_are_not_there_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        method(**settings).apply(make("llama"))


def test_it_resumes_to_the_same_bits(short_run, tmp_path):
    settings = {"method": "freeze", "max_steps": 4, "batch_size": 4, "freeze_trainable_layers": 1}
    train(short_run("whole", **settings))
    train(short_run("cut", **settings))
    for path in (tmp_path / "cut" / "checkpoint-4", tmp_path / "cut"):
        for file in ("complete.json", "train_result.json"):
            (path / file).unlink(missing_ok=True)
    train(short_run("cut", **settings, resume=True))
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_a_quantised_base_and_an_adapter_as_start_are_refused(short_run, adapter):
    with pytest.raises(ConfigError, match="不能用量化的基座"):
        method(bits=8)
    for kind in ("freeze", "full"):
        with pytest.raises(ConfigError, match="不能以适配器为起点"):
            train(short_run("out", method=kind, resume_from_checkpoint=str(adapter)))
