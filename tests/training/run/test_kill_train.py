"""Kill -9 during training: the resumed adapter is the uninterrupted one, no log row is lost or doubled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_training_resumes_to_the_same_bytes(small, questions):
    script = ROOT / "benchmarks" / "kill_train.py"
    words = [
        sys.executable,
        script,
        "--model",
        small,
        "--data",
        questions,
        "--kills",
        "3",
        "--steps",
        "12",
        "--seed",
        "3",
    ]
    run = subprocess.run([*words, "--batch-size", "4", "--fork"], capture_output=True, encoding="utf-8", timeout=180)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "ok: 3 kills" in run.stdout
