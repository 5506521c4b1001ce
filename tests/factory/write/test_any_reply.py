"""Whatever a model says and whatever stands in a document, no step fails, loses a record silently or cites falsely."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cornucopia.factory.tables import STAGES, load
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.replies import OVER
from cornucopia.records.evidence import KEY, Evidence, evidence_of
from cornucopia.records.native import pack, unpack
from cornucopia.records.schema import Passage, Record
from cornucopia.records.stage import Context
from writing_fakes import pair

FOLDER = Path("nowhere")
words = st.text(alphabet=st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        "年利率为4.35%，按月计息。",
        "【客户】问？\n【顾问】答。",
        "得分：0.8",
        "很抱歉，我无法",
        "\x00",
        "{{ 7*7 }}",
        "第3条 1,000元",
    ]
)
item = st.fixed_dictionaries(
    {},
    optional={
        "question": words, "quotes": st.lists(words, max_size=3) | words, "form": words, "answer": words,
        "output": words, "answerable": st.booleans(), "instruction": words, "labels": st.lists(words, max_size=3),
        "input": words, "label": words, "score": st.floats() | st.integers() | words | st.none(),
    },
)  # fmt: skip
said = words | st.builds(json.dumps, item | st.lists(item, max_size=3)) | st.lists(words).map("\n".join)


class Anything:
    """An asker whose model says whatever the test draws."""

    model = "任何模型"

    def __init__(self, data):
        self.data = data

    def ask(self, prompts):
        return {prompt.id: self.reply(prompt.id) for prompt in prompts}

    def reply(self, name):
        kind = self.data.draw(st.sampled_from(["said", "said", "said", "said", "length", "blocked", "failed", "over"]))
        if kind in ("said", "length"):
            return Reply(name, self.data.draw(said), "stop" if kind == "said" else "length", reasoning="想")
        error = {"blocked": "审核", "failed": "超时", "over": OVER}[kind]
        return Reply(name, "", "error", error=error, failure="prompt" if kind == "blocked" else "")

    def settle(self, replies):
        """The budget never stops this one."""


def stage_of(name, data, **more):
    stage = load(STAGES[name])(load(STAGES[name]).settings.build({"base": "x", **more}))
    stage._askers[FOLDER] = Anything(data)
    if name == "prefer":
        stage._judges[str(FOLDER)] = stage._askers[FOLDER]
    return stage


def is_whole(outcome):
    assert all(unpack(pack(record)) == record for record in outcome.kept)
    assert all(one.rule and isinstance(one.detail, str) for one in outcome.dropped)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=25, deadline=None)
@given(st.lists(words.filter(str.strip), min_size=1, max_size=4), st.data())
def test_ask_cites_only_what_stands_there(pages, data):
    records = [
        Record(
            passages=(Passage(text),), id=f"r{number}",
            extra={KEY: [Evidence("a.pdf", text, number, 7, 7 + len(text)).to_dict()]},
        )
        for number, text in enumerate(pages, 1)
    ]  # fmt: skip
    outcome = stage_of("ask", data, questions=2).apply(records, Context(FOLDER))
    is_whole(outcome)
    for record in outcome.kept:
        assert record.golden and evidence_of(record)
        for place in evidence_of(record):
            assert pages[place.page - 1][place.start - 7 : place.end - 7] == place.quote


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("judge", {}), ("polish", {}), ("converse", {}), ("converse", {"style": "turns", "shortest": 1, "longest": 2}),
        ("prefer", {}), ("prefer", {"way": "rank", "samples": 2}), ("instruct", {"per_seed": 1, "rounds": 2}),
    ],
)  # fmt: skip
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=20, deadline=None)
@given(st.lists(st.tuples(words, words), max_size=3), st.data())
def test_the_other_steps_take_any_reply(name, more, rows, data):
    records = [pair(question, answer, id=f"r{number}") for number, (question, answer) in enumerate(rows)]
    outcome = stage_of(name, data, **more).apply(records, Context(FOLDER))
    is_whole(outcome)
    if name in ("judge", "polish"):
        assert [record.id for record in outcome.kept] == [record.id for record in records] and not outcome.dropped
    if name in ("converse", "prefer"):
        told = {record.id.removesuffix("~对话") for record in outcome.kept} | {one.record.id for one in outcome.dropped}
        assert told == {record.id for record in records}
