"""Loading a base: where it is looked for, what a damaged folder says, quantisation, special ids."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from cornucopia.core import device as device_module
from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.models import load as module
from cornucopia.models.create import NewModel, create
from cornucopia.models.find import find_model
from cornucopia.models.fingerprint import weights_fingerprint
from cornucopia.models.load import load_base
from cornucopia.models.spec import ModelSpec, resolve
from samples import CORPUS


@pytest.fixture
def copy(small, tmp_path):
    shutil.copytree(small, tmp_path / "m")
    return tmp_path / "m"


def test_a_loaded_base(small):
    base = load_base(resolve(ModelSpec(base=str(small), dtype="float32")))
    assert not base.model.training and base.path == small and base.fingerprint == weights_fingerprint(small)
    assert base.model.dtype == torch.float32
    assert load_base(resolve(ModelSpec(base=str(small), dtype="bfloat16"))).model.dtype == torch.bfloat16
    with pytest.raises(ConfigError):
        load_base(resolve(ModelSpec(base=str(small), dtype="float99")))


@pytest.mark.parametrize(
    ("fast", "dtype", "told"), [(False, "bfloat16", True), (False, "auto", False), (True, "bfloat16", False)]
)
def test_16_bit_numbers_on_a_cpu_without_them_are_told(small, monkeypatch, capsys, fast, dtype, told):
    for place in (module, device_module):
        monkeypatch.setattr(place, "cpu_has_fast_bfloat16", lambda: fast)
    load_base(resolve(ModelSpec(base=str(small), dtype=dtype, device="cpu")))
    assert ("--dtype float32" in capsys.readouterr().err) == told


def test_a_name_is_looked_for_under_base_models(copy, monkeypatch):
    home = copy.parent / "home"
    shutil.copytree(copy, home / "base_models" / "some")
    monkeypatch.setenv("CORNUCOPIA_HOME", str(home))
    assert find_model("some") == find_model("owner/some") == home / "base_models" / "some"
    with pytest.raises(ModelError, match="cornucopia models list --all"):
        find_model("other")
    (home / "base_models" / "empty").mkdir()
    with pytest.raises(ModelError, match=r"缺 config\.json"):
        find_model("empty")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("base_models/llama-7b-hf", "cornucopia models pull llama-7b-hf"),
        ("./base_models/Qwen2.5-7B-Instruct/", "cornucopia models pull Qwen2.5-7B-Instruct"),
        ("/disk/llama-7b-hf", "cornucopia models pull llama-7b-hf"),
        ("owner/some", "cornucopia models pull owner/some"),
        ("/disk/mine", "核对路径"),
        ("./mine", "核对路径"),
    ],
)
def test_the_advice_for_a_missing_model_can_be_followed(name, advice, tmp_path, monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_HOME", str(tmp_path))
    with pytest.raises(ModelError) as error:
        find_model(name)
    assert error.value.fix.startswith(advice)


def cut(path):
    path.write_bytes(path.read_bytes()[:-500])


def without_a_layer(path):
    save_file({n: t for n, t in load_file(path).items() if "layers.1.mlp" not in n}, path, {"format": "pt"})


def with_another_shape(path):
    save_file({n: t[:8].clone() if "q_proj" in n else t for n, t in load_file(path).items()}, path, {"format": "pt"})


@pytest.mark.parametrize(
    "damage", [cut, without_a_layer, with_another_shape, lambda p: p.unlink(), lambda p: p.write_bytes(b"")]
)
def test_damaged_weights_are_told_and_never_replaced_by_random_ones(damage, copy):
    damage(copy / "model.safetensors")
    with pytest.raises(ModelError) as error:
        load_base(resolve(ModelSpec(base=str(copy))))
    assert str(copy) in error.value.where and error.value.fix


def test_a_pickle_with_code_is_not_run(copy, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    (copy / "model.safetensors").unlink()
    torch.save({"x": Evil()}, copy / "pytorch_model.bin")
    with pytest.raises(ModelError):
        load_base(resolve(ModelSpec(base=str(copy))))
    assert not (tmp_path / "ran").exists()


def test_a_tokenizer_larger_than_the_model_is_refused(copy):
    config = json.loads((copy / "tokenizer.json").read_text(encoding="utf-8"))
    for index in range(9):
        token = {"id": 420 + index, "content": f"<x{index}>", "special": True, "single_word": False}
        config["added_tokens"].append(token | {"lstrip": False, "rstrip": False, "normalized": False})
    (copy / "tokenizer.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match="不是一对"):
        load_base(resolve(ModelSpec(base=str(copy))))


def test_special_ids_of_old_conversions_are_repaired(copy):
    path = copy / "generation_config.json"
    path.write_text(json.dumps({"bos_token_id": 0, "eos_token_id": -1, "pad_token_id": -1}))
    generation = load_base(resolve(ModelSpec(base=str(copy)))).model.generation_config
    assert (generation.bos_token_id, generation.eos_token_id, generation.pad_token_id) == (1, 2, 3)


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_layers(bits, tmp_path):
    sizes = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    sizes |= {"vocab_size": 420, "intermediate_size": 128, "output_dir": str(tmp_path), "text": ["-"]}
    create(small := tmp_path, CORPUS, NewModel(**sizes))
    model = load_base(resolve(ModelSpec(base=str(small), bits=bits, dtype="float32"))).model
    kinds = {type(module).__name__ for name, module in model.named_modules() if name.endswith("q_proj")}
    assert kinds == {"Linear4bit" if bits == 4 else "Linear8bit"}
    plain = load_base(resolve(ModelSpec(base=str(small), dtype="float32"))).model
    ids = torch.tensor([[1, 300, 301, 302]])
    with torch.no_grad():
        assert torch.allclose(model(ids).logits, plain(ids).logits, atol=0.3)


def test_without_bitsandbytes_the_command_to_install_it_is_told(small, monkeypatch):
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "bitsandbytes" else real(name, *rest)
    )
    with pytest.raises(ModelError, match="pip install"):
        load_base(resolve(ModelSpec(base=str(small), bits=4)))
    assert load_base(resolve(ModelSpec(base=str(small), bits=8))).model.is_quantized


def test_the_fingerprint_sees_weights_and_sizes_and_not_the_place(small, copy):
    assert weights_fingerprint(copy) == weights_fingerprint(small)
    tensors = load_file(copy / "model.safetensors")
    tensors["model.norm.weight"] += 1
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    assert weights_fingerprint(copy) != weights_fingerprint(small)


@pytest.mark.parametrize("bits", [0, 8, 4])
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(copy, bits, value):
    tensors = load_file(copy / "model.safetensors")
    tensors["model.layers.0.mlp.up_proj.weight"][1, 2] = value
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="不是数"):
        load_base(resolve(ModelSpec(base=str(copy), bits=bits)))
