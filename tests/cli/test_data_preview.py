"""`cornucopia data preview`: what is trained is marked, everything else is not."""

from __future__ import annotations

import io
import json
import re
import sys

import pytest

from cornucopia.cli.main import main


@pytest.fixture
def data(tmp_path):
    rows = [
        {"instruction": "什么是犹豫期", "input": "", "output": "十五天。"},
        {"instruction": "归纳", "input": "公告" * 40, "output": "净值下跌 3%。"},
        {"instruction": "没有回答的问题", "input": "", "output": ""},
        {"instruction": "长", "input": "", "output": "很长的回答。" * 60},
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def preview(*words):
    return main(["data", "preview", *map(str, words)])


def test_answer_and_end_are_marked_and_nothing_else(data, small, capsys):
    assert preview(data, "--model", small, "-n", "2", "--template", "fin_template") == 0
    out = capsys.readouterr().out
    assert re.findall(r"【(.*?)】", out) == ["十五天。</s>", "净值下跌 3%。</s>"]
    assert "<s>下面是一个问题" in out and "q.jsonl:1：" in out and "q.jsonl:3" not in out
    assert "3 条可训练（共 4 条）" in out


def test_what_is_cut_or_cannot_be_trained_is_said(data, small, capsys):
    assert preview(data, "--model", small, "-n", "4", "--cutoff-len", "110") == 0
    out = capsys.readouterr().out
    assert "问题或材料已截短" in out and "回答已截断（没有结束符）" in out and "没有答案（训练需要答案）" in out
    assert "截短问题 1 条，截断回答 1 条" in out


def test_documents_and_thinking_are_shown_as_they_are_trained(tmp_path, small, capsys):
    path = tmp_path / "mixed.jsonl"
    rows = [{"text": "等额本息", "complete": False}, {"instruction": "问", "output": "答", "topic": "主题"}]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert preview(path, "--model", small, "--template", "fin_template", "--columns", "reasoning=topic") == 0
    out = capsys.readouterr().out
    assert re.findall(r"【(.*?)】", out, re.S) == ["等额本息", "<think>\n主题\n</think>\n\n答</s>"]
    assert "2 条可训练（共 2 条）" in out


def test_on_a_terminal_it_is_coloured(data, small, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert preview(data, "--model", small, "-n", "1") == 0
    text = sys.stdout.getvalue()
    assert "\x1b[1;32m十五天" in text and "【" not in text


def test_a_missing_file_or_model_is_told(data, tmp_path, capsys):
    assert preview(data, "--model", tmp_path / "none") == 1
    assert preview(tmp_path / "none.json", "--model", tmp_path) == 1
    assert "错误：" in capsys.readouterr().err
    assert preview("--help-me") == 2
