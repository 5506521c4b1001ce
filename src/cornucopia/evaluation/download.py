"""Brings a benchmark's files from a model hub into the user's data folder, where its reader looks for them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from cornucopia.core import hub
from cornucopia.core.console import say
from cornucopia.core.errors import DataError
from cornucopia.core.hub_api import default_hub
from cornucopia.evaluation.benchmarks.benchmark import Benchmark

LARGEST = 200_000_000  # bytes that an archive may unpack to


def download(benchmark: Benchmark, data_dir: Path, site: str = "") -> Path:
    """The folder with its files; what is there already is only looked over.

    Args:
        benchmark: one that lies on a hub.
        data_dir: the user's folder; the files lie below it under the repository's name.
        site: hf, mirror or modelscope; what the environment says by default.

    Raises:
        HubError: a refusal of the hub. DataError: an archive is no safe one.
    """
    say(f"{benchmark.title}，许可证：{benchmark.licence}")
    target = data_dir / benchmark.hub.split("/")[-1]
    hub.pull(benchmark.hub, target, hub=site or default_hub(), include=list(benchmark.files), kind="datasets")
    for archive in sorted(target.glob("*.zip")):
        _unpack(archive)
    return target


def _unpack(archive: Path) -> None:
    """Tables and texts of an archive, beside it; names that lead out of the folder are refused."""
    try:
        with zipfile.ZipFile(archive) as packed:
            wanted = [one for one in packed.infolist() if one.filename.endswith((".csv", ".json", ".jsonl", ".md"))]
            home = archive.parent.resolve()
            strange = [one for one in wanted if not (home / one.filename).resolve().is_relative_to(home)]
            if strange or sum(one.file_size for one in wanted) > LARGEST:
                found = strange[0].filename if strange else f"解开超过 {hub.human(LARGEST)}"
                raise DataError("这个压缩包不敢解开", where=str(archive), found=found, fix="自己看过之后手动解开")
            packed.extractall(home, wanted)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        raise DataError("压缩包解不开", where=str(archive), found=str(error)[:120], fix="删掉它，再运行一次") from None
