"""Models shared by the tests: made once, at random, in a few seconds."""

from __future__ import annotations

import json
import os

import hypothesis
import pytest

from samples import CORPUS, SHARED
from tiny_models import make_adapter, make_model

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # for models this small, threads only wait for each other
# The same examples each time, so that a green run stays green; `--hypothesis-profile=explore` looks for new ones.
hypothesis.settings.register_profile("repeat", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.load_profile("repeat")
ANSWERS = ["犹豫期内可以全额退保。", "先看风险承受能力，再决定。", "按日万分之五计息。", "等额本金的总利息少一些。"]


def pytest_collection_modifyitems(items):
    """Tests marked `shared` are skipped, before any of their fixtures, where the data beside the checkout is absent."""
    if SHARED.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(pytest.mark.skip(reason="no shared data beside this checkout"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder of a tiny model with random weights and a byte-level tokenizer; its answers vary."""
    return make_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def adapter(tiny, tmp_path_factory):
    """Folder of a LoRA adapter with random weights on `tiny`."""
    return make_adapter(tiny, tmp_path_factory.mktemp("adapter") / "lora")


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Folder of a 2-layer model of the bundled model's kind, as `models.create` makes it."""
    from cornucopia.models.create import NewModel, create

    folder = tmp_path_factory.mktemp("small") / "model"
    sizes = {
        "vocab_size": 420, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 512,
    }  # fmt: skip
    create(folder, CORPUS * 3, NewModel(output_dir=str(folder), text=["-"], **sizes))
    return folder


@pytest.fixture(scope="session")
def tokenizer(small):
    """The tokenizer of `small`."""
    from cornucopia.models.tokenizer import load_tokenizer

    return load_tokenizer(small)


@pytest.fixture(scope="session")
def questions(tmp_path_factory):
    """24 questions and answers of different lengths, in the original's form."""
    path = tmp_path_factory.mktemp("data") / "qa.json"
    rows = [
        {
            "instruction": f"第{i}问：怎么办" + "？" * (i % 7),
            "input": "材料" * (i % 3),
            "output": ANSWERS[i % 4] * (1 + i % 2),
        }
        for i in range(24)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def fake_hub(monkeypatch):
    """An empty hub on this machine, to which every site's name leads."""
    from cornucopia.core import hub_patience
    from hub_server import FakeHub

    made = FakeHub()
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "CORNUCOPIA_HUB", "USE_MODELSCOPE_HUB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", made.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(hub_patience, "FIRST_WAIT", 0.01)
    yield made
    made.close()
