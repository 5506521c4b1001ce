"""Messages on standard error, results on standard output, progress without a terminal."""

from __future__ import annotations

import io
import json
import sys

import pytest

from cornucopia.core import console
from cornucopia.core.console import Progress, say, show_table, warn


@pytest.mark.parametrize("encoding", ["gbk", "ascii", "latin-1", "utf-8", "big5"])
def test_no_character_stops_output_and_json_stays_json(encoding, monkeypatch):
    text = "金📈€✅\ud83d\udcff ö"
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    console.settle_streams()
    say(text)
    show_table(text, ["项", text], [(text, 1)])
    sys.stdout.flush()
    start = len(raw.getvalue())
    print(json.dumps(text, ensure_ascii=False), flush=True)
    shown = raw.getvalue()[start:].decode(encoding)
    assert json.loads(shown) == json.loads(json.dumps(text))
    assert ("金" in shown) == (encoding in ("gbk", "utf-8", "big5"))


def test_what_the_user_chose_for_a_stream_stays(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="gbk", errors="ignore"))
    console.settle_streams()
    assert sys.stdout.errors == "ignore"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_messages_and_tables_do_not_mix(capsys):
    say("做完了")
    warn("磁盘将满")
    show_table("表[/b]", ["项", "[/a]值"], [("词元", 12), ("[bold]粗", "[/x]")])
    out, err = capsys.readouterr()
    assert err == "做完了\n注意：磁盘将满\n"
    assert "词元" in out and "12" in out and "做完了" not in out
    assert all(text in out for text in ("[bold]粗", "[/x]", "[/a]值", "表[/b]"))  # not taken for markup


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_plain_progress_is_a_line_now_and_then_and_the_last(capsys, clock):
    with Progress("训练", 100) as bar:
        for step in range(1, 101):
            clock[0] += 1
            bar.update(step, f"损失 {step}")
    lines = capsys.readouterr().err.splitlines()
    assert 8 <= len(lines) <= 12
    assert lines[0] == "训练 1/100 剩余 --:-- 损失 1" and lines[1] == "训练 11/100 剩余 01:29 损失 11"
    assert lines[-1] == "训练 100/100 剩余 00:00 损失 100"


def test_time_left_of_a_resumed_run_counts_its_own_pace(capsys, clock):
    with Progress("训练", 100, done=90) as bar:
        for _ in range(2):
            clock[0] += 10
            bar.advance()
    assert "92/100 剩余 01:20" in capsys.readouterr().err


def test_no_time_is_told_while_units_come_all_at_once(capsys, clock):
    """A batch of 64 answers ends in one step: the first of them says nothing of the pace."""
    with Progress("推理", 286) as bar:
        for _ in range(2):
            clock[0] += 20
            for _ in range(64):
                bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["推理 1/286 剩余 --:--", "推理 65/286 剩余 02:16"]


def test_nothing_to_do_and_more_than_expected(capsys):
    with Progress("空", 0) as bar:
        bar.update(0)
        bar.advance(3, "多了")
    assert "剩余 00:00" in capsys.readouterr().err


def test_on_a_terminal_there_is_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(RuntimeError), Progress("推理[1]", 3) as bar:
        bar.advance(2, "note [/x]")
        raise RuntimeError
    text = sys.stderr.getvalue()
    assert "推理" in text and "2/3" in text


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_whole_cells_are_never_broken_and_no_name_is_gone(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    columns = ["题型", "选手", "字符F1", "数字正确率"]
    rows = [["问答", "基座", "0.23 [0.18, 0.28]", "100%"], ["", "一个名字很长很长的选手", "0.30 [0.25, 0.35]", ""]]
    show_table("表", columns, rows, whole=2)
    text = terminal.getvalue()
    assert all(cell in text for row in rows for cell in row)
    assert ("问答 · 一个名字很长很长的选手" in text) == (width <= 60)


def test_a_text_typed_in_another_encoding_is_text_again():
    assert console.typed_text("定投📈") == "定投📈"
    assert console.typed_text("定投".encode().decode("ascii", "surrogateescape")) == "定投"
    assert console.typed_text("问".encode("gbk").decode("ascii", "surrogateescape")).isprintable()
