"""A download that makes no progress ends by itself, says what came, and leaves nothing that looks finished."""

from __future__ import annotations

import hashlib
import json
import random
import threading

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core import hub, hub_api, hub_patience, hub_transfer
from cornucopia.core.errors import HubError
from hub_server import PAGE

SHARDS = {f"model-{n}.safetensors": random.Random(n).randbytes(200_000) for n in range(6)}
REPO = {"config.json": b'{"model_type": "llama"}', "tokenizer.json": b"{}", **SHARDS}
FAULTS = (
    "page", "unsized page", "unsized end", "empty", "short", "slices", "other offset", "trickle", "slow headers", "cut",
    "loop", "wait", "204", "304", "400", "401", "403", "page 403", "404", "407", "416", "500", "503",
)  # fmt: skip


KEYS = ("sha", "siblings", "rfilename", "size", "lfs", "blobId", "Code", "Data", "Files", "Path", "Size", "Success")


def nested(inner):
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)


def as_bytes(value):
    return json.dumps(value).encode()


@pytest.fixture
def server(fake_hub, monkeypatch):
    fake_hub.repos["org/tiny"] = dict(REPO)
    for name, value in (("STALL", 0.3), ("HANG", 1.0)):
        monkeypatch.setattr(hub_patience, name, value)
    return fake_hub


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("site", ["hf", "modelscope"])
def test_storage_that_never_gives_the_file(server, tmp_path, fault, site):
    server.fault = dict.fromkeys(SHARDS, fault)
    with pytest.raises(HubError) as told:
        hub.pull("org/tiny", tmp_path, hub=site)
    assert "--hub m" in str(told.value) and "许可" not in str(told.value)
    assert not isinstance(told.value, hub_api.RepoMissing)
    assert fault == "slow headers" or ".safetensors" in told.value.where
    assert len(server.requests) < 30
    assert not list(tmp_path.glob("*.safetensors")) and not (tmp_path / hub.MARKER).exists()
    server.fault.clear()
    hub.pull("org/tiny", tmp_path, hub=site)
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


def test_token_that_the_hub_does_not_know_is_told(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    server.fault["listing"] = "bad token"
    with pytest.raises(HubError, match=r"(?s)令牌.*HF_TOKEN"):
        hub.pull("org/tiny", tmp_path, hub="hf")


CONTENT = b"0123456789" * 20
ANSWERS = st.fixed_dictionaries(
    {
        "status": st.sampled_from([200, 200, 200, 206, 206, 204, 302, 403, 404, 416, 500]),
        "body": st.sampled_from([CONTENT, CONTENT[50:], CONTENT[:50], CONTENT * 2, b"", PAGE]),
        "headers": st.dictionaries(
            st.sampled_from(["Content-Range", "Content-Type", "Content-Encoding", "Location", "Retry-After"]),
            st.sampled_from(
                ["bytes 0-199/200", "bytes 50-199/200", "bytes x", "text/html", "gzip", "/x", "7", "\u00e9"]
            ),
            max_size=2,
        ),
    }
)


@given(st.lists(ANSWERS, min_size=1, max_size=4), st.sampled_from([b"", CONTENT[:50], b"spoilt", CONTENT * 3]))
@settings(max_examples=300, deadline=None)
def test_whatever_is_answered_the_file_is_right_or_absent(tmp_path_factory, answers, start):
    asked = []

    def answer(request):
        asked.append(request)
        one = answers[(len(asked) - 1) % len(answers)]
        return httpx.Response(
            one["status"],
            content=one["body"],
            headers=[(key.encode(), value.encode()) for key, value in one["headers"].items()],
        )

    file = hub_transfer.RemoteFile("m.bin", 200, "http://hub/m.bin", sha256=hashlib.sha256(CONTENT).hexdigest())
    target = tmp_path_factory.mktemp("fuzz") / "m.bin"
    hub_transfer.part_path(target, file).write_bytes(start)
    with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True, max_redirects=3) as web:
        listing = hub_api.Listing("hf", "org/tiny", "main", [file])
        transfer = hub_transfer.Transfer(web, listing, lambda size: None, hub_patience.Crew(1))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hub_patience, "FIRST_WAIT", 0.0)
            patch.setattr(transfer.crew.stop, "wait", lambda seconds: None)
            try:
                transfer.fetch(file, target)
            except HubError:
                assert not target.exists()
            else:
                assert target.read_bytes() == CONTENT
    assert len(asked) < 30


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=4), nested).map(as_bytes))
@settings(max_examples=100, deadline=None)
def test_any_listing_is_read_or_refused(body):
    for site in ("hf", "modelscope"):
        with (
            httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body))) as web,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(hub_patience, "FIRST_WAIT", 0.0)
            try:
                listing = hub_api.list_files(web, site, "org/tiny", None)
            except HubError:
                continue
            assert all(isinstance(file.size, int) and isinstance(file.name, str) for file in listing.files)


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
