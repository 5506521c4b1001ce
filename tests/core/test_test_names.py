"""Test files of one name shut each other out of a run of the whole suite."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_test_file_has_a_name_of_its_own():
    names = Counter(path.name for path in ROOT.rglob("test_*.py"))
    assert [name for name, times in names.items() if times > 1] == []
