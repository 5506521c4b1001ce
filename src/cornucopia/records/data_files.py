"""The data files among files and folders that a setting names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cornucopia.core.errors import ConfigError
from cornucopia.records.stream import DATA_SUFFIXES, TEXT_SUFFIXES


def data_files(paths: Sequence[Path], name: str) -> list[Path]:
    """The files among files and folders, in a stable order, each once.

    Args:
        paths: as the user gave them.
        name: of the setting, for the error.

    Raises:
        ConfigError: a path that is not there, or a folder without data.
    """
    found: dict[Path, None] = {}
    for path in paths:
        inside = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        data = [file for file in inside if file == path or file.suffix.lower() in DATA_SUFFIXES]
        data = data or [file for file in inside if file.suffix.lower() in TEXT_SUFFIXES]
        if not data:
            raise ConfigError(
                f"{name} 里没有数据文件", where=str(path), found="空文件夹" if path.is_dir() else "不存在"
            )
        found.update(dict.fromkeys(data))
    return list(found)
