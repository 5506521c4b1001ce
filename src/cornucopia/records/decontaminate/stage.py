"""The stage `decontaminate`: takes out records that hold questions of an evaluation set, and says which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError
from cornucopia.core.jsonl import write_json
from cornucopia.records.data_files import data_files
from cornucopia.records.decontaminate.contained import Index, longest_run
from cornucopia.records.decontaminate.exam import Item, read_items, searched
from cornucopia.records.overlap import Grams, grams_of, overlap
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage

_PARTS = "removed"  # a file a shard
_SHOWN = 200  # characters of a question in the list


class DecontaminateConfig(Config):
    """`decontaminate`"""

    against: list[Path] = option([], "评测文件或文件夹（选择题的选项也算题）；必填", split="paths")
    run: int = option(13, "连续多少个字相同算一段（不计标点、空白、全半角）", ge=5, le=50)
    share: float = option(0.6, "评测题有多大份额的段（越少见的段越重）出现在记录里，就去掉这条记录", gt=0, le=1)
    threshold: float = option(0.7, "提问与评测题的字符五元组 Jaccard 相似度达到多少也去掉；1 为只去相同的", gt=0, le=1)
    numbers: bool = option(True, "数字不同就不算同一段；false 把数字都看成一样，换了数字的题也算")


class Decontaminate(Stage):
    """Records that give an evaluation away."""

    name = "decontaminate"
    summary = "去污染：去掉含有评测题的记录（连续相同的字、近似的提问），列出每条为什么"
    settings = DecontaminateConfig

    config: DecontaminateConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._exam: _Exam | None = None

    def inputs(self) -> list[Path]:
        if not self.config.against:
            raise ConfigError("没有给评测文件", where="decontaminate.against", fix="写上评测文件：--against 文件")
        return data_files(self.config.against, "against")

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        exam = self._exam = self._exam or _Exam(read_items(self.inputs()), self.config)
        found = exam.find(records)
        outcome = Outcome()
        rows = []
        for place, record in enumerate(records):
            if place not in found:
                outcome.kept.append(record)
                continue
            row = found[place]
            rows.append({"record": record.origin or record.id, "text": (record.question or record.text)[:_SHOWN]} | row)
            measure = "占该题" if row["rule"] == "contained" else "相似度"
            detail = f"评测题 {row['evaluation']}，{measure} {row['similarity']:.0%}，共有「{row['shared']}」"
            outcome.dropped.append(Dropped(record, row["rule"], detail))
        context.keep(_PARTS, rows)
        return outcome

    def finish(self, context: Context) -> None:
        context.report.mkdir(exist_ok=True)
        files, questions, removed = Counter[str](), set[str](), 0
        with (context.report / "contamination.jsonl").open("wb") as out:
            for part in sorted((context.folder / _PARTS).glob("*.jsonl")):
                for line in part.read_bytes().splitlines(keepends=True):
                    out.write(line)
                    where = orjson.loads(line)["evaluation"]
                    removed += 1
                    questions.add(where)
                    files[where.rpartition(":")[0]] += 1
        told = {"removed": removed, "questions": len(questions), "removed_by_file": dict(files.most_common())}
        write_json(context.report / "contamination.json", told)


class _Exam:
    """The evaluation set, ready to be looked for."""

    def __init__(self, items: list[Item], config: DecontaminateConfig) -> None:
        self.items, self.config = items, config
        self.index = Index(items, config.run, config.numbers)
        asked = [(place, record) for place, item in enumerate(items) for record in item.as_records()]
        self.asked: list[int] = [place for place, _ in asked]
        self.grams: Grams = grams_of([record for _, record in asked])

    def find(self, records: Sequence[Record]) -> dict[int, dict[str, Any]]:
        """Place of a record -> what of the evaluation set it holds, and how it was found."""
        pairs = overlap(records, self.grams, self.config.threshold)
        hits = [(hit.record, hit.item, "contained", hit.share) for hit in self.index.find(records, self.config.share)]
        asked = [(pair.left, self.asked[pair.right], pair.similarity) for pair in pairs]
        hits[:0] = [(left, item, "exact", alike) for left, item, alike in asked if alike == 1]
        hits += [(left, item, "near", alike) for left, item, alike in asked if alike < 1]
        found: dict[int, dict[str, Any]] = {}
        for place, item, rule, alike in hits:  # the plainest rule comes first
            if place not in found:
                found[place] = self._row(records[place], item, rule, alike)
        return found

    def _row(self, record: Record, place: int, rule: str, similarity: float) -> dict[str, Any]:
        item = self.items[place]
        folded = self.index.folded([item.whole, "\n".join(searched(record))])
        shared = longest_run(folded.text(0), folded.text(1))
        told = {"rule": rule, "similarity": round(similarity, 3), "evaluation": item.where}
        return told | {"question": item.stem[:_SHOWN], "shared": shared[:_SHOWN], "shared_length": len(shared)}
