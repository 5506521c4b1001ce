"""The stage `deduplicate`: survey a shard, decide over all, take out of a shard what goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import orjson

from cornucopia.core.errors import DataError
from cornucopia.records.data_files import data_files
from cornucopia.records.duplicates.conflicts import PARTS, answer_row, put_together
from cornucopia.records.duplicates.decide import CLUSTERS, decide, decision_file
from cornucopia.records.duplicates.known import known_surveys
from cornucopia.records.duplicates.settings import DeduplicateConfig
from cornucopia.records.duplicates.survey import survey
from cornucopia.records.lines import chosen
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage, Survey

_WHY = {
    "exact": "与 {kept} 相同",
    "near": "与 {kept} 相似度约 {similarity:.0%}",
    "conflict": "与 {kept} 同题不同答",
}


class Deduplicate(Stage):
    """Records that another one already says."""

    name = "deduplicate"
    summary = "去重：完全重复、近似重复（MinHash）、同题不同答；可与已有数据比（against）"
    settings = DeduplicateConfig
    version = 3
    surveys = True
    takes_rows = True

    config: DeduplicateConfig

    def inputs(self) -> list[Path]:
        return data_files(self.config.against, "against")

    def survey(self, records: Sequence[Record], context: Context) -> Survey:
        return survey(records, self.config)

    def decide(self, surveys: Sequence[Path], context: Context) -> None:
        decide(known_surveys(self.config), surveys, context.folder, self.config)

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        path = decision_file(context.folder, context.shard)
        decisions = {line["row"]: line for line in map(orjson.loads, path.read_bytes().splitlines())}
        if decisions and max(decisions) >= len(records):
            raise DataError("去重的决定与数据对不上", where=str(path), found=f"{len(records)} 条", fix="从头再运行")
        gone = {row for row, decision in decisions.items() if "rule" in decision}
        outcome = Outcome(chosen(records, [row for row in range(len(records)) if row not in gone]))
        for row in sorted(gone):
            decision = decisions[row]
            detail = _WHY[decision["rule"]].format_map(decision)
            outcome.dropped.append(Dropped(records[row], decision["rule"], detail))
        shown = [row for row in sorted(decisions) if "question" in decisions[row]]
        outcome.counts.update({"conflict_shown": len(shown)} if shown else {})
        conflicts = [answer_row(records[row], decisions[row]) for row in shown]
        context.keep(PARTS, conflicts)
        return outcome

    def finish(self, context: Context) -> None:
        context.report.mkdir(exist_ok=True)
        put_together(context.folder / PARTS, context.report / "conflicts.jsonl")
        (context.report / CLUSTERS).write_bytes((context.folder / CLUSTERS).read_bytes())
