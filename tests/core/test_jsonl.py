"""Files that survive a kill: whole lines or nothing."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.jsonl import Appender, read_jsonl, write_json, write_jsonl, write_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a金\n"', max_size=3), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(st.text("键ab", min_size=1, max_size=3), VALUES, max_size=3), max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 400))
def test_a_file_cut_anywhere_keeps_its_whole_rows_and_goes_on(tmp_path_factory, rows, cut):
    path = tmp_path_factory.getbasetemp() / "cut.jsonl"
    write_jsonl(path, rows)
    data = path.read_bytes()
    assert list(read_jsonl(path)) == rows
    path.write_bytes(data[:cut])
    whole = rows[: data[:cut].count(b"\n")]
    assert list(read_jsonl(path)) == whole
    with Appender(path) as file:
        file.write({"新": 1})
    assert list(read_jsonl(path)) == [*whole, {"新": 1}]


def test_text_is_utf8_without_escapes(tmp_path):
    write_json(tmp_path / "a" / "b.json", {"利率": "３％"})
    assert "利率" in (tmp_path / "a" / "b.json").read_text(encoding="utf-8")
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.json"]  # nothing temporary stays


def test_an_absent_file_has_no_rows(tmp_path):
    assert list(read_jsonl(tmp_path / "none.jsonl")) == []


def full(*_):
    raise OSError(28, "No space left on device")


def test_a_failed_replacement_leaves_the_old_text_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "旧")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(path, "新" * 9)
    assert path.read_text(encoding="utf-8") == "旧" and [left.name for left in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_writer_left_goes_at_the_next_writing(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine, other = tmp_path / f".a.txt.{os.getppid()}.tmp", tmp_path / f".b.txt.{dead.pid}.tmp"
    for left in (tmp_path / f".a.txt.{dead.pid}.tmp", mine, other):
        left.write_text("半")
    write_text(tmp_path / "a.txt", "整")
    kept = {"a.txt", mine.name, other.name}  # others' and the living's stay
    assert {left.name for left in tmp_path.iterdir()} == kept


def test_a_number_that_json_lacks_is_null(tmp_path):
    row = {"loss": math.nan, "norms": [math.inf, -math.inf, 1.5], "inner": {"x": (math.nan, "NaN")}}
    write_jsonl(tmp_path / "a.jsonl", [row])
    write_json(tmp_path / "a.json", row)
    with Appender(tmp_path / "b.jsonl") as file:
        file.write(row)
    for name in ("a.jsonl", "a.json", "b.jsonl"):
        read = json.loads((tmp_path / name).read_text(), parse_constant=pytest.fail)
        assert read == {"loss": None, "norms": [None, None, 1.5], "inner": {"x": [None, "NaN"]}}


@given(st.text(st.characters(), max_size=9))
def test_half_a_character_comes_back_as_it_was(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "half.jsonl"
    with Appender(path) as file:
        file.write({"文": text})
    assert list(read_jsonl(path))[-1] == {"文": text}


def test_mending_a_torn_line_reads_only_the_end(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"i": 1}\n' * 100_000 + b"x" * 70_000)
    read = []

    class Counting(io.FileIO):
        def read(self, size=-1):
            data = super().read(size)
            read.append(len(data))
            return data

    monkeypatch.setattr(Path, "open", lambda self, mode="r", **_: Counting(self, mode.replace("b", "")))
    Appender(path).close()
    monkeypatch.undo()
    assert path.stat().st_size == 900_000 and sum(read) < 200_000


@pytest.mark.skipif(not hasattr(os, "kill"), reason="needs signals")
def test_a_killed_writer_leaves_whole_rows(tmp_path):
    path = tmp_path / "a.jsonl"
    code = (
        "import sys; from cornucopia.core.jsonl import Appender\n"
        "with Appender(sys.argv[1]) as f:\n"
        "    for i in range(10**9): f.write({'i': i, '文': '金' * 500})"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)])
    while not (path.exists() and path.stat().st_size > 100_000):
        assert child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    rows = list(read_jsonl(Path(path)))
    assert [row["i"] for row in rows] == list(range(len(rows))) and len(rows) > 50
    assert all(len(row["文"]) == 500 for row in rows) and json.dumps(rows[0])
