from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.serving.board.curves import curves, read_log, seconds_a_step, total_steps

LINES = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.dictionaries(
            st.sampled_from(["step", "epoch", "loss", "tokens", "tokens_per_second", "x"]),
            st.one_of(
                st.floats(), st.integers(), st.text(max_size=3), st.none(), st.booleans(), st.integers(10**400, 10**401)
            ),
        ).map(lambda row: json.dumps(row).encode()),
    ),
    max_size=12,
)


@given(LINES)
def test_whatever_a_log_holds_is_read_and_what_comes_out_is_finite(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "log.jsonl"
    path.write_bytes(b"\n".join(lines))
    rows = read_log(path)
    for steps, values in curves(rows, 3).values():
        assert len(steps) == len(values) <= 3 and all(map(math.isfinite, [*steps, *values]))
    assert math.isfinite(seconds_a_step(rows)) and isinstance(total_steps(rows, {"num_epochs": 3}), int)


def test_a_folder_in_the_logs_place_or_none_is_an_empty_log(tmp_path):
    assert read_log(tmp_path) == read_log(tmp_path / "no") == []


def test_a_long_curve_is_told_by_means_of_neighbours():
    rows = [{"step": float(n), "loss": float(n)} for n in range(1, 11)]
    assert curves(rows, 5)["loss"] == [[2, 4, 6, 8, 10], [1.5, 3.5, 5.5, 7.5, 9.5]]
    assert curves(rows)["loss"][1] == [row["loss"] for row in rows]


def test_the_pace_is_what_the_tokens_say():
    rows = [{"step": 10.0 * n, "tokens": 1000.0 * n, "tokens_per_second": 200.0} for n in range(1, 5)]
    assert seconds_a_step(rows) == pytest.approx(0.5)
    assert seconds_a_step(rows[:1]) == 0


def test_the_steps_of_a_run_come_from_its_recipe():
    assert total_steps([], {"max_steps": 70}) == 70
    assert total_steps([{"step": 30.0, "epoch": 1.5}], {"num_epochs": 4, "max_steps": -1}) == 80
    assert total_steps([], {"num_epochs": 4}) == 0
