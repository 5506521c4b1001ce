"""Where the project's own places are: the bundled model and data, the user's runs."""

from __future__ import annotations

import os
from pathlib import Path

from cornucopia.core.errors import UsageError


def project_root() -> Path:
    """The checkout (or CORNUCOPIA_HOME): the folder that holds base_models/ and instruction_data/."""
    home = os.environ.get("CORNUCOPIA_HOME")
    if home:
        return Path(home)
    return Path(__file__).resolve().parents[3]


def bundled_model() -> Path:
    """Folder of the bundled small model."""
    return project_root() / "base_models" / "nano"


def cache_folder() -> Path:
    """Where what can be made again is kept: CORNUCOPIA_CACHE, or the user's cache folder."""
    given = os.environ.get("CORNUCOPIA_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cornucopia"


def spare_input(out: Path, *inputs: Path) -> None:
    """Refuse an output file that is one of the files read.

    Raises:
        UsageError: they are the same file.
    """
    if any(out.exists() and path.exists() and out.samefile(path) for path in inputs):
        raise UsageError("输出文件就是输入文件", where=str(out), fix="换一个 --out")
