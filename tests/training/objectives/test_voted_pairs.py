"""Pairs that people voted on are data for preference training as they are."""

from __future__ import annotations

import pytest

from comparison.test_standings import votes
from cornucopia.comparison.standings import preference_records
from cornucopia.core.jsonl import read_jsonl
from cornucopia.records.write import write_records
from cornucopia.training.run.loop import train


def test_dpo_takes_a_step_on_what_was_voted(short_run, tmp_path):
    path, out = tmp_path / "pairs.jsonl", tmp_path / "run"
    write_records(path, preference_records(votes(*[(n, "王", "ab"[n % 2]) for n in range(4)]))[0], "preference")
    train(short_run(out, objective="dpo", data_path=[str(path)], max_steps=1, batch_size=4, val_set_size=0))
    assert [row["loss"] for row in read_jsonl(out / "log.jsonl") if "loss" in row] == [pytest.approx(0.693, abs=0.01)]
