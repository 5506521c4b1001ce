"""The instrument's own error: hand-made answers, each known to be right or wrong, through 数字正确率."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml

from cornucopia.finance.score import score_numbers

TABLE = yaml.safe_load((Path(__file__).parent / "number_pairs.yaml").read_text(encoding="utf-8"))
PAIRS = [  # the golden answer itself is the first that must be right
    (kind, question, golden, answer, right)
    for kind, rows in TABLE.items()
    for question, golden, good, bad in rows
    for answers, right in (({golden: 1} | dict.fromkeys(good), True), (bad, False))
    for answer in answers
]


def test_fewer_than_one_in_a_hundred_is_misjudged() -> None:
    wrong = [
        (kind, golden, answer, "应对" if right else "应错", score.share, score.explanation)
        for kind, question, golden, answer, right in PAIRS
        if ((score := score_numbers(answer, question=question, golden=golden)).share == 1) != right
    ]
    counts, totals = Counter(row[0] for row in wrong), Counter(pair[0] for pair in PAIRS)
    told = "；".join(f"{kind} {counts[kind]}/{totals[kind]}" for kind in totals)
    print(f"错判 {len(wrong)}/{len(PAIRS)}：{told}")
    assert len(PAIRS) >= 400 and len(set(PAIRS)) == len(PAIRS)
    assert len(wrong) < len(PAIRS) / 100, "\n".join(map(str, wrong))
    assert all(counts[kind] <= totals[kind] / 20 for kind in totals), told
