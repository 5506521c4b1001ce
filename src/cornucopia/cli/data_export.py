"""`cornucopia data export`: a data set as a folder that LLaMA-Factory, ms-swift or TRL loads as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cornucopia.core.config import Config, option
from cornucopia.core.console import say, show_table
from cornucopia.core.errors import DataError, UsageError, reason
from cornucopia.core.options import parse
from cornucopia.records.formats import parse_columns
from cornucopia.records.publish.folder import publish
from cornucopia.records.publish.shapes import Shape, Target, Thoughts
from cornucopia.records.read import keep_rejects, tell
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream


class ExportConfig(Config):
    """`cornucopia data export`"""

    files: list[Path] = option(..., "数据文件或文件夹，可以几个（如 train、valid、test）", split="paths", min_length=1)
    out: Path = option(..., "写到哪个文件夹", aliases=("output",))
    target: Target = option("llama-factory", "给谁用：llama-factory、ms-swift、trl", aliases=("for",))
    name: str = option("", "数据集的名字（字母、数字、_、-）；留空用文件夹的名字")
    thoughts: Thoughts = option("field", "思考放哪里：field 单独一列（不参加训练），inline 写进回答的 <think>")
    shape: Shape = option("sharegpt", "LLaMA-Factory 的行写成 sharegpt 还是 alpaca（容不下工具调用）")
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )


def run(argv: list[str]) -> int:
    """Write the folder; exit code 1 when a record could not be written."""
    config, _ = parse(
        ExportConfig,
        argv,
        prog="cornucopia data export",
        summary="写成别的训练器直接能读的文件夹：数据、dataset_info.json、数据卡（条数、许可证、来源）。\n"
        "指令、偏好、KTO、文档各写一个文件；extra 里有 split 的分开写。",
        positional="files",
        positional_help="数据文件或文件夹，可以几个",
        examples="  cornucopia data export instruction_data/fin_data.json --out runs/fin\n"
        "  cornucopia data export runs/data/train.jsonl --for trl --out runs/trl",
    )
    name = config.name or config.out.resolve().name
    if not name.replace("_", "").replace("-", "").isalnum():
        raise UsageError("数据集的名字只能有字母、数字、_ 和 -", where="--name", found=name, fix="用 --name 另起一个")
    streams = [RecordStream(path, columns=parse_columns(config.columns)) for path in config.files]
    bad: list[list[Reject]] = [[] for _ in streams]
    try:
        made = publish(
            _good(streams, bad), config.out, name, target=config.target, thoughts=config.thoughts, shape=config.shape
        )
    except OSError as error:
        raise DataError("写不了文件夹", where=str(config.out), found=reason(error), fix="换一个 --out") from None
    for stream, rejects in zip(streams, bad, strict=True):
        tell(stream, keep_rejects(stream, rejects, config.out.parent))
    for reject in made.refused:
        print(reject)
    rows = [(full, file, split, count) for full, (file, _, split, count) in made.files.items()]
    show_table("数据集", ("名字", "文件", "部分", "行"), rows)
    say(f"已写 {config.out}" + (f"；{len(made.refused)} 条 {config.target} 读不了，没有写" if made.refused else ""))
    return 1 if made.refused else 0


def _good(streams: list[RecordStream], bad: list[list[Reject]]) -> Iterator[Record]:
    """
    Raises:
        DataError: if a file has no good row.
    """
    for stream, rejects in zip(streams, bad, strict=True):
        for item in stream:
            if isinstance(item, Record):
                yield item
            else:
                rejects.append(item)
        if not stream.records:
            raise stream.nothing()
