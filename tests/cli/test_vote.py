"""`cornucopia vote`: keys, sides, resuming and taking back, and that no name is shown before the votes are in."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from cornucopia.cli.main import main
from cornucopia.comparison.votes import FILE, Votes
from cornucopia.comparison.voting import Voting, read_answers
from cornucopia.core.jsonl import write_json, write_jsonl


@pytest.fixture
def result(tmp_path):
    """A comparison of two contestants on eight questions, as `compare` leaves it."""
    rows = [
        {
            "contestant": name, "id": f"q{number}", "question": f"第{number}问", "material": "", "answer": answer,
            "fingerprint": print_, "question_fingerprint": str(number),
        }
        for number in range(8)
        for name, answer, print_ in (("密甲", f"差\x1b[2J{number}", "f1"), ("密乙", f"强{number}", "f2"))
    ]  # fmt: skip
    write_jsonl(tmp_path / "answers.jsonl", rows)
    write_json(tmp_path / "settings.json", {"f1": {"base": "某某"}})
    return tmp_path


def vote(result, typed, monkeypatch, *words):
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    return main(["vote", str(result), "--voter", "小王", *words])


def standing(result):
    return Votes(result / FILE).standing()


class Keys(io.StringIO):
    """Presses 1 or 2, whichever answer on the screen begins with the wanted word."""

    def __init__(self, capsys, wanted):
        super().__init__()
        self.capsys, self.wanted, self.seen = capsys, wanted, ""

    def readline(self):
        shown = self.capsys.readouterr().out
        self.seen += shown
        return "1\n" if shown.index(self.wanted) < shown.index("强" if self.wanted == "差" else "差") else "2\n"


def test_all_are_voted_on_blind_and_the_winner_is_told_at_the_end(result, monkeypatch, capsys):
    keys = Keys(capsys, "强")
    monkeypatch.setattr(sys, "stdin", keys)
    assert main(["vote", str(result), "--voter", "小王"]) == 0
    assert "密" not in keys.seen and "\x1b" not in keys.seen
    shown = capsys.readouterr()
    votes = standing(result)
    assert {(v.battle.a.model if v.verdict == "a" else v.battle.b.model) for v in votes} == {"密乙"} and len(votes) == 8
    assert {v.left for v in votes} == {"a", "b"}  # sides are shuffled
    assert votes[0].battle.b.settings == {"base": "某某"} or votes[0].battle.a.settings == {"base": "某某"}
    assert "密乙" in shown.out.splitlines()[4] and "加了半局" in shown.err


def test_it_goes_on_where_it_stopped_and_takes_back(result, monkeypatch, capsys):
    assert vote(result, "1\n２\nq\n", monkeypatch) == 0  # a full-width key counts
    assert len(standing(result)) == 2
    assert vote(result, "3\nu\n4\ns\nu\nu\n?\n", monkeypatch) == 0  # the last undo finds nothing of this sitting
    said = capsys.readouterr().err
    assert "共 8 局，投过 2 局" in said and "没有可撤的票" in said
    assert [v.verdict for v in standing(result)[2:]] == []
    assert vote(result, "4\n" * 9, monkeypatch) == 0 and len(standing(result)) == 8
    assert vote(result, "", monkeypatch) == 0 and "都投过了" in capsys.readouterr().err


def test_the_order_is_the_voters_own_and_repeats(result, tmp_path):
    battles = read_answers(result).battles

    def order(voter, seed=0):
        voting = Voting(battles, Votes(tmp_path / "none" / FILE), voter, seed)
        return [(offer.battle.id, offer.left, voting.skip())[:2] for offer in voting.offers()]

    assert order("王") == order("王")
    assert len({tuple(order("王")), tuple(order("李")), tuple(order("王", 1))}) == 3


@pytest.mark.parametrize("columns", [80, 120])
def test_answers_are_shown_whole(result, monkeypatch, capsys, columns):
    rows = [json.loads(line) for line in (result / "answers.jsonl").read_text(encoding="utf-8").splitlines()[:2]]
    rows[0]["answer"], rows[1]["answer"] = "".join(map(chr, range(0x4E00, 0x4F00))), "字" * 300
    write_jsonl(result / "answers.jsonl", rows)
    monkeypatch.setenv("COLUMNS", str(columns))
    vote(result, "q\n", monkeypatch)
    shown = capsys.readouterr().out
    assert ("┃" in shown) is (columns == 120)  # side by side where there is room
    assert all(chr(code) in shown for code in range(0x4E00, 0x4F00)) and shown.count("字") == 300 and "…" not in shown


def test_what_cannot_be_voted_on_is_told(result, monkeypatch, capsys):
    rows = [json.loads(line) for line in (result / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    rows[0]["answer"] = rows[1]["answer"]
    rows[2] |= {"answer": "", "error": "超时"}
    write_jsonl(result / "answers.jsonl", rows)
    assert vote(result, "q\n", monkeypatch) == 0
    said = capsys.readouterr().err
    assert "1 对回答一字不差" in said and "1 个回答是空的或出错了" in said and "共 6 局" in said


def test_names_are_told_after_each_vote_where_that_is_asked(result, monkeypatch, capsys):
    assert vote(result, "1\nq\n", monkeypatch, "--reveal") == 0
    assert "第一个是 密" in capsys.readouterr().err


def test_pairs_are_written(result, monkeypatch, capsys):
    out = result / "偏好.jsonl"
    assert vote(result, "", monkeypatch, "--export", str(out)) == 1 and "还没有投票" in capsys.readouterr().err
    vote(result, "3\n1\n2\nq\n", monkeypatch)
    assert vote(result, "", monkeypatch, "--export", str(out)) == 0
    assert "2 对写在" in (said := capsys.readouterr().err) and "1 局没有写：不分高下" in said
    assert [set(json.loads(line)) >= {"prompt", "chosen", "rejected"} for line in out.open(encoding="utf-8")] == [
        True
    ] * 2
    assert main(["vote", str(result / FILE), "--leaderboard"]) == 0 and "密乙" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "told"),
    [(None, "没有比较的结果"), ('{"id": 1}\n', "读不懂"), ("[1]\n", "读不懂"), ("", "没有两个不同的回答")],
)
def test_a_folder_that_holds_no_comparison(tmp_path, lines, told, monkeypatch, capsys):
    if lines is not None:
        (tmp_path / "answers.jsonl").write_text(lines, encoding="utf-8")
    assert vote(tmp_path, "1\n", monkeypatch) == 1
    assert told in capsys.readouterr().err and not (tmp_path / FILE).exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_a_terminal_takes_single_keys(result):
    import pty
    import subprocess

    main_end, other = pty.openpty()
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\nfrom cornucopia.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "vote", str(result), "--voter", "小王"]
    process = subprocess.Popen(command, stdin=other, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    os.write(main_end, b"1234sq")
    process.communicate(timeout=60)
    os.close(other)
    os.close(main_end)
    assert process.returncode == 0 and len(standing(result)) == 4


def test_the_commands_of_its_page_run(result, monkeypatch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    page = (Path(__file__).resolve().parents[2] / "docs" / "arena.md").read_text(encoding="utf-8")
    (folder / "runs").mkdir()
    (folder / "runs" / "compare").symlink_to(result)
    (folder / "serve").symlink_to(result)
    monkeypatch.chdir(folder)
    commands = [line.partition("#")[0] for line in page.splitlines() if line.startswith("cornucopia vote")]
    assert len(commands) == 4
    for command in commands:
        monkeypatch.setattr(sys, "stdin", io.StringIO("1\n" * 8))
        assert main(shlex.split(command)[1:]) == 0
    assert (folder / "偏好.jsonl").is_file()
