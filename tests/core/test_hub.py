"""Downloads against a hub on 127.0.0.1: interrupted, spoilt, gone, gated, hostile."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core import hub, hub_api, hub_transfer
from cornucopia.core.errors import HubError, Interrupted
from cornucopia.core.hub_api import RemoteFile

WEIGHTS = random.Random(1).randbytes(3_000_000)
REPO = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"p" * 5000,
    "pytorch_model.bin.index.json": b"{}",
    "modeling_evil.py": b"import os",
    "original/consolidated.00.pth": b"q" * 5000,
    "README.md": "说明".encode(),
    "LICENSE": b"Apache-2.0",
    "tokenizer.model": b"t" * 2000,
    "model.onnx": b"o" * 3000,
    "empty.txt": b"",
}
TAKEN = {"config.json", "model.safetensors", "README.md", "LICENSE", "tokenizer.model", "empty.txt"}


@pytest.fixture
def server(fake_hub):
    fake_hub.repos["org/tiny"] = dict(REPO)
    return fake_hub


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} - {hub.MARKER}


@pytest.mark.parametrize("site", ["hf", "mirror", "modelscope"])
def test_takes_only_safe_files_and_marks_them(server, tmp_path, site):
    hub.pull("org/tiny", tmp_path / "m", hub=site)
    assert names(tmp_path / "m") == TAKEN
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == WEIGHTS
    written = json.loads((tmp_path / "m" / hub.MARKER).read_text(encoding="utf-8"))
    sums = {file["name"]: file["sha256"] for file in written["files"]}
    assert sums["model.safetensors"] == hashlib.sha256(WEIGHTS).hexdigest()
    revision = server.commit if site != "modelscope" else "master"
    assert (written["repo"], written["revision"]) == ("org/tiny", revision)


def test_complete_model_is_not_asked_for_again(server, tmp_path, monkeypatch):
    hub.pull("org/tiny", tmp_path, hub="hf")
    server.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert server.requests == []


def test_damaged_file_of_a_complete_model_is_mended_alone(server, tmp_path):
    hub.pull("org/tiny", tmp_path, hub="hf")
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    server.requests.clear()
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS
    assert [path for _, path, _ in server.requests if "resolve" in path and "model.safetensors" not in path] == []


def test_cut_connection_goes_on_where_it_stopped(server, tmp_path):
    server.cut["model.safetensors"] = 1_000_000
    hub.pull("org/tiny", tmp_path, hub="hf")
    ranges = [headers.get("Range") for headers in server.asked("store", "model.safetensors")]
    assert len(ranges) == 2 and ranges[0] is None and int(ranges[1].removeprefix("bytes=").rstrip("-")) > 0
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("site", ["hf", "modelscope"])
def test_kill_9_then_second_run_asks_only_for_the_rest(server, tmp_path, site):
    server.slow["model.safetensors"] = 0.05
    code = "import sys, pathlib; from cornucopia.core import hub; "
    code += "hub.pull('org/tiny', pathlib.Path(sys.argv[1]), hub=sys.argv[2])"
    command = [sys.executable, "-c", code, str(tmp_path / "m"), site]
    source = str(Path(hub.__file__).parents[2])
    child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": source}, stderr=subprocess.DEVNULL)
    deadline, parts = time.monotonic() + 20, "model.safetensors.*.part"
    while time.monotonic() < deadline and sum(p.stat().st_size for p in tmp_path.rglob(parts)) < 500_000:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    (part,) = tmp_path.rglob(parts)
    have = part.stat().st_size
    assert 500_000 <= have < len(WEIGHTS) and not (tmp_path / "m" / "model.safetensors").exists()
    server.slow.clear()
    server.requests.clear()
    hub.pull("org/tiny", tmp_path / "m", hub=site)
    (asked,) = server.asked("store" if site == "hf" else "main", "model.safetensors" + ("?" if site == "hf" else ""))
    assert asked["Range"] == f"bytes={have}-"
    assert (tmp_path / "m" / "model.safetensors").read_bytes() == WEIGHTS
    assert names(tmp_path / "m") == TAKEN


def test_spoilt_part_is_thrown_away_and_fetched_afresh(server, tmp_path):
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    (tmp_path / f"model.safetensors.{digest[:12]}.part").write_bytes(b"x" * 1000)
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


def test_part_of_another_version_is_not_continued(server, tmp_path):
    (tmp_path / "model.safetensors.000000000000.part").write_bytes(b"x" * 1000)
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert server.asked("store", "model.safetensors")[0].get("Range") is None
    assert names(tmp_path) == TAKEN


def test_server_without_ranges_starts_again(server, tmp_path):
    server.cut["model.safetensors"] = 1_000_000
    server.ignore_range = True
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert (tmp_path / "model.safetensors").read_bytes() == WEIGHTS


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_wrong_content_is_refused_and_removed(server, tmp_path, name):
    server.corrupt.add(name)
    with pytest.raises(HubError, match="校验值不符"):
        hub.pull("org/tiny", tmp_path, hub="hf")
    assert not list(tmp_path.glob(f"{name}*")) and not (tmp_path / hub.MARKER).exists()


def test_busy_server_is_asked_again(server, tmp_path):
    server.busy = 2
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert names(tmp_path) == TAKEN


def test_dead_server_names_another_hub(monkeypatch, server, tmp_path):
    server.close()
    with pytest.raises(HubError, match=r"(?s)连不上模型站.*--hub modelscope"):
        hub.pull("org/tiny", tmp_path, hub="hf")


def test_missing_repository_and_revision(server, tmp_path):
    for site in ("hf", "modelscope"):
        with pytest.raises(hub_api.RepoMissing, match="不存在"):
            hub.pull("org/gone", tmp_path, hub=site)
    with pytest.raises(HubError, match="没有这个版本"):
        hub.pull("org/tiny", tmp_path, hub="hf", revision="v9")
    with pytest.raises(HubError, match="组织/名字"):
        hub.pull("../etc", tmp_path, hub="hf")


def test_gated_repository_says_how(server, tmp_path):
    server.gated.add("org/tiny")
    with pytest.raises(HubError, match=r"(?s)同意许可.*huggingface.co/org/tiny.*HF_TOKEN"):
        hub.pull("org/tiny", tmp_path, hub="hf")


@pytest.mark.parametrize(("site", "variable"), [("hf", "HF_TOKEN"), ("modelscope", "MODELSCOPE_API_TOKEN")])
def test_token_goes_to_the_hub_and_nowhere_else(server, tmp_path, monkeypatch, site, variable):
    monkeypatch.setenv(variable, "hf_secret")
    hub.pull("org/tiny", tmp_path, hub=site)
    main = [headers for where, _, headers in server.requests if where == "main"]
    store = [headers for where, _, headers in server.requests if where == "store"]
    assert main and all(headers["Authorization"] == "Bearer hf_secret" for headers in main)
    assert (site == "modelscope" or store) and all("secret" not in str(headers) for headers in store)


def test_token_kept_on_disk_is_not_given_to_a_mirror(server, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("hf_disk", encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    assert "Authorization" not in hub_api.headers("hf")
    monkeypatch.delenv("HF_ENDPOINT")
    assert hub_api.headers("hf")["Authorization"] == "Bearer hf_disk"
    assert "Authorization" not in hub_api.headers("mirror")


def test_endpoint_is_read_at_call_time(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "https://a.example/")
    assert hub_api.endpoint("hf") == hub_api.endpoint("mirror") == "https://a.example"
    monkeypatch.delenv("HF_ENDPOINT")
    assert (hub_api.endpoint("hf"), hub_api.endpoint("mirror")) == (hub_api.OFFICIAL, hub_api.MIRROR)


@pytest.mark.parametrize("name", ["../evil.json", "a/../../evil.json", "/etc/evil.json", "..\\evil.json", "C:x.json"])
@pytest.mark.parametrize("site", ["hf", "modelscope"])
def test_path_traversal_is_refused_before_anything_is_written(server, tmp_path, name, site):
    server.repos["org/tiny"][name] = b"{}"
    with pytest.raises(HubError, match="不安全的文件名"):
        hub.pull("org/tiny", tmp_path / "m", hub=site, include=["*.json"])
    assert not list(tmp_path.rglob("*.json"))


@given(st.text(alphabet=st.sampled_from("ab./\\~: \x00中"), max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_name_stays_inside_or_is_refused(name):
    folder = Path("/nowhere/models")
    try:
        path = hub_transfer.safe_path(folder, name)
    except HubError:
        return
    assert path != folder and os.path.normpath(path) == str(path) and path.is_relative_to(folder)


def test_symlink_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "sub").symlink_to(tmp_path / "out")
    with pytest.raises(HubError, match="软链接"):
        hub_transfer.safe_path(tmp_path / "m", "sub/x.json")


def test_full_disk_is_told_before_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 10**9, 10**6))
    with pytest.raises(HubError, match=r"(?s)磁盘空间不够.*3.0 MB.*--dir"):
        hub.pull("org/tiny", tmp_path, hub="hf")
    assert names(tmp_path) == set()


def test_size_is_asked_about_first(server, tmp_path, capsys):
    asked: list[int] = []
    with pytest.raises(Interrupted):
        hub.pull("org/tiny", tmp_path / "m", hub="hf", agree=lambda size: bool(asked.append(size)))
    assert asked == [sum(len(REPO[name]) for name in TAKEN)] and not (tmp_path / "m").exists()
    assert "共 3.0 MB" in capsys.readouterr().err


def test_offline_never_touches_the_network(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="离线模式"):
        hub.pull("org/tiny", tmp_path, hub="hf")
    assert server.requests == []


def test_other_model_in_the_folder_is_not_overwritten(server, tmp_path):
    server.repos["org/other"] = dict(REPO)
    hub.pull("org/tiny", tmp_path, hub="hf")
    with pytest.raises(HubError, match="另一个仓库"):
        hub.pull("org/other", tmp_path, hub="hf")


def test_second_download_to_the_same_folder_is_refused(server, tmp_path):
    with hub._only_one(tmp_path / "m"), pytest.raises(HubError, match="另一个进程"):
        hub.pull("org/tiny", tmp_path / "m", hub="hf")
    hub.pull("org/tiny", tmp_path / "m", hub="hf")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_include_asks_for_more(server, tmp_path):
    hub.pull("org/tiny", tmp_path, hub="hf")
    hub.pull("org/tiny", tmp_path, hub="hf", include=["*.onnx"])
    assert names(tmp_path) == TAKEN | {"model.onnx"}


def test_pickled_weights_only_where_there_is_nothing_else():
    def pick(*files: str) -> set[str]:
        return {file.name for file in hub.choose([RemoteFile(name, 1, "") for name in files], [])}

    assert pick("pytorch_model.bin", "config.json", "optimizer.bin") == {"pytorch_model.bin", "config.json"}
    assert pick("adapter_model.bin", "adapter_config.json") == {"adapter_model.bin", "adapter_config.json"}
    assert pick("consolidated.safetensors", "model-1.safetensors") == {"model-1.safetensors"}


def test_repository_of_gguf_only_says_include(server, tmp_path):
    server.repos["org/gguf"] = {"README.md": b"x", "a.gguf": b"y"}
    with pytest.raises(HubError, match=r"(?s)\.gguf.*--include"):
        hub.pull("org/gguf", tmp_path, hub="hf")
