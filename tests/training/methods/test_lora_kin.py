"""LoRA's kin: each is opened by plain PEFT on the base as it is, resumes to the same bits, and is proved or told."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from cornucopia.core.errors import ConfigError
from cornucopia.models.load import load_base
from cornucopia.models.memory import Step, read_shape
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.training.methods import METHODS
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.fast import extras, left_out, speed_up
from cornucopia.training.run.loop import train

IDS = torch.tensor([[1, 5, 9, 30, 7, 12, 80]])
KINDS = {
    "plain": {},
    "rslora": {"use_rslora": True, "lora_r": 4},
    "dora": {"use_dora": True},
    "gaussian": {"init_lora_weights": "gaussian"},
    "pissa": {"lora_init": "pissa", "lora_r": 4},
    "pissa_niter": {"lora_init": "pissa_niter_4", "use_rslora": True, "alpha_pattern": {"v_proj": 5}},
    "olora": {"lora_init": "olora", "rank_pattern": {"q_proj": 3}, "alpha_pattern": {"q_proj": 7}},
    "pissa_dora": {"lora_init": "pissa", "use_dora": True},
    "patterns": {"rank_pattern": {"q_proj": 2, r"layers\.1\.self_attn\.v_proj": 6}, "alpha_pattern": {"v_proj": 3}},
    "whole": {"additional_target": ["embed_tokens", "norm"], "lora_r": 2},
    "one_block": {"layers_to_transform": [1], "lora_target": ["all-linear"]},
}


def method(**settings):
    recipe = TrainRecipe.build(settings)
    return METHODS[recipe.method](recipe)


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


def stir(model):
    """Every trained parameter moved a little, as by training."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("name", KINDS)
def test_plain_peft_on_the_untouched_base_gives_the_same_logits(name, small, tmp_path):
    from peft import PeftModel

    kind = method(base=str(small), **KINDS[name])
    model = stir(kind.apply(load_base(resolve(ModelSpec(base=str(small), dtype="float32"))).model))
    kind.save(model, tmp_path)
    base = AutoModelForCausalLM.from_pretrained(small, dtype=torch.float32)
    assert not torch.allclose(logits(model), logits(base), atol=1e-3)
    opened = PeftModel.from_pretrained(base, str(tmp_path))
    assert torch.allclose(logits(opened), logits(model), atol=2e-4)
    assert torch.allclose(logits(opened.merge_and_unload()), logits(model), atol=2e-4)


@pytest.mark.parametrize("name", KINDS)
def test_the_start_changes_nothing_and_the_estimate_counts_what_is_trained(name, small):
    base = load_base(resolve(ModelSpec(base=str(small), dtype="float32"))).model
    before, kind = logits(base), method(**KINDS[name])
    model = kind.apply(base)
    assert torch.allclose(logits(model), before, atol=1e-4)
    counted = kind.memory(read_shape(small), Step(tokens=64, supervised=32, compute_bytes=4)).gradients / 4
    assert counted == pytest.approx(
        sum(p.numel() for p in kind.trained(model).values()), rel=0.02
    )  # norms are not counted


@pytest.mark.parametrize("name", ["dora", "pissa", "pissa_niter", "olora", "whole"])
def test_it_resumes_to_the_same_bits(name, short_run, tmp_path):
    settings = {"max_steps": 4, "batch_size": 4, "lora_plus_ratio": 4.0, "learning_rate": 1e-3} | KINDS[name]
    train(short_run("whole", **settings))
    train(short_run("cut", **settings))
    for path in (tmp_path / "cut" / "checkpoint-4", tmp_path / "cut"):
        for file in ("complete.json", "train_result.json"):
            (path / file).unlink(missing_ok=True)
    train(short_run("cut", **settings, resume=True))
    whole, cut = ((tmp_path / run / "adapter_model.safetensors").read_bytes() for run in ("whole", "cut"))
    assert whole == cut


@pytest.mark.parametrize("name", ["rslora", "dora", "patterns", "one_block", "pissa", "whole"])
def test_the_fast_step_is_proved_or_its_absence_told(name, small):
    kind = method(**KINDS[name])
    model = kind.apply(load_base(resolve(ModelSpec(base=str(small), dtype="float32"))).model)
    assert speed_up(model) == ""
    assert ("lora" in extras(model)) != ("lora" in left_out(model))
    assert ("DoRA" in left_out(model).get("lora", "")) == (name == "dora")


def test_lora_plus_gives_b_its_own_rate(short_run, tmp_path):
    for name, ratio in (("same", 1.0), ("plus", 16.0)):
        train(short_run(name, max_steps=1, batch_size=4, warmup_ratio=0.0, loraplus_lr_ratio=ratio))
    same, plus = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("same", "plus"))
    for key, value in same.items():  # B starts at 0: one step of Adam is the rate itself
        factor = 16 if "lora_B" in key else 1
        assert torch.allclose(plus[key], value * factor, atol=1e-7)
    state = torch.load(tmp_path / "plus" / "checkpoint-1" / "optimizer.pt", weights_only=True)
    assert [group["initial_lr"] for group in state["param_groups"]] == pytest.approx([2e-4, 3.2e-3])
    row = json.loads((tmp_path / "plus" / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row["learning_rate"] == pytest.approx(2e-4)


def test_modules_trained_whole_are_float32_on_a_16_bit_base(short_run, tmp_path):
    train(short_run("out", max_steps=2, batch_size=4, modules_to_save=["lm_head"], dtype="bfloat16"))
    saved = load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert saved["base_model.model.lm_head.weight"].dtype == torch.float32


def test_an_adapter_as_start_decides_its_kind(short_run, tmp_path, small):
    first = {"use_dora": True, "use_rslora": True, "lora_init": "pissa", "rank_pattern": {"q_proj": 3}}
    train(short_run("first", max_steps=1, batch_size=4, modules_to_save=["norm"], layers_to_transform=[0], **first))
    train(short_run("next", max_steps=1, batch_size=4, resume_from_checkpoint=str(tmp_path / "first")))
    before, after = (json.loads((tmp_path / n / "adapter_config.json").read_text()) for n in ("first", "next"))
    for key in ("r", "lora_alpha", "use_dora", "use_rslora", "rank_pattern", "modules_to_save", "layers_to_transform"):
        assert before[key] == after[key], key
    assert before["rank_pattern"] == {"q_proj": 6} and before["init_lora_weights"] is True


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora_init": "loftq"}, "基座换成它自己的近似"),
        ({"lora_init": "pisa"}, "最接近的是 pissa"),
        ({"lora_init": "pissa", "bits": 8}, "没有量化的权重"),
        ({"rank_pattern": {"q_proj": 0}}, "应大于 0"),
        ({"rank_pattern": {"(q": 4}}, "正则"),
        ({"rank_pattern": "{q_proj: [}"}, "键: 值"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        method(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers_to_transform": [2]}, "模型有 2 块"),
        ({"modules_to_save": ["embed_token"]}, "最接近的是 embed_tokens"),
        ({"rank_pattern": {"q_prj": 4}}, "rank_pattern q_prj"),
    ],
)
def test_blocks_and_modules_that_are_not_there_are_refused(settings, message, small):
    with pytest.raises(ConfigError, match=message):
        method(**settings).apply(load_base(resolve(ModelSpec(base=str(small)))).model)


def test_a_pattern_can_be_typed():
    assert TrainRecipe.build({"rank_pattern": "{q_proj: 16}"}).rank_pattern == {"q_proj": 16}
