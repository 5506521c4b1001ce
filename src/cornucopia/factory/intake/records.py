"""`records`: any training data file or folder. Rows that cannot be read are rejects with file:line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cornucopia.core.config import option
from cornucopia.factory.intake.intake import Intake, IntakeConfig
from cornucopia.factory.intake.naming import under_source
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream


class RecordsConfig(IntakeConfig):
    """`{kind: records, path: ...}`"""

    path: Path = option(..., "数据文件或文件夹：JSON、JSONL、CSV、TSV、Excel、Parquet、TXT、MD，压缩的也行")
    columns: dict[str, str] = option({}, "列名对应：{question: 客户提问, answer: 答复}")
    sheet: str = option("", "Excel 的工作表名；留空取第一张不隐藏的")
    objective: str = option("", "按什么要求收：sft 要有答案，pretrain 要文档；留空全收")


class RecordsIntake(Intake):
    """See RecordsConfig."""

    kind = "records"
    summary = "问答、对话、文档的数据文件，格式自动识别"
    settings = RecordsConfig

    def inputs(self) -> list[Path]:
        return [self.config.path]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        config = self.config
        stream = RecordStream(config.path, columns=config.columns, sheet=config.sheet, objective=config.objective)
        place, again, left = "", 0, self.config.limit
        for item in stream:
            if isinstance(item, Record):
                again = again + 1 if item.origin == place else 1
                place = item.origin
                item = self._placed(item, again)
                left = None if left is None else left - 1
            yield item
            if left == 0:
                return

    def _placed(self, record: Record, again: int) -> Record:
        """The record under the source's name and its line.

        Args:
            record: as read.
            again: how many records the line has held so far, this one included.
        """
        path = self.config.path
        line = record.origin.removeprefix(f"{path.name}:") if path.is_file() else record.origin
        return under_source(record, self.config, line if again == 1 else f"{line}.{again}")
