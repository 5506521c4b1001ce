"""`cornucopia compare` from the command line, with real engines: a tiny model, its adapter, a local endpoint."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cornucopia.cli.compare import run
from cornucopia.cli.main import main
from cornucopia.comparison.run import open_contestants
from cornucopia.inference import pace
from servers import chat_server
from tiny_models import make_adapter, make_model

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-secret-1234567890"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory) -> Path:
    return make_adapter(tiny, tmp_path_factory.mktemp("adapter") / "lora")


@pytest.fixture
def questions(tmp_path) -> Path:
    rows = [
        {"instruction": f"第{n}问" + "问" * (n % 5), "input": "料" * (n % 2), "output": "答案" * (n % 3 + 1)}
        for n in range(8)
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()]


def column(folder: Path, name: str) -> list[str]:
    return [row["answer"] for row in rows_of(folder) if row["contestant"] == name]


def test_base_adapter_and_endpoint_side_by_side(tiny, adapter, questions, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MY_KEY", KEY)
    recipe, out = tmp_path / "r.yaml", tmp_path / "out"
    with chat_server(key=KEY) as server:
        recipe.write_text(f"""
questions: {questions}
output_dir: {out}
max_new_tokens: 12
contestants:
  - {{name: 基座, base: {tiny}}}
  - {{name: 调优, base: {tiny}, adapter: {adapter}}}
  - {{name: 接口, endpoint: {server.url}, model: m, key_env: MY_KEY}}
""", encoding="utf-8")  # fmt: skip
        assert run([str(recipe), "--allow-key", "MY_KEY=127.0.0.1"]) == 0
    assert column(out, "接口")[1] == "答：第1问问\n\n材料：\n料" and len(server.requests) == 8
    assert column(out, "基座") != column(out, "调优")
    assert all(row["golden_nll"] > 0 for row in rows_of(out) if row["contestant"] != "接口")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "max_new_tokens" in page and "基座" in capsys.readouterr().out
    for path in out.iterdir():
        assert KEY not in path.read_text(encoding="utf-8")
    # The base's own column is what the base answers when no adapter was ever loaded.
    alone = ["--questions", str(questions), "--max-new-tokens", "12"]
    assert run([*alone, "--output-dir", str(tmp_path / "b"), "--contestant", f"基座={tiny}"]) == 0
    assert column(tmp_path / "b", "基座") == column(out, "基座")


def test_one_base_is_loaded_once_with_a_template_for_each(tiny, adapter, questions, tmp_path, monkeypatch):
    from cornucopia.inference import local_engines

    calls = []
    monkeypatch.setattr(
        local_engines,
        "open_local",
        lambda *a, _real=local_engines.open_local, **k: calls.append(a) or _real(*a, **k),
    )
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"""
questions: {questions}
output_dir: {tmp_path / "out"}
max_new_tokens: 4
contestants:
  - {{name: 原, base: {tiny}, template: ori_template}}
  - {{name: 金, base: {tiny}, template: fin_template}}
  - {{name: 调优, base: {tiny}, adapter: {adapter}}}
""", encoding="utf-8")  # fmt: skip
    assert run([str(recipe)]) == 0 and len(calls) == 1
    prompts = {row["contestant"]: row["prompt_tokens"] for row in rows_of(tmp_path / "out")}
    assert prompts["原"] != prompts["金"]


def test_a_wrong_adapter_and_a_dead_endpoint_fail_alone(tiny, questions, tmp_path, monkeypatch):
    monkeypatch.setattr(pace, "FIRST_WAIT", 0.01)
    out, broken = tmp_path / "out", tmp_path / "broken"
    broken.mkdir()
    argv = ["--questions", str(questions), "--output-dir", str(out), "--max-new-tokens", "4",
            "--contestant", f"好={tiny}",
            "--contestant", f"坏={tiny}+{broken}", "--contestant", "没有=不存在的模型",
            "--contestant", "断=http://127.0.0.1:9/v1#m"]  # fmt: skip
    assert run(argv) == 1
    errors = {row["contestant"]: row["error"] for row in rows_of(out)}
    assert (
        not errors["好"]
        and "适配器" in errors["坏"]
        and "本地没有这个模型" in errors["没有"]
        and "连不上接口" in errors["断"]
    )


def test_all_failed_is_exit_1(questions, tmp_path):
    argv = ["--questions", str(questions), "--output-dir", str(tmp_path / "o"), "--contestant", "没有=不存在的模型"]
    assert run(argv) == 1


@pytest.mark.parametrize(("argv", "code", "text"), [
    (["compare", "--questions", "q.json"], 2, "没有选手"), (["compare", "--contestant", "a=nano"], 2, "questions"),
    (["compare", "--questions", "没有.json", "--contestant", "a=nano"], 1, "没有.json"),
    (["compare", "没有.yaml"], 1, "没有.yaml"),
    (["compare", "--contestent", "a"], 2, "--contestant"),
])  # fmt: skip
def test_mistakes_are_answered_in_chinese(argv, code, text, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == code
    assert text in capsys.readouterr().err and not (tmp_path / "runs").exists()


def test_the_recipe_that_ships_opens():
    from cornucopia.comparison.recipe import CompareRecipe, check

    recipe = check(CompareRecipe.load(ROOT / "recipes" / "compare.yaml"))
    assert len(recipe.contestants) >= 2 and open_contestants


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to a child")
def test_ctrl_c_does_not_wait_for_a_server_that_hangs(questions, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with chat_server(script=[None, "hang", "hang", "hang", "hang"]) as server:
        words = ["--questions", questions, "--output-dir", tmp_path / "o", "--contestant", f"甲={server.url}#m"]
        command = [sys.executable, "-m", "cornucopia", "compare", *words]
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, encoding="utf-8")
        while len(server.requests) < 5:
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        error = process.communicate(timeout=20)[1]
    assert process.returncode == 130 and "已存 1/8 格" in error and time.monotonic() - begun < 3
    assert "Traceback" not in error and len(rows_of(tmp_path / "o")) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_comparisons_resume_to_the_same_cells(tiny, adapter, questions):
    words = [
        "--base",
        str(tiny),
        "--adapter",
        str(adapter),
        "--data",
        str(questions),
        "--kills",
        "2",
        "--max-new-tokens",
        "24",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    script = [
        sys.executable,
        str(ROOT / "benchmarks" / "kill_compare.py"),
        "--fork",
        "--batch-tokens",
        "300",
        "--max-new-tokens",
        "24",
        *words,
    ]
    trial = subprocess.run(script, env=environment, capture_output=True, encoding="utf-8", timeout=120)
    assert trial.returncode == 0, trial.stdout + trial.stderr
    assert "kills, 16 cells, identical" in trial.stdout


def test_a_recipe_cannot_send_a_variable_by_itself(questions, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BANK_SECRET", KEY)
    recipe = tmp_path / "r.yaml"
    with chat_server() as server:
        text = f"questions: {questions}\noutput_dir: {tmp_path / 'out'}\ncontestants:\n"
        text += f"  - {{name: 甲, endpoint: '{server.url}', model: m, key_env: BANK_SECRET}}\n"
        recipe.write_text(text, encoding="utf-8")
        assert main(["compare", str(recipe)]) == 1
        assert "--allow-key BANK_SECRET=" in capsys.readouterr().err and not server.requests
        recipe.write_text(text + "allow_key: ['BANK_SECRET=127.0.0.1']\n", encoding="utf-8")
        assert main(["compare", str(recipe)]) == 1
        assert "命令行" in capsys.readouterr().err and not server.requests
        recipe.write_text(text, encoding="utf-8")
        assert main(["compare", str(recipe), "--allow-key", "BANK_SECRET=127.0.0.1"]) == 0
        assert set(server.keys) == {f"Bearer {KEY}"}


def test_a_comparison_of_endpoints_alone_writes_its_settings(questions, tmp_path):
    with chat_server() as server:
        words = ["--questions", str(questions), "--output-dir", str(tmp_path / "o")]
        assert main(["compare", *words, "--contestant", f"甲={server.url}#m", "--temperature", "0.5"]) == 0
    (settings,) = json.loads((tmp_path / "o" / "settings.json").read_text(encoding="utf-8")).values()
    assert (settings["model"], settings["sampling"]["temperature"]) == ("m", 0.5)


def test_paths_of_a_recipe_are_also_looked_for_beside_it(tiny, adapter, questions, tmp_path, monkeypatch):
    away = tmp_path / "away"
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "lora").symlink_to(adapter)
    (tmp_path / "kit" / "q.jsonl").write_bytes(questions.read_bytes())
    recipe = tmp_path / "kit" / "r.yaml"
    recipe.write_text(
        f"questions: q.jsonl\noutput_dir: {tmp_path / 'o'}\nmax_new_tokens: 4\nlimit: 2\n"
        f"contestants:\n  - {{name: 甲, base: {tiny}, adapter: lora}}\n", encoding="utf-8",
    )  # fmt: skip
    away.mkdir()
    monkeypatch.chdir(away)
    assert main(["compare", str(recipe)]) == 0
    assert not any(row["error"] for row in rows_of(tmp_path / "o"))
