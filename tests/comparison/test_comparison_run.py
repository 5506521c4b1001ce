"""A comparison fills every cell once, whatever fails or is killed on the way."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from comparison_fakes import FakeEngine, Lab, make_recipe, make_records
from cornucopia.comparison.cells import make_questions
from cornucopia.comparison.run import _counted, compare
from cornucopia.core.console import Progress
from cornucopia.core.errors import DataError, Interrupted, ModelError
from cornucopia.inference.engine import Reply
from cornucopia.records.schema import Message, Record


@pytest.fixture
def records() -> list[Record]:
    return make_records()


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()]


def echo(prefix: str) -> FakeEngine:
    return FakeEngine(lambda question: f"{prefix}：{question}")


def test_every_cell_once_in_order_with_one_opening_for_one_base(tmp_path, records):
    lab = Lab({"基座": echo("甲"), "调优": echo("乙")})
    compare(make_recipe(tmp_path, "基座", "调优"), records, lab)
    rows = rows_of(tmp_path)
    assert [(row["id"], row["contestant"]) for row in rows] == [(r.id, n) for r in records for n in ("基座", "调优")]
    assert lab.groups == [["基座", "调优"]]
    row = rows[0]
    assert row["answer"] == "甲：" + row["question"] and row["golden_nll"] == 2.0 * row["golden_tokens"] > 0
    assert row["finish_reason"] == "stop" and row["domain"] == "保险" and row["fingerprint"] and not row["error"]


def test_other_settings_of_the_base_are_another_load(tmp_path, records):
    contestants = [
        {"name": "甲", "base": "b"},
        {"name": "乙", "base": "b", "bits": 4},
        {"name": "丙", "base": "b", "template": "t"},
    ]
    lab = Lab({name: echo(name) for name in "甲乙丙"})
    compare(make_recipe(tmp_path, contestants=contestants), records, lab)
    assert lab.groups == [["甲", "丙"], ["乙"]]


def test_second_run_asks_nothing_and_leaves_the_same_file(tmp_path, records):
    recipe = make_recipe(tmp_path, "甲", "乙")
    compare(recipe, records, Lab({"甲": echo("a"), "乙": echo("b")}))
    before = (tmp_path / "answers.jsonl").read_bytes()
    lab = Lab({})
    compare(recipe, records, lab)
    assert lab.groups == [] and (tmp_path / "answers.jsonl").read_bytes() == before


def test_a_new_contestant_computes_only_its_column(tmp_path, records):
    first = echo("a")
    compare(make_recipe(tmp_path, "甲"), records, Lab({"甲": first}))
    lab = Lab({"甲": first, "乙": echo("b")})
    compare(make_recipe(tmp_path, "甲", "乙"), records, lab)
    assert lab.groups == [["乙"]] and len(first.asked) == len(records) and len(rows_of(tmp_path)) == 2 * len(records)


def test_changed_question_or_settings_recompute_only_those_cells(tmp_path, records):
    compare(make_recipe(tmp_path, "甲", "乙"), records, Lab({"甲": echo("a"), "乙": echo("b")}))
    changed = [Record((Message("user", "新问题？"),), id="q0"), *records[1:]]
    engines = {"甲": echo("a"), "乙": echo("b")}
    compare(make_recipe(tmp_path, "甲", "乙"), changed, Lab(engines))
    assert [engine.asked for engine in engines.values()] == [["新问题？"]] * 2
    recipe = make_recipe(tmp_path, contestants=[
        {"name": "甲", "base": "b"},
        {"name": "乙", "base": "b", "adapter": "lora-乙", "sampling": {"temperature": 0.7}},
    ])  # fmt: skip
    lab = Lab({"乙": echo("热")})
    compare(recipe, changed, lab)
    assert lab.groups == [["乙"]] and {row["answer"][:1] for row in rows_of(tmp_path) if row["contestant"] == "乙"} == {
        "热"
    }
    assert len(rows_of(tmp_path)) == 2 * len(records)


def test_going_back_or_to_fewer_questions_loses_nothing(tmp_path, records):
    recipe = make_recipe(tmp_path, "甲")
    compare(recipe, records, Lab({"甲": echo("a")}))
    compare(make_recipe(tmp_path, "甲", limit=2), records, Lab({}))
    assert len(rows_of(tmp_path)) == 2
    compare(recipe, records, Lab({}))
    assert len(rows_of(tmp_path)) == len(records)


def test_only_some_kinds_are_asked(tmp_path, records):
    kinds = [replace(record, kind="calc" if at % 2 else "") for at, record in enumerate(records)]
    compare(make_recipe(tmp_path, "甲", kinds=["calc"]), kinds, Lab({"甲": echo("a")}))
    assert {row["kind"] for row in rows_of(tmp_path)} == {"calc"}
    with pytest.raises(DataError, match="没有这种题"):
        compare(make_recipe(tmp_path, "甲", kinds=["cal"]), kinds, Lab({}))


def test_a_retrained_adapter_is_asked_again(tmp_path, records):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"one")
    recipe = make_recipe(tmp_path / "out", contestants=[{"name": "甲", "base": "b", "adapter": str(adapter)}])
    compare(recipe, records, Lab({"甲": echo("旧")}))
    (adapter / "adapter_model.safetensors").write_bytes(b"two")
    compare(recipe, records, Lab({"甲": echo("新")}))
    assert {row["answer"][:1] for row in rows_of(tmp_path / "out")} == {"新"}


def test_one_that_does_not_open_spoils_nothing_and_is_tried_again(tmp_path, records):
    recipe = make_recipe(tmp_path, "甲", "坏", "乙")
    lab = Lab({"甲": echo("a"), "坏": ModelError("适配器坏了", fix="重新训练"), "乙": echo("b")})
    compare(recipe, records, lab)
    rows = rows_of(tmp_path)
    assert {row["contestant"]: bool(row["error"]) for row in rows} == {"甲": False, "坏": True, "乙": False}
    assert "适配器坏了" in next(row["error"] for row in rows if row["error"])
    mended = Lab({"坏": echo("好")})
    compare(recipe, records, mended)
    assert (
        mended.groups == [["坏"]]
        and not any(row["error"] for row in rows_of(tmp_path))
        and len(rows_of(tmp_path)) == 30
    )


def test_one_that_fails_midway_keeps_what_it_answered(tmp_path, records):
    def answer(question: str) -> str:
        if "第4问" in question:
            raise RuntimeError("显存不足")
        return "答"

    compare(make_recipe(tmp_path, "甲", "乙"), records, Lab({"甲": FakeEngine(answer), "乙": echo("b")}))
    errors = {row["id"] for row in rows_of(tmp_path) if row["error"]}
    assert errors == {"q0", "q1", "q2", "q3", "q4"}  # the fake works from the end
    assert all("RuntimeError: 显存不足" in row["error"] for row in rows_of(tmp_path) if row["error"])


@pytest.mark.parametrize("part", ["plan", "describe"])
def test_one_that_cannot_even_plan_fails_alone(tmp_path, records, part):
    engine = echo("a")
    setattr(engine, part, lambda *_: 1 / 0)
    compare(make_recipe(tmp_path, "甲", "乙"), records, Lab({"甲": engine, "乙": echo("b")}))
    assert {(row["contestant"], bool(row["error"])) for row in rows_of(tmp_path)} == {("甲", True), ("乙", False)}


def test_a_silent_engine_gives_error_cells(tmp_path, records):
    engine = echo("a")
    engine.generate = lambda requests, sampling: iter(())  # type: ignore[method-assign]
    compare(make_recipe(tmp_path, "甲"), records, Lab({"甲": engine}))
    assert len([row for row in rows_of(tmp_path) if row["error"]]) == len(records)


def test_a_golden_loss_that_fails_costs_only_the_perplexity(tmp_path, records):
    engine = echo("a")
    engine.score = lambda records: 1 / 0  # type: ignore[method-assign]
    compare(make_recipe(tmp_path, "甲"), records, Lab({"甲": engine}))
    assert all(row["answer"] and row["golden_nll"] is None for row in rows_of(tmp_path))


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it and tidy up."""


@pytest.mark.parametrize("seed", range(4))
def test_interrupted_anywhere_then_resumed_equals_uninterrupted(tmp_path, records, seed):
    recipe = make_recipe(tmp_path / "cut", "甲", "乙")
    compare(make_recipe(tmp_path / "whole", "甲", "乙"), records, Lab({"甲": echo("a"), "乙": echo("b")}))
    chance = random.Random(seed)
    for _ in range(3):
        left = [chance.randint(0, 12)]

        def answer(question: str, left=left) -> str:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return f"a：{question}"

        lab = Lab({"甲": FakeEngine(answer), "乙": echo("b")})
        try:
            compare(recipe, records, lab)
        except Killed:
            with (tmp_path / "cut" / "answers.jsonl").open("ab") as file:
                file.write(b'{"contestant": "\xe7')  # a line cut in half
    compare(recipe, records, Lab({"甲": echo("a"), "乙": echo("b")}))
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "whole")


def test_ctrl_c_says_what_is_saved(tmp_path, records):
    def answer(question: str) -> str:
        if "第5问" in question:
            raise KeyboardInterrupt
        return "答"

    with pytest.raises(Interrupted, match="已存 4/10 格") as caught:
        compare(make_recipe(tmp_path, "甲"), records, Lab({"甲": FakeEngine(answer)}))
    assert caught.value.exit_code == 130 and len(rows_of(tmp_path)) == 4


def test_batches_are_planned_from_all_questions_and_replayed_whole(tmp_path, records):
    class Planner(FakeEngine):
        def plan(self, requests, sampling):
            return [list(requests[start : start + 4]) for start in range(0, len(requests), 4)]

    killer = Planner(lambda question: "答" if "第2问" not in question else (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(Interrupted):
        compare(make_recipe(tmp_path, "甲"), records, Lab({"甲": killer}))
    engine = Planner(lambda question: "答")
    compare(make_recipe(tmp_path, "甲"), records, Lab({"甲": engine}))
    assert len(engine.asked) == 10 and len(rows_of(tmp_path)) == 10  # the batch of q3 is asked again whole


class Thinker(FakeEngine):
    """A local engine that thinks of each question before it answers, and notes what it was to score."""

    def plan(self, requests, sampling):
        return [list(requests[:4]), list(requests[4:])]

    def generate(self, requests, sampling):
        for reply in super().generate(requests, sampling):
            yield replace(reply, reasoning=f"想{reply.id}")

    def score(self, items):
        self.scored = [*getattr(self, "scored", []), *items]
        return super().score(items)


def test_a_golden_answer_is_scored_after_the_contestants_own_thought(tmp_path, records):
    engine = Thinker(lambda question: "答")
    compare(make_recipe(tmp_path, "甲", "乙"), records, Lab({"甲": echo("a"), "乙": engine}))
    rows = rows_of(tmp_path)
    thoughts = [row.get("reasoning") for row in rows]
    assert thoughts == [f"想{row['question_fingerprint']}" if row["contestant"] == "乙" else None for row in rows]
    assert {record.messages[-1].reasoning for record in engine.scored} == {text for text in thoughts if text}
    assert [record.golden for record in engine.scored] == [record.golden for record in records]


def test_what_the_datas_own_answer_thinks_is_not_lent_to_a_contestant(tmp_path, records):
    thinking = [replace(r, messages=(*r.messages[:-1], replace(r.messages[-1], reasoning="金"))) for r in records]
    engine = Thinker(lambda question: "答")
    engine.generate = lambda requests, sampling: FakeEngine.generate(engine, requests, sampling)  # thinks nothing
    compare(make_recipe(tmp_path, "甲"), thinking, Lab({"甲": engine}))
    assert {record.messages[-1].reasoning for record in engine.scored} == {""}


def test_system_prompt_reaches_the_engine_and_the_fingerprint(tmp_path, records):
    seen = []

    class Watcher(FakeEngine):
        def generate(self, requests, sampling):
            seen.extend(request.record.messages[0].content for request in requests)
            return super().generate(requests, sampling)

    plain, told = make_recipe(tmp_path, "甲"), make_recipe(tmp_path, "甲", system="你是理财顾问")
    compare(told, records, Lab({"甲": Watcher(lambda question: "答")}))
    assert set(seen) == {"你是理财顾问"}
    assert plain.fingerprint_of(plain.contestants[0]) != told.fingerprint_of(told.contestants[0])


def test_repeated_questions_and_ids_keep_their_rows(tmp_path):
    records = [make_records(1)[0]] * 2 + [Record((Message("user", "别的？"),))]
    engine = echo("a")
    compare(make_recipe(tmp_path, "甲"), records, Lab({"甲": engine}))
    assert [row["id"] for row in rows_of(tmp_path)] == ["q0", "q0#2", "3"] and len(engine.asked) == 2
    assert len({question.id for question in make_questions(records)}) == 3


def test_no_questions_is_an_error(tmp_path):
    with pytest.raises(DataError, match="没有一道题"):
        compare(make_recipe(tmp_path, "甲"), [Record(text="一篇文章")], Lab({}))


@pytest.mark.parametrize("damage", ["{}\n不是 JSON\n", "[1]\n", "\xff\n"])
def test_results_damaged_from_outside_are_an_error_that_keeps_them(tmp_path, records, damage):
    path = tmp_path / "answers.jsonl"
    path.write_text(damage, encoding="latin-1" if damage == "\xff\n" else "utf-8")
    before = path.read_bytes()
    with pytest.raises(DataError, match="读不出来"):
        compare(make_recipe(tmp_path, "甲"), records, Lab({}))
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, records):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="output-dir"):
        compare(make_recipe(tmp_path / "file" / "out", "甲"), records, Lab({}))


class Refused(FakeEngine):
    """An endpoint that answers every question with an error."""

    def generate(self, requests, sampling):
        for request in requests:
            yield Reply(request.id, "", "error", error="401：密钥不对")


def test_the_terminal_says_once_why_questions_were_not_answered(tmp_path, records, capsys):
    compare(make_recipe(tmp_path, "甲", "乙"), records, Lab({"甲": echo("a"), "乙": Refused(str)}))
    told = [line for line in capsys.readouterr().err.splitlines() if "401" in line]
    assert len(told) == 1 and "乙" in told[0] and str(len(records)) in told[0]


def test_answers_are_counted_as_they_come_and_only_those_that_were_missing():
    bar = Progress("甲", 2)
    replies = _counted((Reply(name, "答", "stop") for name in "abc"), {"b", "c"}, bar)
    assert [(next(replies).id, bar.done) for _ in range(3)] == [("a", 0), ("b", 1), ("c", 2)]
