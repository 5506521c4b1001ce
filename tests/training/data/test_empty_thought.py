"""What becomes of the empty thought that some chat templates write: a setting of the recipe, and of the kept tokens."""

from __future__ import annotations

import json

import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.tokens.render import IGNORE
from cornucopia.training.recipe import TrainRecipe
from tiny_models import make_tokenizer

QWEN = (
    "{% for m in messages %}{{ '[' + m.role + ']' }}"
    "{% if m.role == 'assistant' %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)


def test_the_recipe_decides_whether_it_is_learnt_and_kept_tokens_never_mix(tmp_path, prepare, monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_CACHE", str(tmp_path / "cache"))
    tokenizer = make_tokenizer()
    tokenizer.chat_template = QWEN
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"instruction": "退保扣钱吗？", "output": "犹豫期内不扣。"}) + "\n", encoding="utf-8")
    trained = {}
    for how in ("learn", "read", "learn"):
        recipe = TrainRecipe.build({"data_path": [str(path)], "template": "chat", "empty_thought": how})
        (example,) = prepare(recipe, tokenizer, "chat").train
        trained.setdefault(how, []).append(tokenizer.decode([i for i in example.labels if i != IGNORE]))
    assert trained["learn"][0] == trained["learn"][1] == "<think>\n\n</think>\n\n" + trained["read"][0]
    assert trained["read"][0].startswith("犹豫期内不扣。")
    assert recipe.identity()["empty_thought"] == "learn"


def test_another_word_is_refused():
    with pytest.raises(ConfigError, match="learn"):
        TrainRecipe.build({"empty_thought": "drop"})
