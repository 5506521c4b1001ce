"""Formats, compression and cutting of the output; intermediate results given up to save disk; what is drawn."""

from __future__ import annotations

import gzip
import json

import pytest

from cornucopia.core.errors import CornucopiaError, Interrupted
from cornucopia.factory import run
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import build
from cornucopia.records.native import pack, unpack
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record
from factory_stages import register

RECORDS = [
    Record(
        (Message("user", f"第{n}问"), Message("assistant", "答" * (n % 7 + 1))),
        id=f"own{n}",
        domain="保险" if n % 3 else "",
        extra={"evidence": [{"document": "a.pdf", "quote": "原文", "page": n}]},
    )
    for n in range(60)
]
ODD = [
    Record(text="一篇没有问答的文章", licence="CC0"),
    Record((Message("user", "工具"), Message("assistant", "好", reasoning="想")), passages=(Passage("材料", "某法"),)),
    Record((Message("system", "守规矩"), Message("user", "大数"), Message("assistant", "答")), extra={"n": 2**70}),
]


@pytest.fixture(autouse=True)
def stages(monkeypatch):
    register(monkeypatch)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"".join(pack(record) + b"\n" for record in RECORDS + ODD))
    return path


def make(tmp_path, data, out="out", **given):
    source = {"kind": "records", "path": str(data), "name": "qa"}
    values = {"output_dir": str(tmp_path / out), "sources": [source], "workers": 1, "shard_kb": 2, **given}
    return build(DataRecipe.build(values)), tmp_path / out


def test_data_that_no_run_made_is_not_written_over(tmp_path, data):
    (tmp_path / "out").mkdir()
    own = tmp_path / "out" / "test.jsonl"
    own.write_text("自己的", encoding="utf-8")
    with pytest.raises(CornucopiaError, match="盖掉"):
        make(tmp_path, data)
    assert own.read_text(encoding="utf-8") == "自己的" and not (tmp_path / "out" / "work").exists()


def test_a_run_does_not_write_over_what_it_reads(tmp_path, data):
    _, out = make(tmp_path, data, output={"format": "record"})
    before = (out / "train.jsonl").read_bytes()
    with pytest.raises(CornucopiaError, match="盖掉"):
        make(tmp_path, out / "train.jsonl", output={"format": "record"})
    assert (out / "train.jsonl").read_bytes() == before


def test_what_an_earlier_recipe_reported_beside_the_data_goes(tmp_path, data):
    dedupe = {"deduplicate": {"near": False}}
    _, out = make(tmp_path, data, steps=["trim", dedupe])
    assert list(out.glob("2-deduplicate.*"))
    (out / "output.txt").write_text("自己的", encoding="utf-8")
    make(tmp_path, data, steps=[dedupe])
    assert not list(out.glob("2-deduplicate.*")) and list(out.glob("1-deduplicate.*"))
    assert (out / "output.txt").exists()


def test_the_factory_s_own_format_loses_nothing(tmp_path, data):
    _, out = make(tmp_path, data, output={"format": "record", "ids": "own"}, steps=["part"])
    made = [unpack(line) for name in ("train", "valid") for line in (out / f"{name}.jsonl").read_bytes().splitlines()]
    assert len(made) == 63 and all(record.extra["scores"] and record.extra["split"] for record in made)
    back = {record.id: record for record in made}
    for record in RECORDS:
        kept = {key: value for key, value in back[record.id].extra.items() if key not in ("scores", "split")}
        assert back[record.id].changed(extra=kept, origin="") == record


@pytest.mark.parametrize("to, refused", [("openai", 0), ("sharegpt", 1), ("alpaca", 1), ("text", 1)])
def test_other_formats_are_read_back_and_what_they_cannot_hold_is_told(tmp_path, data, to, refused):
    built, out = make(tmp_path, data, output={"format": to, "ids": "own"})
    dropped = [json.loads(line) for line in (out / "dropped.jsonl").read_bytes().splitlines()] if refused else []
    assert len(dropped) == refused == built.stages[-1]["in"] - built.stages[-1]["out"]
    assert all(row["stage"] == "output" and row["detail"] and row["record"]["id"] for row in dropped)
    made = read_records(out / "train.jsonl", rejects=False).records
    assert len(made) == 63 - refused
    if to != "text":
        assert {record.id: record.extra["evidence"] for record in made if record.id.startswith("own")} == {
            record.id: record.extra["evidence"] for record in RECORDS
        }


@pytest.mark.parametrize("compress, suffix", [("gz", ".gz"), ("zst", ".zst")])
def test_compressed_output_is_the_same_bytes_each_time(tmp_path, data, compress, suffix):
    zstandard = pytest.importorskip("zstandard")
    _, plain = make(tmp_path, data, "plain")
    for out in ("a", "b"):
        make(tmp_path, data, out, output={"compress": compress})
    packed = (tmp_path / "a" / f"train.jsonl{suffix}").read_bytes()
    assert packed == (tmp_path / "b" / f"train.jsonl{suffix}").read_bytes()
    opened = gzip.decompress(packed) if compress == "gz" else zstandard.ZstdDecompressor().stream_reader(
        packed, read_across_frames=True).read()  # fmt: skip
    assert opened == (plain / "train.jsonl").read_bytes()


def test_files_of_about_so_many_records_and_no_stale_ones(tmp_path, data):
    built, out = make(tmp_path, data, output={"per_file": 20})
    names = [row["path"] for row in built.outputs]
    assert names[0] == f"train-00001-of-{len(names):05d}.jsonl" and len(names) > 2
    assert sum(row["records"] for row in built.outputs) == 63
    joined = b"".join((out / name).read_bytes() for name in names)
    built, _ = make(tmp_path, data)
    assert (out / "train.jsonl").read_bytes() == joined and not list(out.glob("train-*"))


def test_intermediate_results_can_be_given_up(tmp_path, data):
    steps = [{"trim": {"longest": 3}}, "once", "part"]
    _, kept = make(tmp_path, data, "kept", steps=steps)
    _, thin = make(tmp_path, data, "thin", steps=steps, keep_steps=False)
    assert not list((thin / "work").glob("pass-0-*/*0.jsonl")) and list((kept / "work").glob("pass-0-*/*0.jsonl"))
    for output in ({"format": "openai"}, {"format": "alpaca"}, {"format": "record"}):
        make(tmp_path, data, "kept", steps=steps, output=output)
        make(tmp_path, data, "thin", steps=steps, output=output, keep_steps=False)
        for name in ("train.jsonl", "valid.jsonl", "manifest.json", "report_data.json"):
            assert (kept / name).read_bytes() == (thin / name).read_bytes()


def test_a_shard_that_lost_records_is_noticed(tmp_path, data):
    _, out = make(tmp_path, data, steps=["once"])
    shard = next((out / "work").glob("pass-0-*/000001.jsonl"))
    shard.write_bytes(shard.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(CornucopiaError, match="--overwrite"):
        make(tmp_path, data, steps=["once"], output={"format": "text"})


def test_what_the_report_draws(tmp_path, data):
    _, out = make(tmp_path, data, steps=[{"trim": {"longest": 3}}, {"once": {"strict": False}}])
    drawn, manifest = (json.loads((out / name).read_bytes()) for name in ("report_data.json", "manifest.json"))
    trim, once, output = drawn["stages"]
    assert trim["changed"] == {"cut": sum(n % 7 > 2 for n in range(60))} and len(trim["change_examples"]) == 20
    assert trim["settings"]["longest"] == 3 and once["report"] == {"clusters": 0} and output["name"] == "output"
    profile = drawn["profile"]
    assert profile["records"] == 63 and profile["documents"] == 1 and profile["counts"]["domains"]["保险"] == 40
    assert sum(count for _, count in profile["lengths"]["answer"]) == 62 and profile["counts"]["licences"]["CC0"] == 1
    assert manifest["sources"][0]["inputs"][0]["bytes"] == data.stat().st_size
    assert {stage["label"]: stage["out"] for stage in manifest["stages"]}["2-once"] == 63
    assert manifest["outputs"] == drawn["outputs"] and "seconds" not in json.dumps(manifest)


def test_ctrl_c_keeps_what_was_done(tmp_path, data, monkeypatch):
    real, count = run.do, 0

    def interrupted(job):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return real(job)

    monkeypatch.setattr(run, "do", interrupted)
    with pytest.raises(Interrupted):
        make(tmp_path, data)
    assert len(list((tmp_path / "out" / "work").glob("pass-0-*/0*.json"))) == 2
    make(tmp_path, data)
    _, whole = make(tmp_path, data, "whole")
    assert (whole / "train.jsonl").read_bytes() == (tmp_path / "out" / "train.jsonl").read_bytes()
