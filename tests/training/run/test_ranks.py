"""Two processes of one run (torchrun, gloo): the losses and weights of one process, one folder written once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.training.data.batches import EpochSampler, Filled
from cornucopia.training.data.store import TokenStore
from cornucopia.training.run import planner
from cornucopia.training.run.loop import train

WEIGHTS = "adapter_model.safetensors"
SRC = str(Path(__file__).resolve().parents[3] / "src")


def torchrun(recipe, tmp_path, processes=2):
    """`cornucopia train` in so many processes; returns the finished command."""
    from cornucopia.training.run.save import as_yaml

    path = tmp_path / "recipe.yaml"
    path.write_text(as_yaml(recipe), encoding="utf-8")
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m", "cornucopia"]
    paths = os.pathsep.join([SRC, os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *words, "train", str(path)],
        capture_output=True, encoding="utf-8", timeout=240, env=environment, check=False,
    )  # fmt: skip


def rows(folder):
    kept = ("step", "loss", "eval_loss", "grad_norm", "learning_rate")
    return [{key: row[key] for key in kept if key in row} for row in read_jsonl(folder / "log.jsonl")]


@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
@pytest.mark.parametrize("packing", [True, False])
def test_two_processes_train_what_one_trains(packing, short_run, tmp_path):
    """Updates of 8 of 21 documents, so that the last of an epoch is short and leaves one process with nothing."""
    settings = {
        "num_epochs": 2, "batch_size": 8, "lora_dropout": 0.0, "val_set_size": 3, "eval_steps": 2, "packing": packing,
        "learning_rate": 1e-3, "group_by_length": True,
    }  # fmt: skip
    train(short_run("one", **settings, micro_batch_size=2))
    done = torchrun(short_run("two", **settings, micro_batch_size=2), tmp_path)
    assert done.returncode == 0, done.stderr
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for first, second in zip(one, two, strict=True):
        assert second == pytest.approx(first, rel=1e-4)
    whole, shared = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    assert all(torch.allclose(whole[name], shared[name], atol=2e-5) for name in whole)
    names = [sorted(path.name for path in (tmp_path / name).iterdir()) for name in ("one", "two")]
    assert names[0] == names[1]
    assert done.stderr.count("训练完成") == 1 and done.stdout.count("内存估计") == 1


@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
def test_what_the_first_process_refuses_ends_all_of_them(short_run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    done = torchrun(short_run("out", max_steps=1, batch_size=4), tmp_path)
    assert done.returncode != 0 and "notes.txt" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_it_trains_off_the_main_thread(short_run):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(short_run("out", max_steps=2, batch_size=4))))
    thread.start()
    thread.join()
    assert results and results[0]["finished"]


@pytest.mark.parametrize(("count", "together"), [(21, 4), (20, 4), (3, 8), (1, 2)])
def test_what_fills_up_is_trained_nowhere_and_every_example_comes_once(count, together):
    from cornucopia.tokens.render import Example

    store = Filled(TokenStore.of([Example([n, n + 1, n + 2], [-100, n + 1, n + 2]) for n in range(count)]))
    order = list(EpochSampler(store.lengths, 7, 8, multiple_of=together))
    assert len(order) % together == 0 and sorted(order)[:count] == list(range(count))
    assert order[:count] == list(EpochSampler(store.lengths, 7, 8))
    assert sum(store[index].supervised for index in order) == 2 * count


def test_an_update_that_cannot_be_shared_out_is_refused(short_run, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="分不匀"):
        planner.divided(short_run("out", batch_size=5))
    assert planner.divided(short_run("out", batch_size=12)).micro == 6
    assert planner.divided(short_run("out", batch_size=12, micro_batch_size=4)).micro == 3
