"""The store of answers: keys, history, damage, two writers, a full disk."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cornucopia.core.errors import DataError
from cornucopia.inference.store import AnswerStore

ROOT = Path(__file__).resolve().parents[2]


def open_at(folder, **more):
    return AnswerStore(
        folder / "a.jsonl", folder / "a.settings.json", key_of=lambda row: row["key"],
        failed=lambda row: bool(row.get("error")), **more,
    )  # fmt: skip


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_error_never_replaces_an_answer_and_is_asked_again(tmp_path):
    with open_at(tmp_path) as store:
        for row in ({"key": "1", "error": "坏"}, {"key": "2", "answer": "好"}, {"key": "2", "error": "坏"}):
            store.add(row)
        assert (store.done("1"), store.done("2"), store.done("3")) == (False, True, False)
    with open_at(tmp_path) as again:
        assert again.get("2") == {"key": "2", "answer": "好"} and again.get("1")["error"]


def test_what_a_settled_file_has_no_place_for_goes_to_the_history(tmp_path):
    with open_at(tmp_path, history=tmp_path / "h.jsonl") as store:
        for key in "123":
            store.add({"key": key})
        store.settle([store.get("3"), store.get("1")])
    assert [row["key"] for row in lines(tmp_path / "a.jsonl")] == ["3", "1"]
    assert [row["key"] for row in lines(tmp_path / "h.jsonl")] == ["2"]
    with open_at(tmp_path, history=tmp_path / "h.jsonl") as again:
        assert again.done("2")


def test_half_a_surrogate_pair_is_mended_in_old_files_and_new_rows(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"key": "1", "answer": "旧\\ud83d"}\n', encoding="utf-8")
    for _ in range(2):
        with open_at(tmp_path) as store:
            store.add({"key": "2", "answer": "新\udc00"})
            assert (store.get("1")["answer"], store.get("2")["answer"]) == ("旧\ufffd", "新\ufffd")
            store.settle([store.get("1"), store.get("2")])
    assert "\\ud83d" not in (tmp_path / "a.jsonl").read_text(encoding="utf-8")


def test_a_second_process_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from test_store import open_at; store = open_at(Path(sys.argv[2])); store.add({'key': '1'});"
        "print('ready', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
    )  # fmt: skip
    assert process.stdout.readline().strip() == b"ready"
    before = (tmp_path / "a.jsonl").read_bytes()
    with pytest.raises(DataError, match="另一个进程"):
        open_at(tmp_path, anew=True)
    assert (tmp_path / "a.jsonl").read_bytes() == before
    process.kill()
    process.communicate()
    with open_at(tmp_path) as store:
        assert store.done("1")


@pytest.mark.parametrize("written", [5, None])
def test_a_full_disk_leaves_whole_rows(tmp_path, written):
    store = open_at(tmp_path)
    store.add({"key": "1"})
    file = store._appender._file

    class Full:
        """Takes a few bytes, or none, as a disk does that is full."""

        def write(self, data):
            if written is None:
                raise OSError(errno.ENOSPC, "full")
            return file.write(data[:written])

        def __getattr__(self, name):
            return getattr(file, name)

    store._appender._file = Full()
    with pytest.raises(OSError) as caught:
        store.add({"key": "2"})
    assert caught.value.errno == errno.ENOSPC
    store._appender._file = file
    store.add({"key": "3"})
    store.close()
    assert [row["key"] for row in lines(tmp_path / "a.jsonl")] == ["1", "3"]


@pytest.mark.parametrize(("name", "text"), [
    ("a.jsonl", "不是 JSON\n"), ("a.jsonl", "[1]\n"), ("a.jsonl", '{"other": 1}\n'), ("a.settings.json", "[1]"),
])  # fmt: skip
def test_damage_is_told_and_kept(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    for _ in range(2):  # a refused store holds no lock
        with pytest.raises(DataError, match="读不出来"):
            open_at(tmp_path)
    assert (tmp_path / name).read_text(encoding="utf-8") == text
