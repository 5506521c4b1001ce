"""Experiment trackers: missing, refusing, and real ones where they are installed."""

from __future__ import annotations

import importlib
import sys

import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.loop import train
from cornucopia.training.run.trackers import check_trackers, start_trackers, tracker_names


def recipe(tmp_path, **settings):
    return TrainRecipe.build(
        {"base_model": "nano", "data_path": ["x.json"], "output_dir": str(tmp_path / "run")} | settings
    )


def test_a_wandb_project_asks_for_wandb(tmp_path):
    assert tracker_names(recipe(tmp_path, report_to=["tensorboard"], wandb_project="p")) == ["tensorboard", "wandb"]


def test_a_tracker_that_is_not_installed_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        check_trackers(recipe(tmp_path, report_to=["swanlab"]))
    assert "pip install swanlab" in str(caught.value.fix)


@pytest.mark.parametrize("name", ["wandb", "swanlab"])
@pytest.mark.parametrize("failure", ["RuntimeError('no API key')", "SystemExit(1)"])
def test_a_tracker_that_refuses_is_one_clear_message(name, failure, tmp_path, monkeypatch):
    (tmp_path / f"{name}.py").write_text(f"def init(**_):\n    raise {failure}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop(name, None)
    with pytest.raises(ConfigError) as caught:
        start_trackers(recipe(tmp_path, report_to=[name]))
    assert name in caught.value.what and "offline" in caught.value.fix
    sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["wandb", "swanlab"])
def test_a_real_tracker_offline_records_the_run(name, small, questions, tmp_path, monkeypatch):
    pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{name.upper()}_MODE", "offline")
    train(
        TrainRecipe.build(
            {
                "base_model": str(small),
                "data_path": [str(questions)],
                "output_dir": "run",
                "max_steps": 2,
                "batch_size": 4,
                "logging_steps": 1,
                "report_to": [name],
                "device": "cpu",
            }
        )
    )
    assert list(tmp_path.glob("wandb/offline-run-*" if name == "wandb" else "swanlog/*"))
