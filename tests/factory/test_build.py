"""A recipe run: what comes out, what is not done again, what is told when something fails."""

from __future__ import annotations

import json
import os

import pytest

from cornucopia.core.errors import CornucopiaError
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import build
from cornucopia.records.stage import Outcome
from factory_stages import register

STEPS = [{"trim": {"longest": 12}}, "once", "part"]


@pytest.fixture(autouse=True)
def stages(monkeypatch, tmp_path):
    register(monkeypatch)
    monkeypatch.setenv("TEST_NOTES", str(tmp_path / "notes.txt"))
    monkeypatch.setenv("TEST_MAIN_PID", str(os.getpid()))


@pytest.fixture
def data(tmp_path):
    """90 questions, of which 30 come twice; 3 bad lines."""
    path = tmp_path / "qa.jsonl"
    rows = [
        {"id": f"own{n % 60}", "instruction": f"第{n % 60}个问题怎么办？",
         "output": f"先看合同{n % 60}。" + "再问客服。" * (n % 3)}
        for n in range(90)
    ]  # fmt: skip
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    lines[10:10] = ["{broken", '{"unknown": 1}', "什么"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def recipe(tmp_path, data, **given):
    values = {"output_dir": str(tmp_path / "out"), "sources": [{"kind": "records", "path": str(data), "name": "qa"}]}
    return DataRecipe.build({**values, "steps": STEPS, "workers": 1, "shard_kb": 2, "shard_records": 20, **given})


def rows(folder, name="train.jsonl"):
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def notes(tmp_path):
    path = tmp_path / "notes.txt"
    found = path.read_text().split("\n")[:-1] if path.exists() else []
    path.unlink(missing_ok=True)
    return [line.split()[0] for line in found]


def test_every_record_is_kept_or_told_of(tmp_path, data):
    built = build(recipe(tmp_path, data))
    out = tmp_path / "out"
    kept = rows(out) + rows(out, "valid.jsonl")
    dropped, rejects = rows(out, "dropped.jsonl"), rows(out, "rejects.jsonl")
    passed = len(kept)
    assert len(kept) + len(dropped) == 90 and len(rejects) == built.rejects == 3
    assert len({row["messages"][0]["content"] for row in kept}) == 60
    assert {row["id"] for row in kept} | {row["record"]["id"] for row in dropped} == {
        f"qa:{n}" for n in range(1, 94) if n not in (11, 12, 13)
    }
    assert {(row["stage"], row["rule"]) for row in dropped} == {("2-once", "exact")}
    assert [row["where"].rpartition(":")[2] for row in rejects] == ["11", "12", "13"]
    assert [(stage["label"], stage["in"], stage["out"]) for stage in built.stages] == [
        ("1-trim", 90, 90), ("2-once", 90, passed), ("3-part", passed, passed), ("output", passed, passed),
    ]  # fmt: skip
    assert {row["split"] for row in rows(out, "valid.jsonl")} == {"valid"} and all(row["scores"] for row in kept)


def test_the_same_bytes_however_many_processes(tmp_path, data):
    build(recipe(tmp_path, data))
    build(recipe(tmp_path, data, output_dir=str(tmp_path / "two"), workers=2))
    for name in ("train.jsonl", "valid.jsonl", "dropped.jsonl", "rejects.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_changed_setting_redoes_only_what_follows(tmp_path, data):
    build(recipe(tmp_path, data))
    first = (tmp_path / "out" / "train.jsonl").read_bytes()
    assert "trim" in notes(tmp_path)
    build(recipe(tmp_path, data))
    assert notes(tmp_path) == [] and (tmp_path / "out" / "train.jsonl").read_bytes() == first
    build(recipe(tmp_path, data, output={"format": "alpaca"}))
    assert set(notes(tmp_path)) == {"once"} and "instruction" in rows(tmp_path / "out")[0]
    build(recipe(tmp_path, data, steps=[STEPS[0], {"once": {"strict": False}}]))
    assert set(notes(tmp_path)) == {"trim", "survey", "decide", "once"}
    build(recipe(tmp_path, data, overwrite=True))
    assert "trim" in notes(tmp_path) and (tmp_path / "out" / "train.jsonl").read_bytes() == first


def test_changed_contents_of_a_file_count_not_its_name_or_time(tmp_path, data):
    words = tmp_path / "words.txt"
    words.write_text("没有这个词", encoding="utf-8")
    steps = [{"trim": {"words": str(words)}}]
    build(recipe(tmp_path, data, steps=steps))
    notes(tmp_path)
    os.utime(words, (1, 1))
    build(recipe(tmp_path, data, steps=steps))
    assert notes(tmp_path) == []
    words.write_text("合同7。", encoding="utf-8")
    built = build(recipe(tmp_path, data, steps=steps))
    assert built.stages[0]["dropped"] == {"word": 2}
    data.write_text(data.read_text(encoding="utf-8").replace("合同8。", "合同7。"), encoding="utf-8")
    assert build(recipe(tmp_path, data, steps=steps)).stages[0]["dropped"] == {"word": 4}


def test_a_failing_record_is_named_and_the_other_shards_are_kept(tmp_path, data):
    steps = [{"bad": {"word": "第7个问题"}}]
    with pytest.raises(CornucopiaError) as caught:
        build(recipe(tmp_path, data, steps=steps, workers=2))
    assert "qa:8" in str(caught.value) and "第 0 片" in str(caught.value) and "1-bad" in str(caught.value)
    assert "qa.jsonl:8" in str(caught.value)
    done = notes(tmp_path)
    data_ok = [{"bad": {"word": "没有"}}]
    build(recipe(tmp_path, data, steps=data_ok))
    assert len(done) >= 4


def test_a_killed_worker_costs_nothing(tmp_path, data):
    steps = [{"bad": {"word": "第30个", "how": "die", "flag": str(tmp_path / "died")}}]
    built = build(recipe(tmp_path, data, steps=steps, workers=2))
    assert (tmp_path / "died").exists() and built.stages[-1]["out"] == 90
    assert len({row["id"] for row in rows(tmp_path / "out")}) == 90


def test_a_full_disk_is_told(tmp_path, data):
    with pytest.raises(CornucopiaError, match="磁盘满了"):
        build(recipe(tmp_path, data, steps=[{"bad": {"how": "full", "word": "第1"}}]))


def test_a_stage_that_asks_a_model_is_not_asked_again(tmp_path, data):
    steps = ["once", "ask_model", {"trim": {"longest": 30}}]
    build(recipe(tmp_path, data, steps=steps, workers=2))
    paid = tmp_path / "out" / "work" / "step-ask_model" / "paid.txt"
    before = paid.read_text()
    build(recipe(tmp_path, data, steps=[*steps[:2], {"trim": {"longest": 2}}], workers=2))
    build(recipe(tmp_path, data, steps=["once", {"ask_model": {"word": "哦"}}], workers=2))
    assert paid.read_text() == before and len(before.split()) == len(set(before.split()))
    assert rows(tmp_path / "out")[0]["messages"][-1]["content"].endswith("哦")


def test_a_second_run_on_the_same_folder_is_refused(tmp_path, data):
    from cornucopia.core.jsonl import Appender

    (tmp_path / "out").mkdir()
    with Appender(tmp_path / "out" / ".lock") as lock:
        assert lock.lock()
        with pytest.raises(CornucopiaError, match="另一个运行"):
            build(recipe(tmp_path, data))


def test_a_file_a_stage_holds_is_read_again_when_it_changed(tmp_path, data, monkeypatch):
    import factory_stages

    words = tmp_path / "words.txt"
    monkeypatch.setattr(factory_stages.Trim, "__init__", _reads_at_once)
    monkeypatch.setattr(factory_stages.Trim, "apply", _drops_held_words)
    counts = []
    for text in ("合同7。", "合同7。 合同8。"):
        words.write_text(text, encoding="utf-8")
        counts.append(build(recipe(tmp_path, data, steps=[{"trim": {"words": str(words)}}])).stages[0]["out"])
    assert counts == [88, 86]


def _reads_at_once(self, config):
    self.config, self.words = config, config.words.read_text(encoding="utf-8").split()


def _drops_held_words(self, records, context):
    return Outcome([record for record in records if not any(word in record.golden for word in self.words)])


def test_weights_of_sources_are_those_of_the_mix(tmp_path):
    sources = [
        {"kind": "records", "name": name, "path": str(tmp_path / "a.jsonl"), **more}
        for name, more in (("甲", {"weight": 3}), ("乙", {}))
    ]
    recipe = DataRecipe.build(
        {"sources": sources, "steps": [{"mix": {"weights": {"乙": 2}}}, {"mix": {"by": "domain"}}]}
    )
    assert recipe.steps[0].settings.source_weights == {"甲": 3.0, "乙": 1.0}
    assert recipe.steps[1].settings.source_weights == {}
