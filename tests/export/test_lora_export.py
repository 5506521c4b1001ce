"""An adapter written for vLLM's --lora-modules answers as it did, whatever kind of LoRA it was; others are refused."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from cornucopia.adapters.plain_lora import plain_lora, rank_for
from cornucopia.cli.main import main
from cornucopia.core.errors import ConfigError, CornucopiaError, ModelError
from cornucopia.export.run import ExportOptions, export
from cornucopia.models.fingerprint import weights_fingerprint
from cornucopia.models.meta import ModelMeta, write_meta


@pytest.fixture
def lora(tiny, tmp_path):
    """Make an adapter of any LoRA settings."""

    def make(**settings):
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM

        torch.manual_seed(5)
        given = {"r": 4, "lora_alpha": 32, "target_modules": ["q_proj", "down_proj"], "init_lora_weights": False}
        config = LoraConfig(task_type="CAUSAL_LM", **(given | settings))
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config)
        model.save_pretrained(tmp_path / "lora")
        write_meta(tmp_path / "lora", ModelMeta(template="alpaca", base_fingerprint=weights_fingerprint(tiny)))
        return tmp_path / "lora"

    return make


def run(base, adapter, out):
    return export(ExportOptions(base=str(base), adapter=[str(adapter)], out=str(out), lora_modules=True))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 7}, "alpha_pattern": {"layers.0.self_attn.q_proj": 5}, "use_rslora": True},
        {"layers_to_transform": [1]},
        {"target_modules": r".*\.1\..*(q|v)_proj"},
    ],
    ids=["lora", "rslora", "patterns", "layers", "regex"],
)
def test_it_answers_as_it_did(settings, lora, tiny, tmp_path):
    report = run(tiny, lora(**settings), tmp_path / "out")
    assert report["greatest_difference"] <= report["allowed_difference"] < report["adapter_effect"]
    weights = load_file(tmp_path / "out" / "adapter_model.safetensors")
    rank = 7 if "rank_pattern" in settings else 4
    assert {value.shape[0] if "lora_A" in name else value.shape[1] for name, value in weights.items()} == {rank}
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["r"] == config["lora_alpha"] == rank and not config.get("use_rslora")
    assert report["max_lora_rank"] == 8 and "### Instruction:" in (tmp_path / "out" / "chat_template.jinja").read_text()
    assert str(tiny) not in (tmp_path / "out" / "adapter_config.json").read_text()


@pytest.mark.parametrize(
    "settings,told",
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["embed_tokens", "lm_head"]}, "modules_to_save"),
        ({"trainable_token_indices": [5, 6]}, "词元的嵌入"),
        ({"bias": "lora_only"}, "偏置"),
        ({"target_modules": ["embed_tokens", "q_proj"]}, "不是 LoRA 的 A 或 B"),
        ({"lora_bias": True}, "偏置"),
    ],
)
def test_what_is_no_low_rank_difference_is_refused_and_told_to_be_merged(settings, told, lora, tiny, tmp_path):
    with pytest.raises(ModelError, match=told) as error:
        run(tiny, lora(**settings), tmp_path / "out")
    assert "cornucopia export" in error.value.fix and not (tmp_path / "out").exists()


def test_what_cannot_be_asked_for_is_refused(lora, tiny, tmp_path):
    folder = lora(init_lora_weights=True)
    with pytest.raises(ModelError, match="什么也没有改变"):
        run(tiny, folder, tmp_path / "out")
    for changes in ({"adapter": []}, {"adapter": ["a", "b"]}, {"gguf": "q8_0"}):
        values = {"base": "b", "adapter": ["a"], "out": "o", "lora_modules": True, **changes}
        with pytest.raises((CornucopiaError, ConfigError), match="lora"):
            ExportOptions.build(values)
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    config = json.loads((other / "adapter_config.json").read_text()) | {"peft_type": "IA3"}
    (other / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="不是 LoRA"):
        plain_lora(other)
    assert [rank_for(rank) for rank in (1, 8, 9, 300)] == [8, 8, 16, 320]


def test_the_command_says_how_it_is_served(lora, tiny, tmp_path, capsys):
    words = ["--base-model", str(tiny), "--adapter", str(lora()), "--lora-modules", "--out", str(tmp_path / "out")]
    assert main(["export", *words]) == 0
    told = "".join(capsys.readouterr())
    assert "--enable-lora --max-lora-rank 8 --lora-modules" in told and "--chat-template" in told
