"""Killed at random moments and run again, a recipe leaves the files of an uninterrupted run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil

from factory_stages import TEST_STAGES

SCRIPT = """
import sys
from cornucopia.factory.run import build
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.tables import STAGES
import json
if __name__ == "__main__":
    STAGES.update(json.loads(sys.argv[1]))
    build(DataRecipe.build(json.loads(sys.argv[2])))
"""


def begin(tmp_path, out):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    steps = [{"bad": {"word": "没有", "seconds": 0.05}}, {"trim": {"longest": 20}}, "once", "ask_model", "part"]
    source = {"kind": "records", "path": str(tmp_path / "qa.jsonl"), "name": "qa"}
    recipe = {
        "output_dir": str(tmp_path / out),
        "sources": [source],
        "steps": steps,
        "workers": 2,
        "shard_kb": 1,
    }
    words = [sys.executable, str(script), json.dumps(TEST_STAGES), json.dumps(recipe)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(words, env=env, stderr=subprocess.DEVNULL, start_new_session=True)


def files(folder):
    names = ("train.jsonl", "valid.jsonl", "dropped.jsonl", "rejects.jsonl", "manifest.json", "report_data.json")
    return {name: (folder / name).read_bytes() for name in names}


def progress(folder):
    return len(list(folder.glob("work/pass-*/*.json")))


def test_killed_and_run_again(tmp_path):
    rows = [{"instruction": f"第{n % 130}个问题怎么办？", "output": "先看合同。" * (n % 5 + 1)} for n in range(150)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines[70] = "{broken"
    (tmp_path / "qa.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert begin(tmp_path, "whole").wait(120) == 0
    total, chance, hits = progress(tmp_path / "whole"), random.Random(3), 0
    for share in (0.1, 0.35, 0.6, 0.9):
        run = begin(tmp_path, "cut")
        goal = int(total * share)
        while run.poll() is None and progress(tmp_path / "cut") < goal:
            time.sleep(0.01)
        time.sleep(chance.random() * 0.05)
        before = progress(tmp_path / "cut")
        workers = [] if run.poll() is not None else psutil.Process(run.pid).children(recursive=True)
        run.kill()
        hits += run.wait() == -signal.SIGKILL
        assert not psutil.wait_procs(workers, timeout=30)[1], "workers must end with the run they work for"
        assert progress(tmp_path / "cut") >= before
    assert hits >= 3 and begin(tmp_path, "cut").wait(120) == 0
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    paid = (tmp_path / "cut" / "work" / "step-ask_model" / "paid.txt").read_text().split()
    assert len(paid) == len(set(paid)) == json.loads(files(tmp_path / "cut")["manifest.json"])["stages"][3]["in"]
