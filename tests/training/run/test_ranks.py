"""Two processes of one run (torchrun, gloo): the losses and weights of one process, one folder written once.

All runs of two processes are made in one start of them, as importing PyTorch takes longer than these runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import read_jsonl, write_jsonl
from cornucopia.inference.rollouts import Rollouts
from cornucopia.training.data.batches import EpochSampler, Filled
from cornucopia.training.data.store import TokenStore
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import planner
from cornucopia.training.run.loop import train
from cornucopia.training.run.save import as_yaml

ROOT = Path(__file__).resolve().parents[3]
SRC = str(ROOT / "src")
needs_ranks = pytest.mark.skipif(not torch.distributed.is_available(), reason="needs torch.distributed")
KINDS = {
    "lora": {"group_by_length": True, "lora_r": 4},
    "full": {"method": "full"},
    "freeze": {"method": "freeze", "freeze_trainable_layers": 1, "packing": False},
    "prefix": {"method": "prefix", "pre_seq_len": 4},
    "dpo": {"objective": "dpo"},
    "kto": {"objective": "kto"},
    "several": {"data_weights": [0.5, 0.5], "best_metric": "twice_loss"},  # and calculations answered on the way
}
SHARED_OUT = ("lora", "full", "dpo", "prefix")
RANKS = """
import os, signal, sys
from cornucopia.cli.main import main
from cornucopia.training.run.callbacks import LogCallback
def die(self, args, state, control, **_):
    if state.global_step == 3 and os.environ["RANK"] == "1" and args.output_dir.endswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
LogCallback.on_step_end = die
sys.exit(max([main(["train", path]) for path in sys.argv[1:]]))
"""


def torchrun(folder, recipes):
    """The recipes in two processes, one after another; returns the finished command."""
    script = folder / "ranks.py"
    script.write_text(RANKS, encoding="utf-8")
    paths = []
    for number, recipe in enumerate(recipes):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(as_yaml(recipe), encoding="utf-8")
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script), *map(str, paths)]
    path = os.pathsep.join([SRC, os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, encoding="utf-8", timeout=400, env=environment, check=False
    )


def cut(folder, step=2):
    """A finished run as if it had been killed after that step's checkpoint."""
    (folder / "train_result.json").unlink()
    for checkpoint in folder.glob("checkpoint-*"):
        if int(checkpoint.name.removeprefix("checkpoint-")) > step:
            shutil.rmtree(checkpoint)


@pytest.fixture(scope="module")
def runs(small, questions, tmp_path_factory):
    """Every kind in one process ("one"), in two ("ddp", "fsdp2"), begun in one and ended in two ("on"); and in two a
    run that is refused ("mine") and one that loses a process ("killed").

    Updates of 8 of 21 documents, so that the last of an epoch is short and leaves one process with less.
    """
    home = tmp_path_factory.mktemp("ranks")
    pairs = [
        {"prompt": row["instruction"] + row["input"], "chosen": row["output"], "rejected": row["output"][::-1]}
        for row in read_jsonl(questions)
    ]
    write_jsonl(home / "pairs.jsonl", pairs)
    write_jsonl(home / "twice.jsonl", read_jsonl(questions))
    loan = {"principal": 100000, "rate": "4.2%", "months": 120}
    write_jsonl(home / "ask.jsonl", [{"instruction": "算", "calculator": "equal_payment", "inputs": loan}] * 3)

    def make(kind, way, **more):
        data = home / "pairs.jsonl" if kind in ("dpo", "kto") else questions
        values = {
            "base_model": str(small), "data_path": [str(data)], "output_dir": str(home / f"{kind}-{way}"),
            "dtype": "float32", "device": "cpu", "save_steps": 2, "eval_steps": 2, "logging_steps": 1, "report_to": [],
            "batch_size": 8, "micro_batch_size": 2, "num_epochs": 2, "max_steps": 3, "lora_dropout": 0.0,
            "val_set_size": 3, "learning_rate": 1e-3, "cache": False,
        }  # fmt: skip
        if kind == "several":
            values |= {"data_path": [str(questions), str(home / "twice.jsonl")], "val_set_size": 0.25}
            values |= {"eval_generate": str(home / "ask.jsonl"), "eval_generate_tokens": 3}
        return TrainRecipe.build(values | KINDS[kind] | more)

    for kind in KINDS:
        train(make(kind, "one"), Rollouts)
    recipes = [make(kind, "ddp") for kind in KINDS] + [make(kind, "fsdp2", shard="fsdp2") for kind in SHARED_OUT]
    for kind, way in (("lora", "none"), ("full", "fsdp2")):
        shutil.copytree(home / f"{kind}-one", home / f"{kind}-on")
        cut(home / f"{kind}-on")
        recipes.append(make(kind, "on", shard=way, resume=True))
    small_one = make("full", "recipe", max_steps=1).model_dump(exclude={"shard", "method", "gradient_checkpointing"})
    recipes.append(TrainRecipe.load(ROOT / "recipes" / "full-7b-fsdp2.yaml", small_one))
    (home / "lora-mine").mkdir()
    (home / "lora-mine" / "notes.txt").write_text("mine")
    done = torchrun(home, [*recipes, make("lora", "mine"), make("lora", "killed")])
    return home, make, done


def rows(folder):
    kept = ("step", "loss", "grad_norm", "learning_rate")
    log = list(read_jsonl(folder / "log.jsonl"))
    return [{key: row[key] for key in row if key in kept or key.startswith("eval_")} for row in log]


def weights(folder):
    return load_file(next(folder.glob("*.safetensors")))


def check_same(one, two):
    """The same curve, the same weights, the same files."""
    for first, second in zip(rows(one), rows(two), strict=True):
        assert second == pytest.approx(first, rel=1e-4)
    whole, shared = weights(one), weights(two)
    assert whole.keys() == shared.keys()
    assert all(torch.allclose(whole[name], shared[name], atol=2e-5) for name in whole)
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in two.iterdir())


@needs_ranks
@pytest.mark.parametrize(("kind", "way"), [(kind, "ddp") for kind in KINDS] + [(kind, "fsdp2") for kind in SHARED_OUT])
def test_two_processes_train_what_one_trains(kind, way, runs):
    home, _, done = runs
    assert (home / f"{kind}-{way}" / "train_result.json").is_file(), done.stderr[-3000:]
    check_same(home / f"{kind}-one", home / f"{kind}-{way}")


@needs_ranks
@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_run_of_one_process_ends_in_two(kind, runs):
    home, _, done = runs
    assert (home / f"{kind}-on" / "train_result.json").is_file(), done.stderr[-3000:]
    check_same(home / f"{kind}-one", home / f"{kind}-on")


@needs_ranks
@pytest.mark.parametrize(("kind", "way"), [("lora", "ddp"), ("full", "fsdp2"), ("dpo", "fsdp2")])
def test_a_run_of_two_processes_ends_in_one(kind, way, runs, tmp_path):
    home, make, _ = runs
    folder = shutil.copytree(home / f"{kind}-{way}", tmp_path / "copy")
    cut(folder)
    train(make(kind, way, resume=True, output_dir=str(folder)))
    check_same(home / f"{kind}-one", folder)


@needs_ranks
def test_the_first_process_alone_speaks_and_the_fast_step_is_on(runs):
    _, _, done = runs
    finished = len(KINDS) + len(SHARED_OUT) + 3
    plans = finished + 1  # the killed run has a plan too
    assert done.stderr.count("训练完成") == finished and done.stdout.count("内存估计") == plans
    assert done.stderr.count("LoRA 与冻结权重合并计算") >= 5


@needs_ranks
def test_the_recipe_of_fsdp2_trains(runs):
    home, _, done = runs
    assert (home / "full-recipe" / "model.safetensors").is_file(), done.stderr[-3000:]


@needs_ranks
def test_what_the_first_process_refuses_ends_all_of_them(runs):
    home, _, done = runs
    assert done.returncode == 1 and "notes.txt" in done.stderr
    assert [path.name for path in (home / "lora-mine").iterdir()] == ["notes.txt"]


@needs_ranks
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_process_ends_all_and_the_run_goes_on(runs, tmp_path):
    home, make, done = runs
    assert "另一个进程没了" in done.stderr and "--resume" in done.stderr
    assert "[rank0]" not in done.stderr and "loop.py" not in done.stderr  # torchrun's own traceback is its own
    folder = shutil.copytree(home / "lora-killed", tmp_path / "copy")
    train(make("lora", "killed", resume=True, output_dir=str(folder)))
    check_same(home / "lora-one", folder)


def test_it_trains_off_the_main_thread(short_run):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(short_run("out", max_steps=2, batch_size=4))))
    thread.start()
    thread.join()
    assert results and results[0]["finished"]


def store_of(lengths):
    from cornucopia.tokens.render import Example

    return TokenStore.of([Example([n] * size, [-100, *[n] * (size - 1)]) for n, size in enumerate(lengths)])


@pytest.mark.parametrize(("count", "together"), [(21, 4), (20, 4), (3, 8), (1, 2)])
def test_what_fills_up_is_trained_nowhere_and_every_example_comes_once(count, together):
    store = Filled(store_of([3] * count))
    order = list(EpochSampler(store.lengths, 7, 8, multiple_of=together))
    assert len(order) % together == 0 and sorted(order)[:count] == list(range(count))
    assert order[:count] == list(EpochSampler(store.lengths, 7, 8))
    assert sum(store[index].supervised for index in order) == 2 * count


def test_passes_have_about_equally_many_tokens_and_updates_the_same_documents():
    lengths = [2 + (37 * n) % 200 for n in range(70)]
    plain = list(EpochSampler(lengths, 7, 16))
    shared = list(EpochSampler(lengths, 7, 16, micro=4))
    for start in range(0, 64, 16):
        update = shared[start : start + 16]
        assert sorted(update) == sorted(plain[start : start + 16])
        sums = [sum(lengths[n] for n in update[place : place + 4]) for place in range(0, 16, 4)]
        assert max(sums) - min(sums) <= max(lengths[n] for n in update) / 2
    assert shared[64:] == plain[64:]


def test_an_update_that_cannot_be_shared_out_is_refused(short_run, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="分不匀"):
        planner.divided(short_run("out", batch_size=5))
    assert planner.divided(short_run("out", batch_size=12)).micro == 6
    assert planner.divided(short_run("out", batch_size=12, micro_batch_size=4)).micro == 3


def test_settings_that_do_not_go_with_sharing_out_are_refused(short_run):
    with pytest.raises(ConfigError, match="量化"):
        short_run("out", shard="fsdp2", bits=8)
    with pytest.raises(ConfigError, match="shard_offload"):
        short_run("out", shard_offload=True)
