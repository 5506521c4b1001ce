"""The inference benchmark's rules: no shared beginnings, only whole answers counted, medians in the table."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks/inference"


@pytest.fixture
def bench(monkeypatch):
    """Imports from the benchmark's folder."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield __import__
    for name in ("cells", "shapes", "run", "table"):
        sys.modules.pop(name, None)


def row(name, seconds, rows=16, prompt=32, peak=2**30, first=0.5):
    return {
        "name": name, "model": "nano", "rows": rows, "prompt": prompt, "new": 64, "seconds": seconds, "first": first,
        "peak": peak, "threads": 2, "versions": {"torch": "2.13.0"},
    }  # fmt: skip


def test_prompts_differ_from_the_first_token_on_and_are_the_same_for_everybody(bench):
    prompts = bench("cells").prompts_of(16, 32, 0)
    assert prompts == bench("cells").prompts_of(16, 32, 0) != bench("cells").prompts_of(16, 32, 1)
    assert {len(prompt) for prompt in prompts} == {32} and len({tuple(prompt[:2]) for prompt in prompts}) == 16


def test_every_cell_gives_a_line_and_a_short_answer_none(bench, tmp_path):
    cells, out = bench("cells"), tmp_path / "results.jsonl"
    spec = {"name": "x", "model_name": "nano", "cells": [[1, 8], [3, 8]], "new": 5, "threads": 1, "out": str(out)}
    asked = []

    def answer(prompts, new):
        asked.append(len(prompts))
        return [cells.time.perf_counter()] * len(prompts), [new] * len(prompts)

    cells.measure(spec, answer, ("pytest",))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert asked == [4, 1, 1, 1, 3] and [(line["rows"], line["prompt"]) for line in lines] == [(1, 8), (3, 8)]
    assert all(0 <= line["first"] <= line["seconds"] and line["peak"] > 0 for line in lines)
    with pytest.raises(RuntimeError, match="3 x 8"):
        cells.measure(spec, lambda p, new: ([0.0] * len(p), [new] * (len(p) - 1) + [new - (len(p) == 3)]), ())


def test_table_has_medians_ratios_and_what_was_not_run(bench):
    rows = [row("transformers", 2.0), row("transformers", 4.0), row("transformers", 3.0)]
    rows += [row("ours", 1.0, peak=2**29), row("ours", 1.5), row("ours", 1.25), row("ours", 1.0, rows=1, first=0.02)]
    text = bench("table").render(rows)
    assert "| nano | 1 条 × 32 | 16 条 × 32 | 起伏 | 内存峰值 MB |" in text
    assert "| transformers | — | 341 500 ms | 75% | 1,024 |" in text
    assert "| ours | 64 20 ms | 819（2.40） 500 ms | 42% | 1,024 |" in text


def test_table_puts_five_adapters_beside_one(bench):
    text = bench("table").render([row("ours", 1.0), row("ours:1", 1.0), row("ours:5", 1.25)])
    assert "| 16 条 × 32 | 1,024 | 819 | 0.80 |" in text and "| ours:1 |" not in text
    assert "之比 |" not in bench("table").render([row("ours", 1.0), row("ours:1", 1.0)])


def test_what_is_not_installed_is_skipped_and_told(bench, monkeypatch, capsys):
    run = bench("run")
    monkeypatch.delenv("CORNUCOPIA_VLLM", raising=False)
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(run, "vllm_python", lambda: Path("/nowhere"))
    assert run.present(Namespace(only="")) == ["transformers", "ours", "ours:1", "ours:5"]
    told = capsys.readouterr().err
    assert "xllamacpp" in told and "CORNUCOPIA_VLLM" in told and "bitsandbytes" in told


def test_a_quick_run_is_two_cells_and_adapters_have_rows_to_share(bench):
    run = bench("run")
    options = Namespace(quick=True, cells="")
    assert run.cells_of("ours", "nano", options) == [[1, 32], [64, 32]]
    assert run.cells_of("ours:5", "nano", options) == [[64, 32]]
    assert run.cells_of("ours", "110m", Namespace(quick=False, cells="2x8,64x512")) == [[2, 8], [64, 512]]
