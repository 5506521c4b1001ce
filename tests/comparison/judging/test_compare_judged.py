"""`compare --judge` and `--baseline`: the verdicts in the comparison's own report, and who is compared with whom."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cornucopia.cli.main import main
from cornucopia.comparison.recipe import CompareRecipe, check
from cornucopia.comparison.results import judge_settings
from cornucopia.core.errors import ConfigError, UsageError
from servers import chat_server


def answer(body):
    if body["model"] == "评委":
        text = body["messages"][-1]["content"]
        return "[[A]]" if "长" in text.partition("助手 B 的回答开始")[0] else "[[B]]"
    return "长" * 30 if body["model"] == "乙" else "短"


@pytest.fixture
def questions(tmp_path) -> Path:
    path = tmp_path / "q.jsonl"
    rows = [{"instruction": f"第{n}问", "output": f"答{n}"} for n in range(6)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def words(server, questions, out, *more):
    names = [word for name in ("甲", "乙") for word in ("--contestant", f"{name}={server.url}#{name}")]
    return ["compare", "--questions", str(questions), "--output-dir", str(out), *names, *more]


def test_verdicts_stand_in_the_comparisons_report_and_are_not_asked_for_again(questions, tmp_path, capsys):
    out, cache = tmp_path / "out", ["--judging.cache", str(tmp_path / "cache")]
    with chat_server(answer=answer) as server:
        judge = ["--judge", f"{server.url}#评委", *cache]
        assert main(words(server, questions, out, *judge)) == 0
        assert sum(body["model"] == "评委" for body in server.requests) == 12
        assert "胜负" in capsys.readouterr().out
        assert main(words(server, questions, out, *judge, "--judging.how", "pairwise")) == 0
        assert sum(body["model"] == "评委" for body in server.requests) == 12 and len(server.requests) == 24
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'id="judges"' in page and 'class="win"' in page and "评委是怎么问的" in page
    assert "| 乙 | 甲 | 6 | 0 | 0 |" in (out / "answers.md").read_text(encoding="utf-8")
    assert json.loads((out / "judge.json").read_text(encoding="utf-8"))["judges"][0]["versus"][0]["wins"] == 6
    assert (out / "judge.html").exists()


def test_answers_are_reported_even_if_the_judge_is_gone(questions, tmp_path, capsys):
    def gone(body):
        return (401, {}, b"{}") if body["model"] == "评委" else answer(body)

    out = tmp_path / "out"
    with chat_server(answer=gone) as server:
        judge = ["--judge", f"{server.url}#评委", "--judging.cache", str(tmp_path / "cache")]
        assert main(words(server, questions, out, *judge)) == 1
    assert 'id="judges"' not in (out / "report.html").read_text(encoding="utf-8")
    assert "没有得到回答" in capsys.readouterr().err


def test_the_baseline_comes_first_and_must_be_there(questions, tmp_path, capsys):
    out = tmp_path / "out"
    with chat_server(answer=answer) as server:
        assert main(words(server, questions, out, "--baseline", "乙")) == 0
        assert "「甲」比「乙」：" in capsys.readouterr().err
        assert main(words(server, questions, out, "--baseline", "丙")) == 2
    with pytest.raises(UsageError, match="没有这个选手"):
        check(CompareRecipe.build({"questions": "q", "contestants": ["nano"], "baseline": "x"}))


def test_a_judge_that_may_cost_is_refused_before_anything_is_asked():
    values = {"questions": "q", "contestants": ["nano"], "judge": ["https://api.deepseek.com#m"]}
    with pytest.raises(ConfigError, match="同意"):
        judge_settings(CompareRecipe.build(values))
    agreed = judge_settings(CompareRecipe.build({**values, "judging": {"yes": True, "how": "graded"}}))
    assert (
        agreed is not None
        and agreed.how == "graded"
        and judge_settings(CompareRecipe.build({**values, "judge": []})) is None
    )
    with pytest.raises(ConfigError, match="judging"):
        judge_settings(CompareRecipe.build({**values, "judging": {"hwo": "graded"}}))
