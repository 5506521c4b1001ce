"""Other ways of asking: what is kept, what is left out, and files that are not of this form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.rephrase import read_wordings, rephrase
from cornucopia.records.schema import Message, Record

ASKED = {"a": ["甲问", "甲又问", "甲再问"], "b": ["乙问"]}


def talk(name, *turns, system=""):
    messages = [Message("system", system)] if system else []
    messages += [Message("user" if n % 2 == 0 else "assistant", text) for n, text in enumerate(turns)]
    return Record(tuple(messages), id=name, source="条文", as_of="2025-06", domain="保险")


def test_answer_and_provenance_stay_and_earlier_turns_go():
    one = talk("a", "一问", "一答", "那呢？", "二答", system="你是顾问")
    original, *others = rephrase([one], ASKED, 0)
    assert original is one and [r.question for r in others] == ASKED["a"]
    assert {r.golden for r in others} == {"二答"} and {len(r.messages) for r in others} == {3}
    assert [r.id for r in others] == ["a~1", "a~2", "a~3"] and {r.source for r in others} == {"条文"}


def test_a_count_draws_by_the_seed_and_records_without_wordings_or_answers_come_out_alone():
    records = [talk("a", "甲问", "答"), talk("c", "丙", "答"), talk("b", "没有答案")]
    found = list(rephrase(records, ASKED, 1))
    assert len(found) == 4 and found == list(rephrase(records, ASKED, 1))
    assert found[1].question in {"甲又问", "甲再问"}
    assert len({next(iter(list(rephrase(records, ASKED, 1, seed))[1:2])).question for seed in range(20)}) == 2


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"id": "a"}', '{"id": "a", "ask": "问"}', '{"id": "a", "ask": [" "]}', '{"id": 1, "ask": ["x"]}'],
)
def test_a_line_of_another_form_is_named(tmp_path, line):
    file = tmp_path / "w.json"
    file.write_text('{"id": "a", "ask": ["问"]}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_wordings(file)
    assert caught.value.where.endswith("w.json:2")


@given(st.binary(max_size=200))
def test_any_bytes_give_wordings_or_a_message(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("w") / "w.json"
    file.write_bytes(data)
    try:
        assert all(isinstance(text, str) for asked in read_wordings(file).values() for text in asked)
    except DataError as error:
        assert error.what


def test_what_was_written_is_read(tmp_path):
    file = tmp_path / "w.json"
    rows = [{"id": name, "ask": asked} for name, asked in ASKED.items()]
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert read_wordings(file) == ASKED
