"""Which files hold data: those of a folder, and what a compressed one holds. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cornucopia.core.errors import ConfigError, DataError, nearest, reason
from cornucopia.records.rejects import REJECTS_SUFFIX
from cornucopia.sources.kinds import sniff
from cornucopia.sources.packed import SUFFIXES, Packed, bare_name, members

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
TABLE_SUFFIXES = {".csv": ",", ".tsv": "\t"}
TEXT_SUFFIXES = (".txt", ".md")
EXCEL_SUFFIXES = (".xlsx", ".xlsm")
DATA_SUFFIXES = (*JSON_SUFFIXES, *TABLE_SUFFIXES, *EXCEL_SUFFIXES, ".parquet")
SUPPORTED = "支持 " + " ".join((*DATA_SUFFIXES, *TEXT_SUFFIXES)) + "，文字的可压缩成 " + " ".join(SUFFIXES)
_NAMED = 6  # files left out that are named


def files_in(path: Path) -> tuple[list[Path], list[str]]:
    """(the file, or the data files of a folder: its texts only where there is no other data; notes for the user).

    Raises:
        DataError: no such path, or a folder without data.
    """
    try:
        if path.is_file():
            return [path], []
        if not path.is_dir():
            siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            close = nearest(path.name, siblings)
            fix = f"最接近的是 {path.parent / close}" if close else "检查路径"
            raise DataError("找不到数据", where=str(path), fix=fix)
        found = sorted(p for p in path.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(path)))
        found = [p for p in found if not bare_name(p.name).endswith(REJECTS_SUFFIX)]
        suffixes = {p: _suffix(p) for p in found}
    except OSError as error:
        raise DataError("打不开", where=str(path), found=reason(error)) from None
    data = [p for p in found if suffixes[p] in DATA_SUFFIXES]
    texts = [p for p in found if suffixes[p] in TEXT_SUFFIXES]
    notes = []
    if data and texts:
        notes.append(f"文件夹里有数据文件，{len(texts)} 个 .txt/.md 没有读（要读就单独给出）")
    unread = [p.name for p in found if p not in {*data, *texts}]
    if unread and (data or texts):
        more = " 等" if len(unread) > _NAMED else ""
        notes.append(f"文件夹里有 {len(unread)} 个文件不会读，没有用：{'、'.join(unread[:_NAMED])}{more}")
    if not data and not texts:
        kinds = "、".join(sorted({p.suffix or p.name for p in found})[:8]) or "空文件夹"
        raise DataError("文件夹里没有数据文件", where=str(path), found=kinds, fix=SUPPORTED)
    return data or texts, notes


def data_files(paths: Sequence[Path], name: str) -> list[Path]:
    """The files among files and folders that a setting names, in a stable order, each once.

    Args:
        paths: as the user gave them.
        name: of the setting, for the error.

    Raises:
        ConfigError: a path that is not there, or a folder without data.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            found.update(dict.fromkeys(files_in(path)[0]))
        except DataError as error:
            told = error.found or "不存在"
            raise ConfigError(f"{name} 里没有数据文件", where=str(path), found=told, fix=error.fix) from None
    return list(found)


def unpacked(file: Path) -> Path | Packed:
    """The file, or what a compressed one holds.

    Raises:
        DataError: a .zip that does not hold just one data file.
        OSError: it cannot be read.
    """
    kind = sniff(file, file.name)
    if kind in ("gz", "bz2", "xz", "zst"):
        return Packed(file, kind, name=bare_name(file.name))
    if kind != "zip":
        return file
    if file.suffix.lower() in EXCEL_SUFFIXES:
        raise DataError("Excel 文件损坏，打不开", where=str(file), fix="用 Excel 打开，重新另存为 .xlsx 或 CSV UTF-8")
    held = list(members(file))
    data = [member for member in held if member.suffix.lower() in (*DATA_SUFFIXES, *TEXT_SUFFIXES)]
    if len(data) != 1:
        found = f"{len(data)} 个数据文件" if data else "没有数据文件：" + "、".join(m.name for m in held[:_NAMED])
        raise DataError("压缩文件里要正好有一个数据文件", where=str(file), found=found, fix="解压成文件夹再读")
    return replace(data[0], name=Path(data[0].name).name)


def _suffix(file: Path) -> str:
    """Of the file, or of what a compressed one holds."""
    suffix = file.suffix.lower()
    if suffix == ".zip":
        try:
            held = unpacked(file)
        except DataError:
            return suffix
        return held.suffix.lower() if isinstance(held, Packed) else suffix
    return Path(bare_name(file.name)).suffix.lower() if suffix in SUFFIXES else suffix


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "~$")) for part in path.parts)
