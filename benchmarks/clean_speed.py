"""What `clean` and `redact` cost on records of 300 characters: together, and rule by rule.

    python benchmarks/clean_speed.py [COUNT] [SHARE]

COUNT records made of the bundled answers, SHARE of them with a fault or something personal put in (default 0.1). CPU
time of one core, the best of twenty on few records: other work on the machine disturbs that the least.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from cornucopia.records.clean.stage import RULES, Clean, CleanConfig
from cornucopia.records.privacy.stage import Redact, RedactConfig
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context
from cornucopia.records.texts import SEPARATOR, texts_of

BUNDLED = Path(__file__).parents[1] / "instruction_data" / "fin_data.json"
LENGTH = 300
FAULTS = (
    "有需要可以加我微信：abc12345，24小时在线。",
    "希望我的回答能帮到您！",
    "利率３．５％&nbsp;起！！！！",
    "\n1. 甲方同意\n1. 乙方同意\n1. 双方签字",
    "客户王小明（身份证11010519491231002X）。",
    "请打13800138000联系。",
    "（责任编辑：李四）",
    "\u3000\u3000新的一段\u200b。",
)


def made(count: int, share: float, seed: int = 1) -> list[Record]:
    """Records whose question and answer have LENGTH characters together."""
    draw = Random(seed)
    rows = [json.loads(line) for line in BUNDLED.read_text(encoding="utf-8").splitlines()]
    records = []
    for _ in range(count):
        row = draw.choice(rows)
        answer = row["output"]
        while len(row["instruction"]) + len(answer) < LENGTH:
            answer += draw.choice(rows)["output"]
        answer = answer[: answer.rfind("。", 0, LENGTH - len(row["instruction"])) + 1] or answer
        if draw.random() < share:
            answer += draw.choice(FAULTS)
        records.append(Record((Message("user", row["instruction"]), Message("assistant", answer))))
    return records


def cost(work: Callable[[], object], records: int) -> float:
    """Microseconds a record."""
    best = float("inf")
    for _ in range(20):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best / records * 1e6


def main() -> None:
    """Make records, time, print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    share = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
    records = made(count, share)
    here = Context(Path())
    wholes = [SEPARATOR.join(texts_of(record)) for record in records]
    clean, redact = Clean(CleanConfig()), Redact(RedactConfig())
    length = sum(map(len, wholes)) / count
    print(f"{count} 条，平均 {length:.0f} 字，{share:.0%} 有要改的；微秒/条（单核）")
    first = cost(lambda: clean.apply(records, here), count)
    cleaned = clean.apply(records, here).kept
    second = cost(lambda: redact.apply(cleaned, here), count)
    changed = sum(new is not old for new, old in zip(cleaned, records, strict=False))
    print(f"clean {first:.1f}（改了 {changed}），redact {second:.1f}，合计 {first + second:.1f}")
    for rule in RULES:
        if rule.name == "simplify":
            continue
        looks = cost(lambda rule=rule: [rule.noticed(whole) for whole in wholes], count)
        hits = [record for record, whole in zip(records, wholes, strict=True) if rule.noticed(whole)]
        alone = Clean(CleanConfig(rules=[rule.name]))
        works = cost(lambda alone=alone, hits=hits: alone.apply(hits, here), max(1, len(hits)))
        print(f"  {rule.name:12} 看一眼 {looks:5.2f}   要细看 {len(hits) / count:6.2%}，每条 {works:6.1f}")


if __name__ == "__main__":
    main()
