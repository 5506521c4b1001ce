"""A dry run finds what would fail later, and plans for models whose weights are not here."""

from __future__ import annotations

import shutil

import pytest

from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.training.run import rehearsal
from cornucopia.training.run.loop import train


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora_target_modules": ["q_prj"]}, "最接近的是 q_proj"),
        ({"method": "freeze", "freeze_trainable_layers": 99}, "模型有 2 块"),
    ],
)
def test_what_the_model_does_not_have_is_told_before_data_is_read(settings, message, dry, short_run, monkeypatch):
    monkeypatch.setattr("cornucopia.training.run.loop.prepare", lambda *_, **__: pytest.fail("data was read"))
    with pytest.raises(ConfigError, match=message):
        train(short_run("out", dry_run=dry, **settings))


@pytest.mark.parametrize("files", [["config.json"], ["config.json", "tokenizer.json", "tokenizer_config.json"]])
def test_a_folder_without_weights_is_enough_for_a_plan(files, short_run, small, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in files:
        shutil.copy(small / name, bare / name)
    assert train(short_run("out", base_model=str(bare), max_steps=3, dry_run=True))["steps"] == 3
    shown = capsys.readouterr()
    assert "内存估计" in shown.out and ("按 nano 的分词器估计" in shown.err) == (len(files) == 1)
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]
    with pytest.raises(ModelError):
        train(short_run("out", base_model=str(bare), max_steps=3))


@pytest.mark.parametrize("method", ["lora", "full", "freeze"])
def test_a_name_of_the_catalogue_is_enough(method, short_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("cornucopia.models.find.project_root", lambda: tmp_path / "nowhere")
    settings = {"base_model": "Qwen2.5-7B-Instruct", "template": "chat", "dtype": "bfloat16", "dry_run": True}
    assert train(short_run("out", method=method, max_steps=2, **settings))["dry_run"]
    shown = capsys.readouterr()
    assert "形状按目录记的" in shown.err
    weights = float(shown.out.split("│ 权重")[1].split("│")[1])
    assert (13 < weights < 16) if method == "lora" else weights > 14
    with pytest.raises(ModelError):
        train(short_run("out", base_model="no-such-model", dry_run=True))


@pytest.mark.parametrize("billions", [0.5, 1.5, 7, 14, 72])
def test_the_stand_in_has_about_as_many_parameters(billions):
    from cornucopia.models.memory import shape_from_config

    assert shape_from_config(rehearsal._config(billions * 1e9)).parameters == pytest.approx(billions * 1e9, rel=0.25)


def test_epochs_shown_beside_max_steps_are_what_the_steps_make(short_run, capsys):
    train(short_run("out", num_epochs=10, max_steps=12, batch_size=4, dry_run=True))
    assert "2（由 max_steps 决定）" in capsys.readouterr().out  # 12 updates of 4 of 24 rows
