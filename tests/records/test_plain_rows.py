"""The short way for plain rows gives what the long way gives."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.formats import any_record, is_own_key, to_record
from cornucopia.records.json_values import line_value
from cornucopia.records.plain_rows import plain_record, plain_value

ODD = ["", " ", "[]", '[{"role": "assistant", "content": "x"}]', "<think>想</think>答", "<image>", "None", "nan",
       "<noinput>", "问题一",
       " 前后有空 ", "a\nb", 'q": "z', "\\", '\\"', "材料有八个字以上才算", "true", "off"]  # fmt: skip
TEXT = st.one_of(st.sampled_from(ODD), st.text(max_size=6))
VALUE = st.one_of(TEXT, st.integers(-3, 3), st.none(), st.booleans(), st.floats(-1, 1), st.lists(TEXT, max_size=2))
KEYS = ["instruction", "prompt", "question", "input", "output", "response", "answer", "id", "domain", "kind", "source",
        "as_of", "system", "history", "label", "topic", "split", "scores", "source_id", "reasoning", "text", "A", "B",
        "options", "Output", "答案", "tools", "images", "complete", "of", "article", "weight", "Train", "loss_mask",
        "备注", "_extra", "type", "body", "kto_tag", "messages", "passages", "title"]  # fmt: skip
TURN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "user", "assistant", "tool", "bot", "User"]),
        "content": st.one_of(TEXT, VALUE),
    },
    optional={"name": TEXT, "reasoning_content": TEXT, "loss": st.booleans()},
)
FLAT = st.dictionaries(st.sampled_from(KEYS), st.one_of(TEXT, VALUE), max_size=6)
PAIRS = st.tuples(st.fixed_dictionaries({"instruction": TEXT, "output": TEXT}), FLAT).map(
    lambda both: both[0] | both[1]
)
TALKS = st.tuples(st.fixed_dictionaries({"messages": st.lists(TURN, max_size=4)}), FLAT).map(
    lambda both: both[0] | both[1]
)
ROWS = st.one_of(FLAT, PAIRS, TALKS)


def result(convert, row):
    try:
        return convert(json.loads(json.dumps(row)))
    except DataError as error:
        return str(error)


@given(ROWS)
def test_the_short_way_gives_what_the_long_way_gives(row):
    assert result(to_record, row) == result(any_record, row)


def test_the_short_way_is_taken():
    turns = [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]
    for row in (
        {"instruction": "问", "input": "", "output": "答", "id": "1"},
        {"question": "问", "answer": "答", "domain": "保险"},
        {"prompt": "问", "response": "答"},
        {"instruction": "问", "output": "答", "of": "r1", "备注": "", "weight": "0"},
        {"messages": turns, "source": "某法", "scores": {"a": 0.5}, "split": "train"},
    ):
        assert plain_record(row, is_own_key) == any_record(row)


@given(st.one_of(ROWS, st.text(max_size=8)), st.integers(0, 30), st.text(max_size=2))
def test_a_line_is_decoded_as_by_the_careful_decoder_or_not_at_all(row, at, noise):
    for text in (json.dumps(row), json.dumps(row, ensure_ascii=False), json.dumps(row, separators=(",", ":"))):
        for line in (text, text[:at] + noise + text[at:], text[:at]):
            value = plain_value(line.encode())
            assert value is None or value == line_value(line)


def test_a_key_given_twice_is_left_to_the_careful_decoder():
    for line in ('{"a": "1", "a": "2"}', '{"a" :"1","b":"2","b":"3"}', r'{"a\\":"1","b":"2","b":"3"}',
                 '{"messages": [{"role": "user", "content": "x", "content": "y"}]}', '{"a": "\\u0000"}'):  # fmt: skip
        assert plain_value(line.encode()) is None
    assert plain_value(b'{"a": "1", "b": "says \\": here"}') == {"a": "1", "b": 'says ": here'}
