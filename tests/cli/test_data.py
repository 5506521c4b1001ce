"""`cornucopia data`: what a user sees and the exit codes."""

from __future__ import annotations

import json

import pytest

from cornucopia.cli import data
from cornucopia.cli.main import main

ROWS = [{"instruction": f"第{n}个问题怎么办理", "input": "", "output": f"答案{n}", "domain": "贷款"} for n in range(5)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "fin.json"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n......\n", encoding="utf-8")
    return path


def test_help_lists_every_sub_command(capsys):
    assert main(["data"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in data.SUBCOMMANDS)
    with pytest.raises(SystemExit):
        main(["data", "stats", "--help"])
    assert "--against" in capsys.readouterr().out


def test_unknown_sub_command_and_missing_file(capsys):
    assert main(["data", "stat"]) == 2
    assert "cornucopia data stats" in capsys.readouterr().err
    assert main(["data", "stats"]) == 2
    assert main(["data", "check", "nowhere.json"]) == 1


def test_stats_as_json_with_held_out(file, tmp_path, capsys):
    held = tmp_path / "held.json"
    held.write_text(json.dumps([ROWS[3], {"instruction": "另一个完全不同的话题", "output": "x"}]), encoding="utf-8")
    assert main(["data", "stats", str(file), "--against", str(held), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["records"], report["rejects"], report["domains"]) == (5, 1, {"贷款": 5})
    assert [(pair["left"], pair["right"]) for pair in report["overlap"]] == [("fin.json:4", "held.json:1")]


def test_stats_for_people(file, capsys):
    assert main(["data", "stats", str(file), "--against", str(file)]) == 0
    out = capsys.readouterr().out
    assert "贷款" in out and "5 条里有 5 条" in out
    assert list(file.parent.iterdir()) == [file]


def test_check_lists_bad_rows(file, capsys):
    assert main(["data", "check", str(file)]) == 1
    assert f"{file}:6" in capsys.readouterr().out
    file.write_text("...\n...", encoding="utf-8")
    assert main(["data", "check", str(file)]) == 1
    assert f"{file}:2" in capsys.readouterr().out
    file.write_text(json.dumps(ROWS), encoding="utf-8")
    assert main(["data", "check", str(file)]) == 0


def test_convert_with_own_columns(tmp_path, capsys):
    source, out = tmp_path / "faq.csv", tmp_path / "new" / "out.jsonl"
    source.write_text("客户提问,答复\n一,答一\n二\n", encoding="utf-8")
    words = ["--from-columns", "question=客户提问,answer=答复", "--to", "openai", "--out", str(out)]
    assert main(["data", "convert", str(source), *words]) == 0
    row = json.loads(out.read_text("utf-8"))
    assert [turn["content"] for turn in row["messages"]] == ["一", "答一"]
    assert (out.parent / "faq.rejects.jsonl").exists()
    assert main(["data", "convert", str(source), *words, "--strict"]) == 1
    assert "faq.csv:3" in capsys.readouterr().err


def test_rephrase_adds_wordings_and_says_when_none_fits(tmp_path, capsys):
    source, asked, out = tmp_path / "a.jsonl", tmp_path / "w.json", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"id": "a", "instruction": "问", "output": "答"}) + "\n", encoding="utf-8")
    asked.write_text(json.dumps({"id": "a", "ask": ["又问", "再问"]}) + "\n", encoding="utf-8")
    words = ["data", "rephrase", str(source), "--wordings", str(asked), "--out", str(out)]
    assert main([*words, "--per-record", "1"]) == 0
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == ["a", "a~1"] and {row["output"] for row in rows} == {"答"}
    asked.write_text(json.dumps({"id": "b", "ask": ["又问"]}) + "\n", encoding="utf-8")
    assert main(words) == 1 and "没有一条的 id" in capsys.readouterr().err


def test_an_empty_path_is_refused_and_reads_no_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "别的.jsonl").write_text('{"instruction": "甲？", "output": "乙。"}\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", ""]) == 1
    assert "是空的" in capsys.readouterr().err


def test_stats_count_tokens_and_scores(file, tmp_path, capsys):
    scored = tmp_path / "scored.jsonl"
    assert main(["data", "score", str(file), "--out", str(scored), "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["data", "stats", str(scored), "--model", "nano", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["tokens"]["question"]["total"] > 0 and report["scores"]["quality"]["count"] == report["records"]
    assert main(["data", "stats", str(scored), "--model", "nano"]) == 0
    out = capsys.readouterr().out
    assert "每字" in out and "quality" in out
