"""What cards a base needs: more cards never need more each, and what the paper of QLoRA did fits here too."""

from __future__ import annotations

from cornucopia.models.memory import shape_from_config
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.cards import COUNTS, needs

LLAMA_65B = {
    "hidden_size": 8192, "intermediate_size": 22016, "num_hidden_layers": 80, "num_attention_heads": 64,
    "vocab_size": 32000,
}  # fmt: skip


def test_a_method_needs_less_of_each_of_more_cards():
    recipe = TrainRecipe.build({"cutoff_len": 512, "lora_target_modules": ["all-linear"]})
    found = {need.name: need for need in needs(recipe, shape_from_config(LLAMA_65B))}
    assert list(found) == ["full", "freeze", "lora", "lora，8 位", "lora，4 位", "prefix"]
    for need in found.values():
        sizes = list(need.each.values())
        assert sizes == sorted(sizes, reverse=True)
    assert list(found["lora，4 位"].each) == [1] and list(found["full"].each) == list(COUNTS)
    assert found["lora，4 位"].least(48) == 1 and found["lora，4 位"].least(24) is None  # arXiv:2305.14314, abstract
    assert found["full"].each[1] > 16 * shape_from_config(LLAMA_65B).parameters
    assert found["lora"].least(80) == 2


def test_the_table_is_printed_without_weights(capsys):
    from cornucopia.cli.main import main

    assert main(["train", "--base-model", "Qwen2.5-7B-Instruct", "--cards"]) == 0
    shown = capsys.readouterr()
    assert "freeze" in shown.out and "80 GB" in shown.out and "fsdp2" in shown.err
