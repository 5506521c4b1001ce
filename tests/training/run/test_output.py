"""The output folder: nothing that no run wrote is touched, one run at a time; a full disk costs nothing whole."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys

import pytest
from safetensors import SafetensorError

from cornucopia.core.errors import ConfigError, CornucopiaError
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.training.methods.lora import Lora
from cornucopia.training.run import checkpoint as ck
from cornucopia.training.run import output as folder
from cornucopia.training.run.loop import train

SHORT = {"max_steps": 2, "batch_size": 4}


def contents(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture
def own(tmp_path):
    """A folder of somebody's own files."""

    def make(*names):
        place = tmp_path / "own"
        for name in names:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(f"mine: {name}", encoding="utf-8")
        return place

    return make


@pytest.mark.parametrize(
    "names",
    [["README.md"], ["model.safetensors"], ["a/b.txt"], ["checkpoint-3/x"], ["log.jsonl", "recipe.yaml"], [".env"]],
)
@pytest.mark.parametrize("settings", [{}, {"overwrite": True}, {"resume": True}, {"method": "full", "overwrite": True}])
def test_a_folder_that_is_no_runs_is_refused_whatever_is_said(names, settings, own, short_run):
    place = own(*names)
    before = contents(place)
    with pytest.raises(ConfigError, match="不是空的"):
        train(short_run("own", **SHORT, **settings))
    assert contents(place) == before


@pytest.mark.parametrize("names", [[], [".gitkeep", ".DS_Store"], [".lock"], [".identity.json.4711.tmp"]])
def test_an_empty_folder_and_what_systems_leave_in_one_are_taken(names, own, short_run, tmp_path):
    (tmp_path / "own").mkdir()
    own(*names)
    assert train(short_run("own", **SHORT))["finished"]
    assert not list((tmp_path / "own").glob(".*.tmp")) and not (tmp_path / "own" / ".lock").exists()


def test_overwriting_leaves_what_the_user_put_beside_and_what_he_edited(short_run, tmp_path):
    out = tmp_path / "out"
    train(short_run("out", **SHORT))
    (out / "notes.txt").write_text("mine")
    (out / "checkpoint-best").mkdir()
    (out / "README.md").write_text("my own words")
    train(short_run("out", **SHORT, overwrite=True, seed=1))
    assert (out / "notes.txt").read_text() == "mine" and (out / "checkpoint-best").is_dir()
    assert (out / "README.md").read_text() == "my own words"


@pytest.mark.parametrize(("first", "second"), [("full", "lora"), ("lora", "full"), ("freeze", "lora")])
@pytest.mark.parametrize("old", [False, True])
def test_another_methods_run_leaves_nothing_of_the_first(first, second, old, short_run, tmp_path):
    settings = {**SHORT, "freeze_trainable_layers": 1}
    train(short_run("out", method=first, **settings))
    if old and first != "freeze":  # a run from before there was a manifest
        (tmp_path / "out" / folder.MANIFEST).unlink()
    elif old:
        return
    train(short_run("out", method=second, **settings, overwrite=True))
    train(short_run("fresh", method=second, **settings))
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("out", "fresh")]
    assert set(names[0]) - {"README.md"} == set(names[1]) - {"README.md"}


def test_weights_put_into_a_run_later_are_not_written_over(short_run, tmp_path):
    train(short_run("out", **SHORT))
    (tmp_path / "out" / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"model\.safetensors"):
        train(short_run("out", **SHORT, method="full", overwrite=True))
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize("dry", [False, True])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_read(dry, short_run, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr("cornucopia.training.run.loop.prepare", lambda *_, **__: pytest.fail("data was read"))
    for name in ("file", "file/inside/deep"):
        with pytest.raises(ConfigError, match="写不进去"):
            train(short_run(name, dry_run=dry))


def test_a_second_training_in_the_folder_is_refused_and_a_dead_one_holds_nothing(short_run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    code = (
        "import sys, time; from pathlib import Path; from cornucopia.training.run import output\n"
        "claim = output.lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match="另一个训练正在写"):
            train(short_run("out", **SHORT))
        assert list(contents(out)) == [".lock"]
    finally:
        holder.kill()
        holder.wait()
    assert train(short_run("out", **SHORT))["finished"]


FULL = [
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    RuntimeError("[enforce fail at inline_container.cc:820] . PytorchStreamWriter failed writing file data/0"),
    RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 28681600 vs 28681488"),
    OSError(errno.ENOSPC, "No space left on device"),
    SafetensorError("Error while serializing: I/O error: File too large (os error 27)"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
]


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_a_full_disk_is_told_and_the_run_goes_on_from_the_last_whole_checkpoint(
    error, short_run, tmp_path, monkeypatch
):
    plain, calls = Lora.save, []

    def save(self, model, place):
        plain(self, model, place)
        calls.append(1)
        if len(calls) == 2:
            (place / "adapter_model.safetensors").write_bytes(b"half")
            raise error

    out = tmp_path / "out"
    monkeypatch.setattr(Lora, "save", save)
    with pytest.raises(CornucopiaError, match=r"(?s)磁盘满了.*checkpoint-2"):
        train(short_run("out", batch_size=4, max_steps=6))
    assert ck.last_complete(out) == out / "checkpoint-2" and not (out / "checkpoint-4").exists()
    assert not [name for name in contents(out) if ".tmp" in name or ".saving" in name]
    assert train(short_run("out", batch_size=4, max_steps=6, resume=True))["steps"] == 6


@pytest.mark.parametrize("write", [write_text, write_json])
def test_what_cannot_be_written_whole_leaves_no_hidden_file(write, tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text("old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError):
        write(tmp_path / "a.json", "new")
    assert contents(tmp_path) == {"a.json": b"old"}


def test_the_plan_refuses_a_disk_that_cannot_hold_the_result(short_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(folder, "room", lambda _: 1000)
    with pytest.raises(ConfigError, match="磁盘"):
        train(short_run("out", **SHORT))
    assert not (tmp_path / "out").exists()
    assert train(short_run("out", **SHORT, dry_run=True))["dry_run"]
    assert "磁盘" in capsys.readouterr().out


def test_a_run_moved_elsewhere_is_still_known(short_run, tmp_path):
    train(short_run("out", **SHORT))
    shutil.move(tmp_path / "out", tmp_path / "moved")
    assert folder.others(tmp_path / "moved") == []
