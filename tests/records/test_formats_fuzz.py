"""Whatever stands under the known keys: a Record that can be written, or a DataError, and nothing else."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import DataError
from cornucopia.records.formats import COLUMN_NAMES, to_record
from cornucopia.records.json_values import STRICT, written
from cornucopia.records.objectives import OBJECTIVES, fits
from cornucopia.records.write import WRITERS

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 9), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=6),
    st.sampled_from(["A", "on", "<image>", "<think>想</think>答", "[]", '[{"role": "user", "content": "问"}]', "true"]),
)  # fmt: skip
TURN_KEYS = ["role", "from", "content", "value", "tool_calls", "function_call", "name", "weight", "train", "reasoning"]
SPEAKERS = st.sampled_from(["user", "assistant", "tool", "gpt", "human", [{"name": "f", "arguments": {}}]])
TURN = st.dictionaries(st.sampled_from(TURN_KEYS), st.one_of(SCALARS, SPEAKERS), max_size=5)
TURNS = st.lists(TURN, max_size=3)
MAPPINGS = st.dictionaries(st.text(max_size=2), SCALARS, max_size=3)
VALUES = st.one_of(SCALARS, TURNS, st.lists(SCALARS, max_size=4), MAPPINGS)
KEYS = [*COLUMN_NAMES, "chosen", "rejected", "label", "tools", "images", "passages", "choices", "options", "answerKey"]


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=7))
def test_any_row_is_read_or_refused_and_what_is_read_can_be_written_and_read_again(row):
    row = STRICT.decode(json.dumps(row))
    try:
        record, _ = to_record(row)
    except DataError:
        return
    json.dumps(record.to_dict(), allow_nan=False), [fits(record, name) for name in OBJECTIVES]
    for name in ("openai", "sharegpt", "alpaca"):
        try:
            made = written(WRITERS[name](record))
        except DataError:
            continue
        back, _ = to_record(STRICT.decode(made))
        assert back.messages == record.messages, name
        assert (back.tools, back.rejected, back.passages) == (record.tools, record.rejected, record.passages), name


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)


@given(NUMBERS)
def test_a_number_is_the_text_that_stands_in_the_file(text):
    row = STRICT.decode(f'{{"question": "几", "answer": {text}, "as_of": {text}}}')
    record, _ = to_record(row)
    assert text == "-0" or record.golden == record.as_of == text
