"""Batch files: order, resumption, settings, failures. The engine is a fake that says what it was asked."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cornucopia.core.errors import DataError, Interrupted
from cornucopia.inference.batch import AnswerFile, answer_all, make_tasks, reply_of
from cornucopia.inference.engine import Engine, Limits, Reply, Sampling
from cornucopia.inference.openai_batch import response_line
from cornucopia.records.read import read_records

SETTINGS = {"base": "fake", "adapter": None, "sampling": {"temperature": 0.5}}


class Fake(Engine):
    """Answers in reverse order; fails on questions in `bad`; stops like Ctrl-C after `breaks` answers."""

    def __init__(self, bad=(), breaks=None):
        self.bad, self.breaks, self.asked = set(bad), breaks, []

    def generate(self, requests, sampling):
        for request in reversed(requests):
            if self.breaks is not None and len(self.asked) >= self.breaks:
                raise KeyboardInterrupt
            question = request.record.question
            self.asked.append(question)
            if question in self.bad:
                yield Reply(request.id, "", "error", error="坏了")
            else:
                yield Reply(request.id, f"答{question}{sampling.temperature}", "stop", 3, 2)

    def describe(self, sampling):
        return SETTINGS

    def limits(self):
        return Limits()


class Planned(Fake):
    """A fake that works in groups of four."""

    def plan(self, requests, sampling):
        return [list(requests[i : i + 4]) for i in range(0, len(requests), 4)]


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "q.json"
    rows = [{"instruction": f"问{i}", "input": "料" * (i % 2), "output": f"金{i}"} for i in range(10)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + "......\n", encoding="utf-8")
    return path


def answer(engine, data, out, settings=SETTINGS, overwrite=False):
    tasks = make_tasks(read_records(data, rejects=False), Sampling(temperature=0.5))
    return answer_all(engine, tasks, AnswerFile(out, settings, overwrite=overwrite))


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_are_in_the_input_order_with_all_fields(data, tmp_path):
    summary = answer(Fake(), data, tmp_path / "o.jsonl")
    got = rows(tmp_path / "o.jsonl")
    assert [row["question"] for row in got] == [f"问{i}" for i in range(10)]
    assert got[1] | {"key": ""} == {
        "id": "q.json:2", "question": "问1", "material": "料", "golden": "金1", "answer": "答问10.5",
        "finish_reason": "stop", "prompt_tokens": 3, "completion_tokens": 2, "domain": "", "kind": "", "key": "",
    }  # fmt: skip
    assert (summary.rows, summary.failed, summary.new_tokens) == (10, 0, 20)


def test_what_was_thought_is_in_its_own_column_and_read_again(data, tmp_path):
    class Thinking(Fake):
        def generate(self, requests, sampling):
            for reply in super().generate(requests, sampling):
                yield replace(reply, reasoning="先想")

    answer(Thinking(), data, tmp_path / "o.jsonl")
    got = rows(tmp_path / "o.jsonl")
    assert {(row["reasoning"], reply_of(row).reasoning) for row in got} == {("先想", "先想")}
    line = response_line("k", "c", replace(reply_of(got[0]), id="c"), "m", 1)
    assert line["response"]["body"]["choices"][0]["message"]["reasoning_content"] == "先想"
    assert reply_of(line) == replace(reply_of(got[0]), id="c")


@pytest.mark.parametrize("kind", [Fake, Planned])
def test_an_interrupted_run_resumes_to_the_same_bytes_without_asking_twice(kind, data, tmp_path):
    answer(kind(), data, tmp_path / "whole.jsonl")
    out = tmp_path / "o.jsonl"
    with pytest.raises(Interrupted, match="已存 5/10"):
        answer(kind(breaks=5), data, out)
    with out.open("ab") as file:
        file.write('{"id": "被杀时写了一半'.encode())
    again = kind()
    summary = answer(again, data, out)
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert summary.kept == 5
    assert len(again.asked) == (5 if kind is Fake else 6)  # a planned group that was cut is repeated whole


def test_a_finished_file_is_not_asked_again(data, tmp_path):
    answer(Fake(), data, tmp_path / "o.jsonl")
    before, engine = (tmp_path / "o.jsonl").read_bytes(), Fake()
    answer(engine, data, tmp_path / "o.jsonl")
    assert not engine.asked and (tmp_path / "o.jsonl").read_bytes() == before


def test_other_settings_are_refused_and_name_what_changed(data, tmp_path):
    out = tmp_path / "o.jsonl"
    answer(Fake(), data, out)
    before = out.read_bytes()
    changed = {**SETTINGS, "sampling": {"temperature": 0.7}}
    with pytest.raises(DataError, match=r"temperature：原来 0.5，现在 0.7"):
        answer(Fake(), data, out, changed)
    assert out.read_bytes() == before
    engine = Fake()
    answer(engine, data, out, changed, overwrite=True)
    assert len(engine.asked) == 10
    answer(Fake(breaks=0), data, out, changed)


def test_a_file_that_is_not_ours_is_never_overwritten(data, tmp_path):
    out = tmp_path / "o.jsonl"
    out.write_text('{"mine": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match="不知道"):
        answer(Fake(), data, out)
    assert out.read_text(encoding="utf-8") == '{"mine": 1}\n'


def test_answers_to_another_file_are_refused_and_an_edited_row_is_asked_again(data, tmp_path):
    out, other = tmp_path / "o.jsonl", tmp_path / "other.json"
    answer(Fake(), data, out)
    other.write_text('{"instruction": "别的"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="另一份数据"):
        answer(Fake(), other, out)
    data.write_text(data.read_text(encoding="utf-8").replace("问3", "改过的问"), encoding="utf-8")
    engine = Fake()
    answer(engine, data, out)
    assert engine.asked == ["改过的问"]
    assert [row["question"] for row in rows(out)] == [f"问{i}" if i != 3 else "改过的问" for i in range(10)]


def test_a_failed_row_is_told_and_tried_again_next_time(data, tmp_path):
    out = tmp_path / "o.jsonl"
    assert answer(Fake(bad=["问4"]), data, out).failed == 1
    assert rows(out)[4]["finish_reason"] == "error" and rows(out)[4]["error"] == "坏了"
    engine = Fake()
    assert answer(engine, data, out).failed == 0
    assert engine.asked == ["问4"] and len(rows(out)) == 10 and "error" not in rows(out)[4]


def test_rows_that_are_alike_are_all_answered(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "instruction": "同"}\n' * 3, encoding="utf-8")
    answer(Fake(), path, tmp_path / "o.jsonl")
    assert [row["id"] for row in rows(tmp_path / "o.jsonl")] == ["a", "a#2", "a#3"]


def test_lines_of_a_text_file_are_questions(tmp_path):
    path = tmp_path / "q.txt"
    path.write_text("什么是保险\n什么是股票\n\n什么是基金\n", encoding="utf-8")
    answer(Fake(), path, tmp_path / "o.jsonl")
    got = [(row["id"], row["question"]) for row in rows(tmp_path / "o.jsonl")]
    assert got == [("q.txt:1", "什么是保险"), ("q.txt:2", "什么是股票"), ("q.txt:4", "什么是基金")]
