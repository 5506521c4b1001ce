"""`cornucopia models` as a user types it, against a hub on 127.0.0.1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cornucopia.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "config.json": b'{"architectures": ["LlamaForCausalLM"]}',
    "tokenizer.model": b"t" * 1500,
    "model.safetensors": b"s" * 5000,
}


@pytest.fixture
def server(fake_hub, monkeypatch, tmp_path):
    fake_hub.repos["huggyllama/llama-7b"] = dict(FILES)
    monkeypatch.setenv("CORNUCOPIA_HOME", str(tmp_path))
    return fake_hub


def test_gone_repository_is_replaced_by_the_living_one(server, tmp_path, capsys):
    assert main(["models", "pull", "decapoda-research/llama-7b-hf"]) == 0
    out, err = capsys.readouterr()
    folder = tmp_path / "base_models" / "llama-7b-hf"
    assert out.strip() == str(folder) and (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert "已下架" in err and "huggyllama/llama-7b" in err and "非商用" in err


def test_catalogue_repository_that_vanished_names_the_others(server, capsys):
    server.repos.clear()
    assert main(["models", "pull", "llama-7b"]) == 1
    err = capsys.readouterr().err
    assert "cornucopia models pull llama-7b-hf --hub modelscope" in err and "yahma/llama-7b-hf" in err
    assert "Traceback" not in err


def test_unknown_repository_names_the_nearest(server, capsys):
    assert main(["models", "pull", "qwen/Qwen2.5-7B-Instrukt"]) == 1
    assert "cornucopia models pull Qwen2.5-7B-Instruct" in capsys.readouterr().err


def test_pull_into_another_folder_from_modelscope(server, tmp_path):
    server.repos["some/thing"] = dict(FILES)
    assert main(["models", "pull", "ms:some/thing", "--dir", str(tmp_path / "x"), "--yes"]) == 0
    assert json.loads((tmp_path / "x" / ".cornucopia-download.json").read_text(encoding="utf-8"))["hub"] == "modelscope"


def test_large_download_is_asked_about_when_somebody_is_there(server, tmp_path, monkeypatch, capsys):
    import io

    from cornucopia.cli import models

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(models, "ASK_ABOVE", 100)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main(["models", "pull", "llama-7b"]) == 130
    assert not (tmp_path / "base_models" / "llama-7b-hf" / "config.json").exists()
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main(["models", "pull", "llama-7b", "--yes"]) == 0


def test_ctrl_c_keeps_what_has_arrived(server, tmp_path):
    server.repos["huggyllama/llama-7b"]["model.safetensors"] = b"s" * 3_000_000
    server.slow["model.safetensors"] = 0.1
    child = subprocess.Popen(
        [sys.executable, "-m", "cornucopia", "models", "pull", "llama-7b"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not any(p.stat().st_size for p in tmp_path.rglob("model.safetensors.*.part")):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=10)[1].decode()
    assert child.returncode == 130 and "续传" in said and "Traceback" not in said
    assert sum(path.stat().st_size for path in tmp_path.rglob("model.safetensors.*.part")) > 0


def test_configuration_alone_is_listed_as_such_and_completed_later(server, tmp_path, capsys):
    assert main(["models", "pull", "llama-7b", "--config-only"]) == 0
    folder = tmp_path / "base_models" / "llama-7b-hf"
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.model"}
    assert main(["models"]) == 0
    assert "只有配置" in "".join(capsys.readouterr().out.split())
    assert main(["models", "pull", "llama-7b"]) == 0
    assert (folder / "model.safetensors").is_file() and len(server.asked("main", "config.json")) == 1


def test_local_model_outside_the_catalogue(server, tmp_path, capsys):
    folder = tmp_path / "base_models" / "mine"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(FILES["config.json"])
    assert main(["models", "show", "mine"]) == 0
    assert "没有权重文件" in capsys.readouterr().out
    assert main(["models", "pull", "mine"]) == 0 and server.requests == []
    assert main(["models", "show", "minee"]) == 1
    assert "本地最接近的是 mine" in capsys.readouterr().err


def test_log_in_page_instead_of_the_weights(server, tmp_path, capsys):
    server.fault["model.safetensors"] = "page"
    assert main(["models", "pull", "llama-7b", "--yes"]) == 1
    err = capsys.readouterr().err
    assert all(word in err for word in ("model.safetensors", "text/html", "5,000 字节", "--hub modelscope", "登录"))
    assert not list(tmp_path.rglob("model.safetensors")) and "Traceback" not in err


def test_local_list_and_catalogue(server, tmp_path, capsys):
    assert main(["models"]) == 0
    assert "没有模型" in capsys.readouterr().err
    main(["models", "pull", "llama-7b"])
    capsys.readouterr()
    assert main(["models", "list"]) == 0
    out = capsys.readouterr().out
    assert "base_models/llama-7b-hf" in out and "LlamaForCausalLM" in out
    assert main(["models", "list", "--all"]) == 0
    assert "Qwen2.5-7B-Instruct" in capsys.readouterr().out


def test_show_and_wrong_words(server, capsys):
    assert main(["models", "show", "llama-7b"]) == 0
    out = capsys.readouterr().out
    assert "32 层，宽 4096" in out
    assert "huggyllama/llama-7b" in out and "LLaMA 非商用许可" in out and "cornucopia models pull llama-7b-hf" in out
    assert main(["models", "show", "lama-7b"]) == 1
    assert main(["models", "pul", "x"]) == 2
    assert "cornucopia models pull" in capsys.readouterr().err
    assert main(["models", "pull"]) == 2
    assert main(["models", "--help"]) == 0


def test_load_sh_without_network_fails_clearly(tmp_path):
    """The original's command: what is missing, what serves meanwhile, exit code 1."""
    (tmp_path / "base_models").mkdir()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "base_models" / "load.sh").write_bytes((ROOT / "base_models" / "load.sh").read_bytes())
    (tmp_path / "scripts" / "setup.sh").write_text('cornucopia() { echo "pull $*"; return 1; }\n', encoding="utf-8")
    done = subprocess.run(
        ["bash", str(tmp_path / "base_models" / "load.sh"), "--hub", "mirror"],
        cwd="/",
        check=False,
        capture_output=True,
        encoding="utf-8",
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode == 1 and done.stdout == "pull models pull llama-7b --hub mirror\n"
    assert "自带小模型" in done.stderr
