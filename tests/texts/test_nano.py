"""The bundled model: small enough to ship, a plain LLaMA, a tokenizer that loses nothing, and an honest card."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cornucopia.models.local import read_model
from cornucopia.models.tokenizer import load_tokenizer

ROOT = Path(__file__).resolve().parents[2]
NANO = ROOT / "base_models" / "nano"
HARD = "🧧👨‍👩‍👧 é\r\n\t \x00\x07\x1b[0m ﷽ 𠮷野家 １２３％ <s></s><0x41> ▁ \u200b\ufeff 年化4.35%，¥1,000.00\n\n\n"


@pytest.fixture(scope="module")
def nano_tokenizer():
    return load_tokenizer(NANO)


@pytest.fixture(scope="module")
def articles():
    """Texts that the build trained on, and texts of the articles that no training has seen."""
    spec = importlib.util.spec_from_file_location("nano_handbook", ROOT / "recipes" / "nano" / "handbook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    texts = {path: module.article(path)["text"] for path in sorted((ROOT / "handbook").glob("*/*.md"))}
    unseen = [text for path, text in texts.items() if path.name.startswith(module.UNSEEN)]
    return [text for text in texts.values() if text not in unseen], unseen


def test_its_folder_is_whole_and_small():
    model = read_model(NANO)
    assert model.problem == "" and model.bundled and 5e6 < model.parameters < 25e6
    assert sum(path.stat().st_size for path in NANO.iterdir()) <= 40e6
    assert not [path.name for path in NANO.iterdir() if path.suffix in (".bin", ".pt", ".pth", ".py", ".pkl")]


def test_it_is_a_plain_llama():
    config = json.loads((NANO / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "llama" and config["architectures"] == ["LlamaForCausalLM"]
    assert "auto_map" not in config and config["vocab_size"] == len(load_tokenizer(NANO))
    assert config["pad_token_id"] not in (config["eos_token_id"], config["bos_token_id"])


def test_no_path_of_a_machine_is_in_it():
    for path in NANO.glob("*.json"):
        assert not re.search(r"/(home|root|work|tmp)/", path.read_text(encoding="utf-8")), path


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=60))
@example(text=HARD)
@example(text="")
def test_the_tokenizer_loses_nothing(nano_tokenizer, text):
    ids = nano_tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
    assert nano_tokenizer.decode(ids, skip_special_tokens=False) == text


def test_it_begins_as_llama_does(nano_tokenizer):
    assert nano_tokenizer.encode("你好")[0] == nano_tokenizer.bos_token_id
    assert nano_tokenizer.pad_token_id != nano_tokenizer.eos_token_id
    assert nano_tokenizer.encode("2025", add_special_tokens=False) == [
        nano_tokenizer.convert_tokens_to_ids(digit) for digit in "2025"
    ]


def test_a_token_holds_enough_of_unseen_text(nano_tokenizer, articles):
    _, unseen = articles
    assert len(unseen) >= 16
    tokens = sum(len(nano_tokenizer.encode(text, add_special_tokens=False)) for text in unseen)
    assert sum(map(len, unseen)) / tokens >= 1.6


def test_it_knows_more_of_unseen_text_than_how_often_words_come(nano_tokenizer, articles):
    import torch
    from transformers import AutoModelForCausalLM

    seen, unseen = articles
    counts = Counter(token for text in seen for token in nano_tokenizer.encode(text, add_special_tokens=False))
    smoothed = sum(counts.values()) + 0.1 * len(nano_tokenizer)
    model = AutoModelForCausalLM.from_pretrained(NANO, dtype=torch.float32).eval()
    own, by_frequency, tokens = 0.0, 0.0, 0
    for text in unseen[::3]:
        ids = nano_tokenizer(text, return_tensors="pt").input_ids[:, :256]
        with torch.no_grad():
            own += float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
        by_frequency -= sum(math.log((counts[token] + 0.1) / smoothed) for token in ids[0, 1:].tolist())
        tokens += ids.shape[1] - 1
    assert own / tokens < by_frequency / tokens - 0.5  # nats a token


def test_its_card_says_what_it_is():
    card = (NANO / "README.md").read_text(encoding="utf-8")
    for word in ("不能用来回答问题", "## 数据与许可", "## 局限", "Apache-2.0", "recipes/nano/build.sh"):
        assert word in card, word
    missing = [name for name in re.findall(r"recipes/nano/[\w.]+", card) if not (ROOT / name).is_file()]
    assert not missing


def test_its_card_names_every_source_of_its_corpus():
    card = (NANO / "README.md").read_text(encoding="utf-8")
    source = (ROOT / "recipes" / "nano" / "corpus.py").read_text(encoding="utf-8")
    named = re.findall(r'"([\w-]+/[\w-]+)(?: \([\w ]+\))?",\s*"(MIT|CC BY 4\.0|Apache-2\.0)"', source)
    assert len(named) >= 7
    for repository, licence in named:
        (row,) = [line for line in card.splitlines() if repository in line]
        assert licence in row, row
