"""Files that survive a kill: whole lines or nothing."""

from __future__ import annotations

import json
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


def test_a_failed_replacement_leaves_the_old_text(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "旧")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "旧"


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
