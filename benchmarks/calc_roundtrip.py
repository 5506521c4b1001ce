"""Generator -> solver -> number checker on many problems, and corrupted answers through the checker.

    python benchmarks/calc_roundtrip.py [COUNT] [SEED]

Exits 1 and prints the first failures when a question is not read back, an answer is judged wrong, or a corrupted answer
(one digit of a key value changed, once for every key value) is not caught.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from random import Random

from cornucopia.finance.check import check_numbers, corrupt
from cornucopia.finance.problems import Problem, generate, read_question

SHOWN = 20


def faults(problem: Problem, random: Random) -> list[str]:
    """What went wrong with one problem, and `corrupted` once for every corruption tried and caught."""
    read = read_question(problem.question)
    if read is None or read[0].name != problem.calculator:
        return [f"读不回：{problem.question}"]
    calculator, inputs = read
    if calculator.inputs.build(inputs) != calculator.inputs.build(problem.inputs):
        return [f"输入不同：{problem.question} {inputs} {problem.inputs}"]
    if calculator.run(**inputs).values | problem.values != calculator.run(**inputs).values:
        return [f"结果不同：{problem.question}"]
    verdict = check_numbers(problem.question, problem.answer)
    if verdict.right is not True:
        return [f"误判：{problem.question} {problem.answer} {verdict.explanation}"]
    found = []
    for name, value in problem.values.items():
        wrong = corrupt(problem.answer, value, random.randrange(20), random.randrange(1, 10))
        if wrong is None:
            found.append(f"答案里没有{name}：{problem.answer}")
        elif check_numbers(problem.question, wrong).right is not False:
            found.append(f"漏判：{name} {value.text()}：{wrong}")
    return found


def main(count: int, seed: int) -> int:
    """Run `count` problems; 0 when nothing failed."""
    start, random = time.monotonic(), Random(seed)
    problems = generate(count, seed)
    failed = [fault for problem in problems for fault in faults(problem, random)]
    corrupted = sum(len(problem.values) for problem in problems)
    kinds = Counter(problem.calculator for problem in problems)
    seconds = time.monotonic() - start
    print(f"{count} 题，{len(kinds)} 种计算，{corrupted} 个改错的答案，{seconds:.0f} 秒：失败 {len(failed)}")
    print("\n".join(failed[:SHOWN]))
    return 1 if failed else 0


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    raise SystemExit(main(*(arguments + [10000, 0][len(arguments) :])))
