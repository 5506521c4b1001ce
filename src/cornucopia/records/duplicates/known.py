"""Surveys of the existing set, kept on disk: a file that has not changed is read once, however often it is compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from cornucopia.core.console import warn
from cornucopia.core.paths import cache_folder
from cornucopia.records.data_files import data_files
from cornucopia.records.duplicates.settings import DeduplicateConfig
from cornucopia.records.duplicates.survey import survey
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream

_AT_ONCE = 20_000  # records surveyed at a time: bounds memory
_SHAPES = ("scope", "near", "threshold", "gram", "numbers", "score")  # settings that a survey depends on
_VERSION = 3  # of what a survey holds


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
