"""`records`: any training data file or folder. Rows that cannot be read are rejects with file:line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cornucopia.core.config import option
from cornucopia.core.console import warn
from cornucopia.factory.intake.intake import Intake, IntakeConfig
from cornucopia.factory.intake.naming import under_source
from cornucopia.records.data_files import files_in
from cornucopia.records.line_door import Range, ranges, read_range
from cornucopia.records.rejects import Reject, printable
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

    def pieces(self, size: int) -> list[Any] | None:
        """Ranges of files with one object a line, where all the source is of that kind and all of it is wanted."""
        if self.config.limit or self.config.columns:
            return None  # a column that no row has is told of by RecordStream alone
        path, made = self.config.path, []
        for file in [path] if path.is_file() else files_in(path)[0]:
            found = ranges(file, size)
            if found is None:
                return None
            made += [{"file": str(file), **part.to_dict()} for part in found]
        return made

    def read(self, piece: Any) -> Iterator[Record | Reject]:
        part, path = dict(piece), self.config.path
        file = Path(part.pop("file"))
        name = file.name if file == path else file.relative_to(path).as_posix()
        items = read_range(file, Range(**part), name, self.config.objective)
        return self._under_source((f"{name}:{line}", item) for line, item in items)

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        config = self.config
        stream = RecordStream(config.path, columns=config.columns, sheet=config.sheet, objective=config.objective)
        left = config.limit
        for item in self._under_source((stream.place, item) for item in stream):
            yield item
            left = left - 1 if left is not None and isinstance(item, Record) else left
            if left == 0:
                return
        for note in stream.notes:
            warn(printable(note))

    def _under_source(self, items: Iterable[tuple[str, Record | Reject]]) -> Iterator[Record | Reject]:
        """Records under the source's name and their line; a second one of a line gets .2.

        Args:
            items: (file:line, record or reject).
        """
        path, last, again = self.config.path, "", 1
        alone = f"{path.name}:" if path.is_file() else ""
        for place, item in items:
            again, last = again + 1 if place == last else 1, place
            if isinstance(item, Record):
                line = place.removeprefix(alone)
                item = under_source(item, self.config, line if again == 1 else f"{line}.{again}")
            yield item
