"""`cornucopia data rephrase`: the same answers under other questions, as more training data."""

from __future__ import annotations

from pathlib import Path

from cornucopia.core.config import Config, option
from cornucopia.core.console import say
from cornucopia.core.errors import DataError
from cornucopia.core.options import parse
from cornucopia.core.paths import spare_input
from cornucopia.records.formats import parse_columns
from cornucopia.records.read import read_records
from cornucopia.records.rephrase import read_wordings, rephrase
from cornucopia.records.write import write_records


class RephraseConfig(Config):
    """`cornucopia data rephrase`"""

    file: Path = option(..., "数据文件，每条有 id")
    wordings: Path = option(
        Path("instruction_data/wordings.json"), '问法文件，每行 {"id": "编号", "ask": ["问法", ...]}'
    )
    out: Path = option(..., "输出文件（JSON Lines，alpaca 格式）", aliases=("output",))
    per_record: int = option(0, "每条最多配几种问法，0 为全部", aliases=("n",), ge=0)
    seed: int = option(42, "抽哪几种由它决定")
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )


def run(argv: list[str]) -> int:
    """Write the file's records with their wordings."""
    config, _ = parse(
        RephraseConfig,
        argv,
        prog="cornucopia data rephrase",
        summary="给每条回答配上多种问法：原题在前，别的问法跟在后面，回答和出处不变。",
        positional="file",
        positional_help="数据文件",
        examples="  cornucopia data rephrase instruction_data/fin_data.json --per-record 5 --out runs/fin_5.jsonl",
    )
    spare_input(config.out, config.file, config.wordings)
    wordings = read_wordings(config.wordings)
    records = read_records(config.file, rejects=config.out.parent, columns=parse_columns(config.columns)).records
    known = {record.id for record in records}
    if not known & wordings.keys():
        raise DataError(
            "没有一条的 id 在问法文件里",
            where=str(config.wordings),
            found=f"数据里如 {records[0].id}，问法里如 {next(iter(wordings), '（空）')}",
        )
    asked = list(rephrase(records, wordings, config.per_record, config.seed))
    refused = write_records(config.out, asked, "alpaca")
    for reject in refused:
        print(reject)
    more = len(asked) - len(records)
    say(f"已写 {config.out}：{len(asked) - len(refused)} 条（原有 {len(records)} 条，另加 {more} 种问法）")
    unknown = len(wordings.keys() - known)
    if unknown:
        say(f"问法文件里有 {unknown} 个 id 不在数据里，没有用")
    return 1 if refused else 0
