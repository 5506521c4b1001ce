from __future__ import annotations

import json
import os

import filelock
import pytest

from cornucopia.serving.board.runs import Runs

RECIPE = "base: nano\nmax_steps: 40\nval_set_size: 4\ndata_path: [数据.json]\n"
LOG = "".join(json.dumps({"step": n, "loss": 3.0 / n, "eval_loss": 4.0 / n}) + "\n" for n in (10, 20))


def make(home, name, **files):
    folder = home / name
    folder.mkdir(parents=True)
    (folder / "identity.json").write_text("{}", encoding="utf-8")
    for at, (file, text) in enumerate(files.items()):
        path = folder / {"log": "log.jsonl", "recipe": "recipe.yaml", "result": "train_result.json"}[file]
        path.write_text(text, encoding="utf-8")
        os.utime(path, (1000 + at, 1000 + at))
    return folder


def state(home, name):
    runs = Runs(home)
    return runs.read(name, runs.folders()[name]).told()


@pytest.mark.parametrize(
    ("result", "wanted", "resumable"),
    [
        ('{"finished": true, "steps": 40, "seconds": 9}', "done", False),
        ('{"finished": false, "steps": 20}', "stopped", True),
        ('{"finished": false, "diverged_at": 21}', "diverged", False),
        (None, "died", True),
        ("[1", "died", True),
    ],
)
def test_the_state_is_what_the_folder_says(tmp_path, result, wanted, resumable):
    make(tmp_path, "甲/adapter", log=LOG, recipe=RECIPE, **({} if result is None else {"result": result}))
    run = state(tmp_path, "甲/adapter")
    assert (run["state"], run["resumable"]) == (wanted, resumable)
    assert (run["step"], run["steps"], run["loss"], run["eval_best"]) == (20 if wanted != "done" else 40, 40, 0.15, 0.2)
    assert run["validates"] and run["data"] == ["数据.json"] and run["seconds_left"] is None


def test_a_run_that_went_on_after_it_was_stopped_and_was_killed_has_died(tmp_path):
    make(tmp_path, "a", result='{"finished": false, "steps": 10}', recipe=RECIPE, log=LOG)
    assert state(tmp_path, "a")["state"] == "died"


def test_a_run_of_a_terminal_is_on_while_it_holds_its_folder(tmp_path):
    folder = make(tmp_path, "a", recipe=RECIPE)
    with filelock.FileLock(folder / ".lock", is_singleton=False):
        assert state(tmp_path, "a")["state"] == "preparing"
        (folder / "log.jsonl").write_text(LOG, encoding="utf-8")
        assert state(tmp_path, "a")["state"] == "running"
    assert state(tmp_path, "a")["state"] == "died"


def test_the_trainers_own_count_of_steps_wins(tmp_path):
    folder = make(tmp_path, "a", log=LOG, recipe=RECIPE)
    (folder / "checkpoint-20").mkdir()
    (folder / "checkpoint-20" / "trainer_state.json").write_text('{"max_steps": 36}', encoding="utf-8")
    assert state(tmp_path, "a")["steps"] == 36


def test_checkpoints_hidden_folders_and_links_are_no_runs(tmp_path):
    make(tmp_path, "a/checkpoint-5")
    make(tmp_path, ".hidden")
    make(tmp_path / "elsewhere", "b")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    assert Runs(tmp_path / "runs").folders() == {} and set(Runs(tmp_path).folders()) == {"elsewhere/b"}
    assert Runs(tmp_path / "absent").folders() == {}


@pytest.mark.parametrize("name", ["log.jsonl", "recipe.yaml", "train_result.json", "checkpoint-3", "identity.json"])
@pytest.mark.parametrize("spoilt", [b"", b"\xff\x00", b"[" * 9000, b'{"step": "x", "finished": 7, "steps": []}', None])
def test_a_broken_folder_is_told_and_never_raises(tmp_path, name, spoilt):
    folder = make(tmp_path, "a", log=LOG, recipe=RECIPE)
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir() if spoilt is None else (folder / name).write_bytes(spoilt)
    assert json.dumps(state(tmp_path, "a"), allow_nan=False)
