"""A real run on the bundled model: started, stopped, gone on with after a restart of the server."""

from __future__ import annotations

import os
import signal
import sys
import time

import psutil
import pytest

from cornucopia.serving.board import starting
from running_server import running

VALUES = {
    "max_steps": 12, "batch_size": 2, "logging_steps": 1, "save_steps": 4, "eval_steps": 4, "learning_rate": 0.002,
    "val_set_size": 4, "compile": "off", "attention": "sdpa", "template": "fin_template", "lora_r": 4, "cache": False,
}  # fmt: skip


def wait(board, run, true, seconds=240):
    """The run, once something holds of it."""
    end = time.monotonic() + seconds
    while not true(seen := board.run(run)):
        assert time.monotonic() < end, seen
        time.sleep(0.3)
    return seen


def ended(run):
    return not run["alive"]


def test_a_run_from_the_form_to_its_end(board, rows):
    data = board.upload("问答.jsonl", rows).json()["id"]
    body = {"values": VALUES, "data": [data], "base": "nano", "label": "第一次"}
    run = board.post("start", body).json()["run"]
    seen = board.run(run)
    assert seen["alive"] and seen["label"] == "第一次" and seen["data"] == ["问答.jsonl"] and seen["steps"] == 12
    busy = board.post("start", body)
    assert busy.status_code == 409 and busy.json()["error"]["code"] == "busy" and "第一次" in busy.text
    assert board.post("remove", {"id": data}).status_code == 409
    assert board.post("resume", {"run": run}).status_code == 409

    wait(board, run, lambda run: run["step"] >= 4)
    assert board.post("stop", {"run": run}).status_code == 200
    assert board.run(run)["state"] in ("stopping", "stopped")
    stopped = wait(board, run, ended)
    assert stopped["state"] == "stopped" and stopped["resumable"] and stopped["eval_loss"] and stopped["step"] < 12

    with running(
        model=["nano"], state=str(board.state), runs=str(board.runs)
    ) as second:  # another server finds it again
        again = second.http.get("/page/api/board/run", params={"name": run}).json()
        assert again["step"] == stopped["step"] and again["resumable"]
        assert second.post("/page/api/board/resume", {"run": run}).json() == {"run": run}
        assert board.run(run)["alive"] and board.run(run)["stoppable"]  # which the first has not started
    done = wait(board, run, ended)  # though the server that has started it is gone
    assert done["state"] == "done" and done["step"] == 12 and done["loss"] < stopped["loss"]
    assert done["curves"]["loss"][0] == list(range(1, 13)) and done["curves"]["eval_loss"][0] == [4, 8, 12]
    assert "max_steps: 12" in done["recipe"] and any("训练完成" in line for line in done["said"]["lines"])
    assert "runs/" + run in board.get("form").json()["adapters"]
    filled = board.get("recipe", run=run).json()
    assert filled["data"] == [data] and filled["values"]["learning_rate"] == 0.002 and filled["missing"] == []


@pytest.fixture
def says(monkeypatch):
    """Lets a program of this text stand for `cornucopia train`."""

    def stand_in(program):
        monkeypatch.setattr(starting, "_command", lambda words: [sys.executable, "-c", program, *words])

    return stand_in


def test_a_run_that_cannot_begin_tells_why_and_calls_the_file_as_people_do(board, says):
    says("import sys, yaml; data = yaml.safe_load(open(sys.argv[1]))['data_path'][0]\n"
         "print('错误：没有数据\\n  位置：' + data)")  # fmt: skip
    data = board.upload("x.jsonl", b'{"instruction": "a"}\n').json()["id"]
    run = board.post("start", {"values": VALUES, "data": [data], "base": "nano", "together": True}).json()["run"]
    failed = wait(board, run, ended)
    assert failed["state"] == "died" and failed["error"] == "没有数据\n  位置：x.jsonl" and failed["resumable"]
    assert board.get("recipe", run=run).json()["values"]["lora_r"] == 4  # so that it can be begun anew


def test_a_plan_is_laid_out_as_tables_and_lines(board, says):
    says("from cornucopia.core.console import say, show_table\n"
         "show_table('数据', ['项', '值'], [('条数', '8 / 2'), ('名', '长' * 80)])\n"
         "show_table('内存估计', ['项', 'GiB'], [('合计', '0.75'), ('可用', '18.65')])\n"
         "say('注意：看一下')")  # fmt: skip
    body = {"values": {"lora_r": 4}, "data": ["instruction_data/fin_data.json"], "base": "nano"}
    plan = board.post("plan", body).json()
    assert plan["tables"]["数据"] == [["条数", "8 / 2"], ["名", "长" * 80]]
    assert plan["tables"]["内存估计"] == [["合计", "0.75"], ["可用", "18.65"]]
    assert plan["lines"] == ["注意：看一下"] and "--lora-r 4" in plan["command"]
    says("import sys; print('错误：太大', file=sys.stderr); sys.exit(1)")
    refused = board.post("plan", body)
    assert refused.status_code == 400 and refused.json()["error"]["message"] == "太大"


def test_no_run_sees_the_servers_keys(board, says, monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_SERVE_KEYS", "a-key-that-is-long-enough")
    says("import os; print('keys', os.environ.get('CORNUCOPIA_SERVE_KEYS'))")
    body = {"values": {}, "data": ["instruction_data/fin_data.json"], "base": "nano"}
    assert board.post("plan", body).json()["lines"] == ["keys None"]


def test_a_process_that_was_given_a_dead_runs_number_is_not_it(board):
    """Ids of processes are given again: a record alone is not believed."""
    folder = board.state / "board" / "runs" / "old"
    folder.mkdir(parents=True)
    record = (
        '{"id": "old", "run": "board/old", "label": "", "command": "", "began": 1.0, "pid": %d, "asked_to_stop": 0}'
    )
    (folder / "start.json").write_text(record % os.getpid(), encoding="utf-8")
    assert not board.run("board/old")["alive"]
    assert board.post("stop", {"run": "board/old"}).status_code == 409
    assert psutil.pid_exists(os.getpid()) and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
