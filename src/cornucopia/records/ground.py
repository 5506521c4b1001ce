"""Stage `ground`: how much of each answer its own source carries, kept with the record; what is made up goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.records.evidence import evidence_of
from cornucopia.records.grounding import Grounding, check
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage

NAME = "grounded"  # in the record's scores and flaws, and as the rule by which it goes


class GroundConfig(Config):
    """`cornucopia data ground`"""

    least: float = option(1.0, "答案里的数字、日期、百分比、引语、法规至少多大一部分要在出处里，0 到 1", ge=0, le=1)
    drop: bool = option(False, "达不到 least 的不要；默认只记分")
    unsourced: bool = option(False, "没有出处文字（材料或证据）可比的也不要")


class Ground(Stage):
    """Compares answers with the material and the evidence of their records."""

    name = "ground"
    summary = "核对出处：答案里的数字、日期、百分比、引语、法规在不在材料和证据里"
    settings = GroundConfig

    config: GroundConfig

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        outcome = Outcome()
        for record in records:
            text = source_text(record)
            grounding = check(record, text) if text and record.golden else Grounding()
            share = grounding.share if text else None
            marked = _marked(record, share, grounding.told())
            low = share is not None and share < self.config.least
            outcome.counts.update([NAME] if low else [])
            if low and len(outcome.examples) < 5:
                outcome.examples.append((NAME, grounding.told(), record.golden[:200]))
            if low and self.config.drop:
                outcome.dropped.append(Dropped(marked, NAME, f"出处里没有：{grounding.told()}"))
            elif self.config.unsourced and not text and record.golden:
                outcome.dropped.append(Dropped(marked, "unsourced", "没有材料，也没有证据"))
            else:
                outcome.kept.append(marked)
        return outcome


def source_text(record: Record) -> str:
    """What the record's answer should come from: its material and the quotations of its evidence."""
    return "\n".join(filter(None, [record.material, *(one.quote for one in evidence_of(record))]))


def _marked(record: Record, share: float | None, told: str) -> Record:
    if share is None:
        return record
    extra: dict[str, Any] = {**record.extra, "scores": {**record.extra.get("scores", {}), NAME: round(share, 4)}}
    if told:
        extra["flaws"] = {**record.extra.get("flaws", {}), NAME: f"出处里没有：{told}"}
    return replace(record, extra=extra)
