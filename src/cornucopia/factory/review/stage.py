"""`reviewed`: what people decided is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.core.errors import DataError
from cornucopia.factory.review.decisions import Decision, key_of, read_decisions, reviewed
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage


class ReviewedConfig(Config):
    """`cornucopia data reviewed`"""

    decisions: Path = option(..., "审阅记录：cornucopia data review 写的 .review.jsonl")
    undecided: Literal["keep", "drop"] = option("keep", "还没有审的：keep 留着，drop 不要")


class Reviewed(Stage):
    """Drops what was rejected, puts in what was edited, marks what was accepted."""

    name = "reviewed"
    summary = "按审阅记录取舍：不要的删去，改过的换上改后的"
    settings = ReviewedConfig

    def inputs(self) -> list[Path]:
        return [self.config.decisions]

    @cached_property
    def _decisions(self) -> dict[str, Decision]:
        if not self.config.decisions.is_file():
            fix = "先运行 cornucopia data review 数据文件"
            raise DataError("找不到审阅记录", where=str(self.config.decisions), fix=fix)
        return read_decisions(self.config.decisions)

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        outcome = Outcome()
        for record in records:
            decision = self._decisions.get(key_of(record))
            if decision is None:
                if self.config.undecided == "drop":
                    outcome.dropped.append(Dropped(record, "undecided"))
                else:
                    outcome.kept.append(record)
                continue
            if decision.verdict == "reject":
                outcome.dropped.append(Dropped(record, "reject", decision.note))
                continue
            outcome.counts[decision.verdict] += 1
            outcome.kept.append(reviewed(record, decision))
        return outcome
