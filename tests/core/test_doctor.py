"""The check-up, with broken pieces put in place of good ones."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from cornucopia.cli import doctor as command
from cornucopia.core import doctor
from cornucopia.core.doctor import BAD, GOOD, WARN, Row, machine, places, row, software


def test_missing_and_outdated_packages_come_with_the_command(monkeypatch):
    monkeypatch.setattr(software, "installed", lambda name: {"torch": "2.1.0"}.get(name, ""))
    old, gone = software.check_package("torch"), software.check_package("transformers")
    assert old.status == gone.status == BAD
    assert "2.1.0" in old.found and "-m pip install 'torch" in old.fix and ">=2.11" in old.fix
    assert "没有安装" in gone.found and "'transformers" in gone.fix
    others = software.check_others()
    assert others.status == BAD and "httpx" in others.fix and software.check_tokenizer_readers().status == BAD


def test_this_environment_passes_the_version_checks():
    assert [software.check_package(name).status for name in software.CENTRAL] == [GOOD] * len(software.CENTRAL)
    assert software.check_python().status == GOOD


def test_old_python_is_refused(monkeypatch):
    monkeypatch.setattr(software, "OLDEST", (9, 9))
    assert software.check_python().status == BAD


def test_torchvision_that_does_not_match_is_found_without_harm(monkeypatch, tmp_path):
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision.py").write_text(broken, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = software.check_companions()
    assert found.status == BAD and "nms does not exist" in found.found and "uninstall -y torchvision" in found.fix
    assert "torchvision" not in sys.modules


def test_crash_in_a_subprocess_is_an_answer(monkeypatch):
    assert row.try_code("import os; os.abort()")[0] is False
    assert row.try_code("print('好')") == (True, "好")
    monkeypatch.setattr(row, "PATIENCE", 0.1)
    assert row.try_code("import time; time.sleep(5)") == (False, "TimeoutExpired")


def test_gpu_that_torch_cannot_use_is_not_passed_over(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "nvidia_smi", lambda: "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert machine.check_gpu().status == GOOD
    monkeypatch.setattr(machine, "nvidia_smi", lambda: "NVIDIA GeForce RTX 4090")
    monkeypatch.setattr(torch.version, "cuda", None)
    cpu_build = machine.check_gpu()
    assert cpu_build.status == BAD and "CPU 版 torch" in cpu_build.found and "pip install" in cpu_build.fix
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert "驱动" in machine.check_gpu().fix
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.check_gpu().status == WARN


def test_nvidia_smi_that_hangs_or_fails_is_no_gpu(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA A100'\nexit ${CODE:-0}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert machine.nvidia_smi() == "NVIDIA A100"
    monkeypatch.setenv("CODE", "9")
    assert machine.nvidia_smi() == ""

    def hang(*_, **__):
        raise subprocess.TimeoutExpired("nvidia-smi", 15)

    monkeypatch.setattr(subprocess, "run", hang)
    assert machine.nvidia_smi() == ""


def test_quantiser_missing_or_broken(monkeypatch):
    import importlib.util

    monkeypatch.setattr(machine, "try_code", lambda code: (False, "libbitsandbytes_cpu.so: cannot open"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert machine.check_4bit().status == WARN and "cannot open" in machine.check_4bit().found
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "bitsandbytes" in machine.check_4bit().fix


def test_a_plot_needs_matplotlib_and_no_font(monkeypatch):
    assert software.check_plot().status == GOOD
    monkeypatch.setattr(software, "try_code", lambda code: (False, "ImportError: libfreetype"))
    assert software.check_plot().status == WARN and "libfreetype" in software.check_plot().found


@pytest.mark.parametrize(
    ("flags", "compiler", "status", "words"),
    [
        ({"avx2"}, "/usr/bin/g++", GOOD, "不必开"), (set(), "", GOOD, "不必开"),
        ({"avx512_bf16"}, "/usr/bin/g++", GOOD, "AVX512-BF16"),
        ({"amx_bf16", "amx_tile"}, "/usr/bin/g++", GOOD, "值得"),
        ({"amx_bf16", "amx_tile", "avx512_bf16"}, "", WARN, "没有 C++ 编译器"),
    ],
)  # fmt: skip
def test_fast_paths_are_told_from_what_the_machine_says(flags, compiler, status, words, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "cpu_flags", lambda: flags)
    monkeypatch.setattr(machine.shutil, "which", lambda name: compiler or None)
    found = machine.check_fast_paths()
    assert found.status == status and words in found.found and bool(found.fix) == (status == WARN)


@pytest.mark.parametrize("encoding", ["gbk", "ascii"])
def test_a_subprocess_speaks_utf8_whatever_the_console_is(encoding, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    assert row.try_code("print('能导入 ✅')") == (True, "能导入 ✅")


def test_bundled_model_missing_pointer_or_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("CORNUCOPIA_HOME", str(tmp_path))
    nano = tmp_path / "base_models" / "nano"
    nano.mkdir(parents=True)
    assert places.check_bundled().status == BAD
    (nano / "config.json").write_text("{}", encoding="utf-8")
    (nano / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1", encoding="utf-8")
    assert "git lfs pull" in places.check_bundled().fix
    (nano / "model.safetensors").write_bytes(bytes(2000))
    assert places.check_bundled().status == GOOD
    assert places.check_writable().status == GOOD and places.check_disk().found


def test_full_disk_and_read_only_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("CORNUCOPIA_HOME", str(tmp_path))
    usage = places.shutil._ntuple_diskusage(10**12, 10**12, 10**9)
    monkeypatch.setattr(places.shutil, "disk_usage", lambda path: usage)
    assert places.check_disk().status == BAD

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
    assert places.check_writable().status == BAD


@pytest.fixture
def site():
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.send_response(200 if self.path == "/" else 503)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_hub_that_answers_and_hub_that_does_not(monkeypatch, site):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", site)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    assert places.check_site("hf").status == GOOD
    assert "见上一行" in places.check_site("mirror").found
    dead = places.check_site("modelscope")
    assert dead.status == WARN and "连不上" in dead.found and "--hub" in dead.fix
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert places.check_site("hf").fix == "unset HF_HUB_OFFLINE"
    monkeypatch.setenv("HF_ENDPOINT", f"{site}/down")
    assert "503" in places.check_site("hf").found


def test_check_that_crashes_spoils_no_other_row():
    def crash():
        raise ImportError("libcudart.so.13: cannot open")

    rows = doctor.check_up({"坏": crash, "好": lambda: Row(GOOD, "x")})
    assert [name for name, _ in rows] == ["坏", "好"] and rows[0][1].status == WARN and rows[1][1].status == GOOD
    assert "libcudart" in rows[0][1].found


def test_command_prints_rows_and_fails_only_on_bad(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", {"甲": lambda: Row(GOOD, "好"), "乙": lambda: Row(WARN, "缺", "装一个")})
    monkeypatch.setattr(doctor, "ONLINE", {"网": lambda: Row(BAD, "断", "接上")})
    assert command.run(["--offline"]) == 0
    out = capsys.readouterr().out
    assert "正常  甲：好" in out and "→ 装一个" in out and "正常 1 项，注意 1 项" in out
    assert command.run(["--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert rows[2] == {"name": "网", "status": BAD, "found": "断", "fix": "接上"}
