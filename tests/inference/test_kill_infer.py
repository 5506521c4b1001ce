"""Kill -9 during batch inference: nothing lost, nothing doubled, the resumed result identical."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_runs_resume_to_the_same_bytes(tiny, tmp_path):
    data = tmp_path / "q.jsonl"
    rows = [{"instruction": f"第{i}问" + "问" * (i % 11), "output": "答"} for i in range(36)]
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(
        [
            sys.executable, ROOT / "benchmarks" / "kill_infer.py", "--fork", "--kills", "4", "--model", tiny,
            "--data", data,
        ],
        env=environment, capture_output=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert "ok: 4 kills, 36 rows, identical" in run.stdout
