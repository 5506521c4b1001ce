"""`cornucopia data convert`: the good rows of a file in another format, as they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cornucopia.core.config import Config, option
from cornucopia.core.console import say, warn
from cornucopia.core.options import parse
from cornucopia.core.paths import spare_input
from cornucopia.records.formats import parse_columns
from cornucopia.records.read import keep_rejects, tell
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream
from cornucopia.records.write import WRITERS, write_records


class ConvertConfig(Config):
    """`cornucopia data convert`"""

    file: Path = option(..., "数据文件或文件夹")
    to: str = option(
        "alpaca", f"行的形状：{'、'.join(WRITERS)}；写成 CSV、Excel 等由 --out 的后缀定", aliases=("format",)
    )
    out: Path = option(
        ..., "输出文件，按后缀写成 .jsonl、.json、.csv、.tsv、.parquet、.xlsx；文字的可再加 .gz", aliases=("output",)
    )
    lossy: bool = option(False, "目标格式容不下的部分丢掉并报数；不写则这样的记录不写，列出行号")
    strict: bool = option(False, "遇到坏行就停，不写输出")
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )
    sheet: str = option("", "Excel 的工作表名；留空取第一张不隐藏的")


def run(argv: list[str]) -> int:
    """Write the file's good rows in another format; exit code 1 when a record could not be written."""
    config, _ = parse(
        ConvertConfig,
        argv,
        prog="cornucopia data convert",
        summary="转换格式。写出的每一条都先读回来核对，会变的不写；--lossy 丢掉容不下的部分并报数。",
        positional="file",
        positional_help="数据文件或文件夹",
        examples="  cornucopia data convert 问答.csv --columns question=客户提问,answer=答复 --to alpaca --out a.jsonl",
    )
    spare_input(config.out, config.file)
    stream = RecordStream(config.file, strict=config.strict, columns=parse_columns(config.columns), sheet=config.sheet)
    bad: list[Reject] = []
    lost: Counter[str] = Counter()
    refused = write_records(config.out, _good(stream, bad), config.to, lost=lost if config.lossy else None)
    tell(stream, keep_rejects(stream, bad, config.out.parent))
    for reject in refused:
        print(reject)
    names = "+".join(name for name, _ in stream.formats.most_common())
    say(f"已写 {config.out}：{stream.records - len(refused)} 条（{names} -> {config.to}）")
    if lost:
        warn(f"{config.to} 容不下而丢掉的（条）：" + "，".join(f"{name} {count}" for name, count in lost.most_common()))
    return 1 if refused else 0


def _good(stream: RecordStream, bad: list[Reject]) -> Iterator[Record]:
    """The records; bad rows are put aside.

    Raises:
        DataError: if there is no good row at all.
    """
    for item in stream:
        if isinstance(item, Record):
            yield item
        else:
            bad.append(item)
    if not stream.records:
        raise stream.nothing()
