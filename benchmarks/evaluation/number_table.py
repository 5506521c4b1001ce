"""How often an instrument judges an answer's number otherwise than a person: ours, and lm-evaluation-harness's regexes.

The table is tests/evaluation/final_numbers.txt: answer | golden | + or -. Usage:

    python benchmarks/evaluation/number_table.py
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")  # gsm8k's flexible-extract, the last match
_IGNORED = re.compile(r",|\$|\.$")  # of its exact_match


def read_table(path: Path) -> list[tuple[str, str, bool]]:
    """(answer, golden, whether it is right) of every line that is no comment."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            answer, golden, mark = (part.strip() for part in line.split("|"))
            rows.append((answer.replace("\\n", "\n"), golden, mark == "+"))
    return rows


def lm_eval_says(answer: str, golden: str) -> bool:
    """The harness's way: the last number of each as a text, equal or not."""
    found, wanted = _last(answer), _last(golden)
    return bool(found) and found == wanted


def _last(text: str) -> str:
    matches = _FLEXIBLE.findall(text)
    return _IGNORED.sub("", next(filter(None, matches[-1]))) if matches else ""


def main() -> None:
    """Print both error rates and what ours gets wrong."""
    from cornucopia.evaluation.final_number import final_number_is

    table = read_table(ROOT / "tests/evaluation/final_numbers.txt")
    ours = [row for row in table if (final_number_is(row[0], row[1]) is True) != row[2]]
    theirs = [row for row in table if lm_eval_says(row[0], row[1]) != row[2]]
    print(f"{len(table)} pairs: ours wrong {len(ours) / len(table):.2%}, lm_eval's {len(theirs) / len(table):.2%}")
    for answer, golden, right in ours:
        print(f"  {answer!r} | {golden} | {'right' if right else 'wrong'}")


if __name__ == "__main__":
    main()
