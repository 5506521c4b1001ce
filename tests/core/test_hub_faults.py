"""A download that makes no progress ends by itself, says what came, and leaves nothing that looks finished."""

from __future__ import annotations

import hashlib
import random
import threading

import pytest

from cornucopia.core import hub, hub_api, hub_patience, hub_transfer
from cornucopia.core.errors import HubError
from hub_server import PAGE, FakeHub

SHARDS = {f"model-{n}.safetensors": random.Random(n).randbytes(200_000) for n in range(6)}
REPO = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}", **SHARDS}
FAULTS = (
    "page", "unsized page", "unsized end", "empty", "short", "slices", "other offset", "trickle", "slow headers", "cut",
    "loop", "wait", "204", "304", "400", "401", "403", "page 403", "404", "407", "416", "500", "503",
)  # fmt: skip


@pytest.fixture
def server(monkeypatch):
    made = FakeHub()
    made.repos["org/tiny"] = dict(REPO)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "CORNUCOPIA_HUB", "USE_MODELSCOPE_HUB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", made.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name, value in (("FIRST_WAIT", 0.01), ("STALL", 0.3), ("HANG", 1.0)):
        monkeypatch.setattr(hub_patience, name, value)
    yield made
    made.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_storage_that_never_gives_the_file(server, tmp_path, fault):
    server.fault = dict.fromkeys(SHARDS, fault)
    with pytest.raises(HubError) as told:
        hub.pull("org/tiny", tmp_path, hub="hf")
    assert "--hub modelscope" in str(told.value) and "许可" not in str(told.value)
    assert fault == "slow headers" or ".safetensors" in told.value.where
    assert len(server.requests) < 30
    assert not list(tmp_path.glob("*.safetensors")) and not (tmp_path / hub.MARKER).exists()
    server.fault.clear()
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.safetensors")} == SHARDS


@pytest.mark.parametrize(
    "fault", ["page", "trickle", "slow headers", "loop", "wait", "page 403", "wrong json", "503", "204"]
)
@pytest.mark.parametrize("site", ["hf", "modelscope"])
def test_listing_that_never_comes(server, tmp_path, fault, site):
    server.fault["listing"] = fault
    with pytest.raises(HubError) as told:
        hub.pull("org/tiny", tmp_path, hub=site)
    assert (
        "--hub" in told.value.fix and "文件清单" in told.value.where and not isinstance(told.value, hub_api.RepoMissing)
    )
    assert len(server.requests) < 10 and not list(tmp_path.iterdir())


def test_what_came_instead_is_told(server, tmp_path):
    server.fault["model-3.safetensors"] = "page"
    with pytest.raises(HubError) as told:
        hub.pull("org/tiny", tmp_path, hub="hf")
    assert "model-3.safetensors" in told.value.where
    assert "text/html" in told.value.found and "上网认证" in told.value.found
    assert f"{len(PAGE)} 字节" in told.value.found and "200,000 字节" in told.value.found
    assert "sig=" not in str(told.value)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "other offset"])  # an earlier one is of use
def test_what_has_arrived_outlives_a_fault(server, tmp_path, fault):
    """A log-in page in the middle of a download must not cost what came before it."""
    name = "model-1.safetensors"
    file = hub_transfer.RemoteFile(name, 200_000, "", sha256=hashlib.sha256(SHARDS[name]).hexdigest())
    part = hub_transfer.part_path(tmp_path / name, file)
    part.write_bytes(SHARDS[name][:150_000])
    server.fault[name] = fault
    with pytest.raises(HubError):
        hub.pull("org/tiny", tmp_path, hub="hf")
    assert part.stat().st_size >= 150_000 and part.read_bytes()[:150_000] == SHARDS[name][:150_000]


def test_compressed_answer_is_unpacked(server, tmp_path):
    server.fault = dict.fromkeys(SHARDS, "gzip")
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert (tmp_path / "model-0.safetensors").read_bytes() == SHARDS["model-0.safetensors"]


def test_server_without_ranges_goes_on_beyond_what_is_there(server, tmp_path):
    """It sends everything again; what is there already is passed over."""
    server.repos["org/tiny"] = {"config.json": b"{}", "model.safetensors": random.Random(9).randbytes(1_000_000)}
    server.ignore_range = True
    server.cut["model.safetensors"] = 300_000
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert (tmp_path / "model.safetensors").read_bytes() == server.repos["org/tiny"]["model.safetensors"]


def test_gated_by_the_hub_is_told_as_a_licence(server, tmp_path):
    server.gated.add("org/tiny")
    with pytest.raises(HubError, match=r"(?s)同意许可.*HF_TOKEN"):
        hub.pull("org/tiny", tmp_path, hub="hf")


def test_address_without_scheme_is_told(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "hf-mirror.com")
    with pytest.raises(HubError, match=r"(?s)HF_ENDPOINT.*https://"):
        hub.pull("org/tiny", tmp_path, hub="hf")


def test_endpoint_below_a_path(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/hub/proxy/")
    server.prefix = "/hub/proxy"
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert (tmp_path / hub.MARKER).exists()


def test_configuration_alone_then_the_rest(server, tmp_path):
    hub.pull("org/tiny", tmp_path, hub="hf", weights=False)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "tokenizer.json"}
    hub.pull("org/tiny", tmp_path, hub="hf")
    assert {path.name for path in tmp_path.iterdir()} == {*REPO, hub.MARKER}


def test_crew_tells_the_failure_and_not_what_it_stopped():
    started = threading.Event()

    def patient(crew):
        started.set()
        crew.stop.wait(5)
        raise hub_patience.Stopped

    def failing():
        started.wait(5)
        raise ValueError("first")

    crew = hub_patience.Crew(2)
    with pytest.raises(ValueError, match="first"):
        crew.run([lambda: patient(crew), failing], HubError("hung"))
    assert hub_patience.Crew(2).run([lambda: 1, lambda: 2, lambda: 3], HubError("hung")) == [1, 2, 3]
