"""Which layers LoRA goes on, and which models need code of their own."""

from __future__ import annotations

import json

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.models.families import NOT_NATIVE, lora_targets, read_config


@pytest.fixture(scope="module")
def llama(small):
    return AutoModelForCausalLM.from_pretrained(small)


def bloom():
    config = AutoConfig.for_model("bloom", vocab_size=64, hidden_size=16, n_layer=1, n_head=2)
    return AutoModelForCausalLM.from_config(config)


def test_names_the_model_has_are_kept(llama):
    assert lora_targets(llama, ["q_proj", "v_proj"]) == ["q_proj", "v_proj"]
    assert lora_targets(llama, ["gate_proj"]) == ["gate_proj"]
    assert lora_targets(llama, ["all-linear"]) == "all-linear"


def test_the_default_finds_another_familys_names():
    assert lora_targets(bloom(), ["q_proj", "v_proj"]) == ["query_key_value"]


@pytest.mark.parametrize(
    ("name", "close"), [("q_prj", "q_proj"), ("query_key", "写 all-linear"), ("downproj", "down_proj")]
)
def test_an_unknown_name_names_the_nearest(name, close, llama):
    with pytest.raises(ConfigError) as error:
        lora_targets(llama, ["q_proj", name])
    assert close in error.value.fix and "gate_proj" in error.value.found
    with pytest.raises(ConfigError):
        lora_targets(bloom(), ["q_proj"])  # asked for by name, not by default


@pytest.mark.parametrize("kind", NOT_NATIVE)
def test_a_model_that_needs_its_own_code_says_what_to_do(kind, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "auto_map": {"AutoModel": "x.Y"}}))
    with pytest.raises(ModelError, match="自带的代码") as error:
        read_config(tmp_path)
    assert error.value.fix == NOT_NATIVE[kind]
