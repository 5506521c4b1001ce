"""Problems made from the calculators, and those bundled, hold what a customer meets: no premium of 751 %, no -0."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from cornucopia.finance.calculator import find
from cornucopia.finance.problems import one_problem, phrasings

DATA = Path(__file__).resolve().parents[2] / "instruction_data"
KEPT = [one for one in phrasings() if one.within]


@pytest.mark.parametrize("phrasing", KEPT, ids=lambda one: one.calculator)
def test_results_stay_within_what_is_met(phrasing):
    random = Random(3)
    for _ in range(5):
        problem = one_problem(phrasing, random)
        values = find(problem.calculator).run(**problem.inputs).values
        assert all(low <= values[name].number <= high for name, (low, high) in phrasing.within.items()), problem


@pytest.mark.parametrize("name", ["fin_data.json", "infer.json"])
def test_bundled_problems_are_as_real(name):
    within = {one.calculator: one.within for one in KEPT}
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row.get("calculator") in within:
            values = find(row["calculator"]).run(**row["inputs"]).values
            assert all(low <= values[key].number <= high for key, (low, high) in within[row["calculator"]].items()), row


@pytest.mark.parametrize(
    ("calculator", "inputs"), [("信用卡取现", {"amount": 5000, "days": 10}), ("劳务报酬", {"income": 8000})]
)
def test_nothing_is_taken_off_where_there_is_nothing(calculator, inputs):
    steps = "".join(find(calculator).run(**inputs).steps)
    assert "最低0元" not in steps and "−0=" not in steps
