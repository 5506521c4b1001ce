"""Surveys of the existing set, kept on disk: a file that has not changed is read once, however often it is compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cornucopia.core.console import warn
from cornucopia.core.errors import ConfigError
from cornucopia.core.paths import cache_folder
from cornucopia.records.duplicates.settings import DeduplicateConfig
from cornucopia.records.duplicates.survey import survey
from cornucopia.records.schema import Record
from cornucopia.records.stream import DATA_SUFFIXES, TEXT_SUFFIXES, RecordStream

_AT_ONCE = 20_000  # records surveyed at a time: bounds memory
_SHAPES = ("scope", "near", "threshold", "gram", "numbers", "score")  # settings that a survey depends on
_VERSION = 1  # of what a survey holds


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


def known_surveys(config: DeduplicateConfig) -> list[Path]:
    """Survey files of `config.against`, made where the cache has none.

    Raises:
        ConfigError, DataError: a file that is not there or cannot be read.
    """
    shape = config.model_copy(update={key: None for key in type(config).model_fields if key not in _SHAPES})
    kind = f"{_VERSION}-{_rensa()}-{shape.fingerprint()}"
    found = []
    for file in data_files(config.against, "against"):
        with file.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()[:24]
        folder = cache_folder() / "duplicates" / f"{digest}-{kind}"
        if not folder.is_dir():
            _make(file, config, folder)
        found += sorted(folder.glob("*.npz"))
    return found


def _make(file: Path, config: DeduplicateConfig, folder: Path) -> None:
    """Survey a file into a folder, which is there only once it is whole."""
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    stream = RecordStream(file)
    records = (item for item in stream if isinstance(item, Record))
    for number, some in enumerate(_batches(records)):
        arrays: dict[str, Any] = survey(some, config)
        np.savez(new / f"{number:05}.npz", **arrays)
    if not stream.records:
        raise stream.nothing()
    if stream.rejects:
        warn(f"{file.name}：{stream.rejects} 处读不出来，没有参加比较；逐行的原因见 cornucopia data check {file}")
    try:
        new.rename(folder)
    except OSError:  # another run was faster
        if not folder.is_dir():
            raise
        shutil.rmtree(new, ignore_errors=True)


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while some := list(islice(records, _AT_ONCE)):
        yield some


def _rensa() -> str:
    try:
        return version("rensa")
    except PackageNotFoundError:
        return "none"
