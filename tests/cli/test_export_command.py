"""`cornucopia export`: the bundled model and a small adapter to a folder that answers, by the command alone."""

from __future__ import annotations

import json

from cornucopia.cli.main import main


def test_nano_and_a_lora_to_a_folder_that_answers(tmp_path, capsys):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from cornucopia.core.paths import bundled_model

    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    lora, out = tmp_path / "lora", tmp_path / "out"
    get_peft_model(AutoModelForCausalLM.from_pretrained(bundled_model()), config).save_pretrained(lora)
    assert main(["export", "--base-model", "nano", "--adapter", str(lora), "--out", str(out)]) == 0
    told = capsys.readouterr()
    report = json.loads((out / "export.json").read_text(encoding="utf-8"))
    assert f"{report['greatest_difference']:.3g}" in told.out and report["dtype"] == "bfloat16"
    (tmp_path / "q.txt").write_text("定投是什么？\n", encoding="utf-8")
    asked = ["infer", str(tmp_path / "q.txt"), "--dtype", "float32", "--max-new-tokens", "12"]
    assert main([*asked, "--model", str(out), "--out", str(tmp_path / "merged.jsonl")]) == 0
    assert (tmp_path / "merged.jsonl").stat().st_size
    assert main(["export", "--base-model", "nano", "--adapter", str(lora), "--out", str(out)]) == 1
    assert "不是空的" in capsys.readouterr().err


def test_wrong_words_are_told(tmp_path, capsys):
    out = str(tmp_path / "o")
    assert main(["export", "--base-model", "nano", "--out", out, "--safe-shard-size", "many"]) in (1, 2)
    assert "4GB" in capsys.readouterr().err
    assert main(["export", "--base-model", "nano"]) in (1, 2)
    assert "out" in capsys.readouterr().err
