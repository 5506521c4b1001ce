"""Votes on disk: one a voter and battle, kept through kills and full disks, whoever else writes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.comparison.votes import Battle, Side, Votes
from cornucopia.core import database
from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message, Record


def battle(name="第1局", answer="犹豫期内可以全额退保。"):
    prompt = Record.build({"messages": (Message("user", "犹豫期能退保吗？"),)})
    return Battle(name, prompt, Side("基座", "不清楚。", {"seed": 1}), Side("调优后", answer), "runs/compare")


@pytest.fixture
def votes(tmp_path):
    store = Votes(tmp_path / "里面" / "votes.sqlite3")
    yield store
    store.close()


def test_a_vote_comes_back_with_all_that_was_voted_on(votes):
    votes.cast(battle(), "小王", "b", left="b")
    (vote,) = Votes(votes.path).standing()
    assert (vote.voter, vote.verdict, vote.left) == ("小王", "b", "b")
    assert vote.battle == battle()
    assert vote.at.endswith("+00:00")


def test_one_vote_a_voter_and_a_battle(votes):
    votes.cast(battle(), "小王", "a")
    with pytest.raises(DataError, match="投过了"):
        votes.cast(battle(), "小王", "b")
    votes.cast(battle(), "小李", "b")
    assert [(vote.voter, vote.verdict) for vote in votes.standing()] == [("小王", "a"), ("小李", "b")]
    assert [vote.verdict for vote in votes.standing(voter="小李")] == ["b"]
    assert votes.standing(source="别处") == []


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("一二"), st.sampled_from("甲乙"), st.sampled_from(["a", "tie", "撤回"]))))
def test_votes_and_undoing_give_what_a_plain_table_would(tmp_path_factory, steps):
    store, wanted = Votes(tmp_path_factory.mktemp("votes") / "v.sqlite3"), {}
    for name, voter, verdict in steps:
        key = (name, voter)
        if verdict == "撤回":
            assert store.undo(name, voter) is (wanted.pop(key, None) is not None)
        elif key in wanted:
            with pytest.raises(DataError, match="投过了"):
                store.cast(battle(name), voter, verdict)
        else:
            store.cast(battle(name), voter, verdict)
            wanted[key] = verdict
    assert {(vote.battle.id, vote.voter): vote.verdict for vote in store.standing()} == wanted
    store.close()


@pytest.mark.parametrize("wrong", [{"verdict": "c"}, {"verdict": "undone"}, {"left": "右"}, {"voter": ""}])
def test_what_is_no_vote_is_refused(votes, wrong):
    with pytest.raises(DataError, match="不是一张选票"):
        votes.cast(**{"battle": battle(), "voter": "小王", "verdict": "a", **wrong})
    assert not votes.path.exists()


def test_nothing_can_be_changed_or_deleted(votes):
    votes.cast(battle(), "小王", "a")
    base = sqlite3.connect(votes.path)
    for change in ("UPDATE votes SET verdict = 'b'", "DELETE FROM votes", "DELETE FROM battles"):
        with pytest.raises(sqlite3.IntegrityError, match="kept"):
            base.execute(change)
    base.close()


def test_halves_of_characters_and_nul_do_not_stop_a_vote(votes):
    votes.cast(battle(answer="好\ud83d\x00的"), "小\udc00王", "a")
    (vote,) = votes.standing()
    assert vote.battle.b.answer == "好\ufffd\x00的"
    assert votes.undo("第1局", "小\udc00王")


VOTING = """
import sys
from cornucopia.comparison.votes import Votes
from cornucopia.core.errors import DataError
from comparison.test_votes import battle
votes, kept = Votes(sys.argv[1]), 0
for number in range(20):
    try:
        votes.cast(battle(f"第{number}局"), "大家", "a")
        kept += 1
    except DataError as error:
        assert "投过了" in str(error), error
    votes.cast(battle(f"第{number}局"), sys.argv[2], "tie")
print(kept)
"""


def test_processes_that_vote_at_once_lose_nothing_and_never_vote_twice(tmp_path):
    path = tmp_path / "votes.sqlite3"
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{VOTING}", str(path)]
    running = [subprocess.Popen([*command, f"第{n}人"], stdout=subprocess.PIPE, text=True) for n in range(3)]
    kept = [int(process.communicate(timeout=60)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0] and sum(kept) == 20
    standing = Votes(path).standing()
    assert len(standing) == 80 and len({(vote.battle.id, vote.voter) for vote in standing}) == 80


def test_a_kill_loses_no_vote_that_was_told_as_kept(tmp_path):
    path = tmp_path / "votes.sqlite3"
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from cornucopia.comparison.votes import Votes\nfrom comparison.test_votes import battle\n"
        f"votes = Votes({str(path)!r})\n"
        "for number in range(10**6):\n    votes.cast(battle(str(number)), '小王', 'a')\n    print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    told = [int(process.stdout.readline()) for _ in range(15)]
    process.kill()
    told += [int(line) for line in process.stdout if line.endswith("\n")]
    process.wait()
    assert {vote.battle.id for vote in Votes(path).standing()} >= {str(number) for number in told}
    Votes(path).cast(battle("后来"), "小王", "b")


def test_a_full_disk_is_told_and_the_earlier_votes_stay(votes):
    votes.cast(battle(), "小王", "a")
    votes._base.read(lambda base: base.execute("PRAGMA max_page_count = 1"))
    with pytest.raises(DataError, match="磁盘满了"):
        votes.cast(battle("第2局", "长" * 100_000), "小王", "a")
    votes._base.read(lambda base: base.execute("PRAGMA max_page_count = 100000"))
    votes.cast(battle("第3局"), "小王", "tie")
    assert [vote.battle.id for vote in votes.standing()] == ["第1局", "第3局"]


def test_one_who_keeps_the_file_to_himself_is_told_of(votes, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    votes.cast(battle(), "小王", "a")
    other = sqlite3.connect(votes.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataError, match="一直占着"):
        votes.cast(battle("第2局"), "小王", "a")
    assert len(votes.standing()) == 1  # reading goes on
    other.execute("ROLLBACK")
    votes.cast(battle("第2局"), "小王", "a")
    other.close()


def test_a_file_of_another_kind_is_left_alone(tmp_path):
    path = tmp_path / "votes.sqlite3"
    path.write_text("这不是数据库" * 100, encoding="utf-8")
    with pytest.raises(DataError, match="不是 SQLite"):
        Votes(path).cast(battle(), "小王", "a")
    assert path.read_text(encoding="utf-8") == "这不是数据库" * 100
