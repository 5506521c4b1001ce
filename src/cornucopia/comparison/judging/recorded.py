"""Verdicts given before, as a judge: our verdicts.jsonl, or FastChat's model_judgment/*_pair.jsonl, *_single.jsonl.

FastChat's judgments are read again from their text, as strictly as any other reply; its own reading is not taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cornucopia.comparison.judging.items import FAILED, Answered, Item, Row, foreign_rows, turn_id
from cornucopia.comparison.judging.reading import Opinion, read_opinion
from cornucopia.comparison.judging.verdicts import Bench, Duel, Grade
from cornucopia.core.errors import DataError
from cornucopia.inference.engine import Reply


def read_verdicts(path: str | Path, answered: Answered) -> list[Bench]:
    """The judges of a file, with their verdicts on these answers.

    Raises:
        DataError: the file is absent or of another shape, or has nothing about these answers.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(
            "没有这个裁决文件", where=str(path), fix="给 verdicts.jsonl，或 FastChat 的 model_judgment/*.jsonl"
        )
    items = {item.id: item for item in answered.items}
    benches: dict[str, Bench] = {}
    for number, row in enumerate(foreign_rows(path), 1):
        try:
            judge, verdict = _read(row)
        except (KeyError, TypeError, ValueError):
            raise DataError("不是裁决", where=f"{path}:{number}", found=str(row)[:80]) from None
        names = [verdict.name] if isinstance(verdict, Grade) else [verdict.first, verdict.second]
        if _known(items.get(verdict.id), names):
            how = "graded" if isinstance(verdict, Grade) else "pairwise"
            settings = {"file": str(path), "how": how, "most": float(row.get("most", 10))}
            bench = benches.setdefault(judge, Bench(judge, settings))
            (bench.grades if isinstance(verdict, Grade) else bench.duels).append(verdict)  # type: ignore[arg-type]
    if not benches:
        raise DataError("这个文件里没有一个裁决是对这些回答的", where=str(path))
    return list(benches.values())


def _known(item: Item | None, names: Sequence[str]) -> bool:
    return item is not None and all(name in item.answers for name in names)


def _read(row: Row) -> tuple[str, Duel | Grade]:
    if "question_id" in row:
        return _fastchat(row)
    if row["how"] == "graded":
        score = row["score"] if row["score"] is None else float(row["score"])
        return row["judge"], Grade(row["id"], row["contestant"], Opinion("", score, row["why"], row["text"]))
    said = [Opinion(one["choice"], None, one["why"], one["text"]) if (one := row.get(place)) else None
            for place in ("forward", "backward")]  # fmt: skip
    return row["judge"], Duel(row["id"], row["first"], row["second"], *said)


def _fastchat(row: Row) -> tuple[str, Duel | Grade]:
    judge, name = str(row["judge"][0]), turn_id(str(row["question_id"]), int(row["turn"]))
    if "model_1" in row:
        said = [_opinion(row[key], "choice") for key in ("g1_judgment", "g2_judgment")]
        return judge, Duel(name, row["model_1"], row["model_2"], *said)
    return judge, Grade(name, row["model"], _opinion(row["judgment"], "ten"))


def _opinion(text: Any, reader: str) -> Opinion:
    failed = text == FAILED
    return read_opinion(Reply("", str(text), "error" if failed else "stop", error=FAILED if failed else ""), reader)
