"""Bases in 8 bits: what is quantised, how near they stay to the plain model, and that nothing wide is left."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import torch

from cornucopia.models.eight_bit import KINDS, EightBitConfig, Linear8bit, register
from cornucopia.models.load import load_base
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.training.recipe import TrainRecipe

make = runpy.run_path(str(Path(__file__).parents[1] / "training" / "families.py"))["make"]


@pytest.fixture(params=["llama", "qwen2", "glm4", "bloom"])
def family(request, tmp_path):
    model = make(request.param)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    model.save_pretrained(tmp_path)
    return model, tmp_path


def load(folder, kind="int8", dtype=torch.float32):
    from transformers import AutoModelForCausalLM

    register()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, quantization_config=EightBitConfig(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_every_family_stays_near_its_plain_model(family, kind):
    plain, folder = family
    model = load(folder, kind)
    ids = torch.randint(1, 96, (2, 40), generator=torch.Generator().manual_seed(0))
    for few in (ids, ids[:, :9]):  # many rows, and few enough to be multiplied straight
        with torch.no_grad():
            found, exact = (m(few).logits.log_softmax(-1) for m in (model, plain))
        assert (exact.exp() * (exact - found)).sum(-1).mean() < (0.2 if kind == "fp8" else 0.02)


def test_linear_maps_of_the_layers_are_8_bit_and_nothing_else_is(family):
    plain, folder = family
    model = load(folder)
    maps = [m for m in plain.modules() if type(m) is torch.nn.Linear and m is not plain.get_output_embeddings()]
    eight = [m for m in model.modules() if isinstance(m, Linear8bit)]
    assert len(eight) == len(maps) > 0
    assert all(m.weight.dtype == torch.int8 and not m.weight.requires_grad for m in eight)
    for layer, was in zip(eight, maps, strict=True):
        assert (layer.weight * layer.scales - was.weight).abs().max() <= 0.51 * layer.scales.max()
        assert was.bias is None or torch.equal(layer.bias, was.bias)
    assert torch.equal(model.get_input_embeddings().weight, plain.get_input_embeddings().weight)
    assert torch.equal(model.get_output_embeddings().weight, plain.get_output_embeddings().weight)


def test_a_16_bit_model_holds_a_byte_a_weight(family):
    _, folder = family
    model = load(folder, dtype=torch.bfloat16)
    eight = {id(m.weight) for m in model.modules() if isinstance(m, Linear8bit)}
    for parameter in model.parameters():
        assert parameter.element_size() == (1 if id(parameter) in eight else 2)


def test_the_kind_is_only_for_8_bits(small):
    assert TrainRecipe(bits=8, quant_type="fp8").quant_type == "fp8"
    assert TrainRecipe(load_8bit=True, quant_type="int8").base_bits == 8
    for bits in (0, 4):
        with pytest.raises(ValueError, match="bits: 8"):
            TrainRecipe(bits=bits, quant_type="fp8")
    layers = load_base(resolve(ModelSpec(base=str(small), bits=8, quant_type="int8_dot"))).model.modules()
    assert {m.kind for m in layers if isinstance(m, Linear8bit)} == {"int8_dot"}


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc")
def test_the_file_it_was_read_from_is_let_go(family):
    _, folder = family
    model = load(folder)
    assert model is not None and str(folder) not in Path("/proc/self/maps").read_text(encoding="utf-8")
