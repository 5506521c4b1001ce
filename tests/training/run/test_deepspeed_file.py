"""A DeepSpeed configuration is handed on, or refused with what to do; DeepSpeed itself is not tried here."""

from __future__ import annotations

import importlib.util
import json

import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.training.run.deepspeed_file import deepspeed_arguments


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "ds.json"
        path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        return str(path)

    return write


def test_without_a_file_nothing_is_told():
    assert deepspeed_arguments(None, 2) == {}


@pytest.mark.parametrize("config", [{}, {"zero_optimization": {"stage": 2}, "train_batch_size": "auto"}])
def test_it_is_handed_on_where_deepspeed_is_installed(config, written, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    path = written(config)
    assert deepspeed_arguments(path, 2) == {"deepspeed": path}


@pytest.mark.parametrize(
    ("config", "processes", "told"),
    [
        ("{", 2, "不是 JSON"),
        ("[1]", 2, "键: 值"),
        ({"zero_optimization": 3}, 2, "键: 值"),
        ({"zero_optimization": {"stage": 3}}, 2, "fsdp2"),
        ({}, 1, "torchrun"),
        ({}, 2, "pip install"),
    ],
)
def test_what_cannot_be_done_is_told_with_what_to_do(config, processes, told, written, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=told):
        deepspeed_arguments(written(config), processes)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="读不了"):
        deepspeed_arguments(str(tmp_path / "none.json"), 2)
