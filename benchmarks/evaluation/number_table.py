"""How often an instrument judges an answer's number otherwise than a person: ours, lm_eval's, Math-Verify.

The tables are tests/evaluation/final_numbers*.txt: answer | golden | + or -. The reader was mended on the first; the
second ("heldout") was written by another hand before it was measured. Math-Verify is measured where it is installed
(`pip install "math-verify[antlr4_13_2]"`). Usage:

    python benchmarks/evaluation/number_table.py [--wrong]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

TABLES = Path(__file__).resolve().parents[2] / "tests/evaluation"
_FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")  # gsm8k's flexible-extract, the last match
_IGNORED = re.compile(r",|\$|\.$")  # of its exact_match
Judge = Callable[[str, str], bool]
Row = tuple[str, str, bool]


def read_table(path: Path) -> list[Row]:
    """(answer, golden, whether it is right) of every line that is no comment."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            answer, golden, mark = (part.strip() for part in line.split("|"))
            rows.append((answer.replace("\\n", "\n"), golden, mark == "+"))
    return rows


def judged_otherwise(table: list[Row], judge: Judge) -> list[Row]:
    """The rows that the instrument judges otherwise than the person who wrote them."""
    return [row for row in table if judge(row[0], row[1]) != row[2]]


def ours(answer: str, golden: str) -> bool:
    """What `cornucopia eval` counts as right; an answer that states no number is wrong."""
    from cornucopia.evaluation.final_number import final_number_is

    return final_number_is(answer, golden) is True


def flexible_extract(answer: str, golden: str) -> bool:
    """lm_eval's gsm8k: the last number of each as a text, equal or not."""
    found, wanted = _last(answer), _last(golden)
    return bool(found) and found == wanted


def _last(text: str) -> str:
    matches = _FLEXIBLE.findall(text)
    return _IGNORED.sub("", next(filter(None, matches[-1]))) if matches else ""


def hendrycks_math(answer: str, golden: str) -> bool:
    """lm_eval's hendrycks_math: what is boxed, or else the whole text, compared as LaTeX."""
    from lm_eval.tasks.hendrycks_math.utils import is_equiv, last_boxed_only_string, remove_boxed

    try:
        boxed = last_boxed_only_string(answer)
        return bool(is_equiv(remove_boxed(boxed) if boxed else answer, golden))
    except AssertionError:
        return False


def math_verify(answer: str, golden: str) -> bool:
    """Math-Verify with the extraction that its authors give for answers in LaTeX or plain numbers."""
    from math_verify import parse, verify

    return bool(verify(parse(golden), parse(answer)))


JUDGES: dict[str, Judge] = {
    "ours": ours,
    "lm_eval flexible-extract": flexible_extract,
    "lm_eval hendrycks_math": hendrycks_math,
    "Math-Verify": math_verify,
}


def main() -> None:
    """Print each instrument's error rate on each table, and what ours gets wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wrong", action="store_true", help="print the pairs that ours judges otherwise")
    wanted = parser.parse_args()
    for path in sorted(TABLES.glob("final_numbers*.txt")):
        table = read_table(path)
        print(f"{path.name}: {len(table)} pairs")
        for name, judge in JUDGES.items():
            try:
                print(f"  {name:26} {len(judged_otherwise(table, judge)) / len(table):7.2%}")
            except ImportError as error:
                print(f"  {name:26} not installed ({error.name})")
        for answer, golden, right in judged_otherwise(table, ours) if wanted.wrong else ():
            print(f"    {answer!r} | {golden} | {'right' if right else 'wrong'}")


if __name__ == "__main__":
    main()
