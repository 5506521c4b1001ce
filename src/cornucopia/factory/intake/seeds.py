"""Seed tasks for `instruct`: the bundled ones, or a YAML file of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cornucopia.core.config import option
from cornucopia.factory.intake.intake import Intake, IntakeConfig, signed
from cornucopia.factory.write.seeds import BUNDLED, read_seeds
from cornucopia.records.data_files import JSON_SUFFIXES
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream


class SeedsConfig(IntakeConfig):
    """Settings of the source."""

    path: str = option("", "种子任务：YAML（写法见 docs/write.md）或 seed_tasks.jsonl 一类的数据；留空用自带的 64 条")
    domains: list[str] = option([], "只取这些领域；留空全取")


class Seeds(Intake):
    """See the module."""

    kind = "seeds"
    summary = "instruct 的种子任务：自带 8 个领域 64 条，也可以用自己的。"
    settings = SeedsConfig

    def inputs(self) -> list[Path]:
        """The file."""
        return [Path(self.config.path) if self.config.path else BUNDLED]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        """A record a task, in the file's order."""
        (file,) = self.inputs()
        tasks = RecordStream(file, objective="sft") if file.suffix.lower() in JSON_SUFFIXES else read_seeds(file)
        wanted = (
            task for task in tasks
            if not self.config.domains or not isinstance(task, Record) or task.domain in self.config.domains
        )  # fmt: skip
        return signed(self.config, wanted)
