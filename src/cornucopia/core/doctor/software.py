"""Checks of Python and its packages: present, within range, and not at odds with each other."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import tomllib
from typing import TYPE_CHECKING

from cornucopia.core.doctor.row import BAD, GOOD, WARN, Row, try_code
from cornucopia.core.paths import project_root

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OLDEST = (3, 11)
CENTRAL = ("torch", "transformers", "peft", "tokenizers", "accelerate", "safetensors")


def check_python() -> Row:
    """Python as pyproject.toml wants it: 3.11 or newer, 64 bit."""
    found = f"{sys.version.split()[0]}，{sys.executable}"
    if sys.version_info < OLDEST:
        return Row(BAD, found, "装 Python 3.11 或更新的，再 python3.11 -m venv .venv && .venv/bin/pip install -e .")
    if sys.maxsize < 2**32:
        return Row(BAD, f"{found}（32 位）", "换 64 位 Python：torch 没有 32 位版本")
    return Row(GOOD, found)


def requirements() -> dict[str, Requirement]:
    """What the project needs, by package name: pyproject.toml beside the code, else the installed metadata."""
    from packaging.requirements import Requirement

    path = project_root() / "pyproject.toml"
    if path.is_file():
        lines = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}).get("dependencies", [])
    else:
        lines = importlib.metadata.requires("cornucopia-fin") or []
    needed = [Requirement(line) for line in lines]
    return {item.name: item for item in needed if item.marker is None or item.marker.evaluate({"extra": ""})}


def installed(name: str) -> str:
    """Version of an installed package, or ''."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def check_package(name: str) -> Row:
    """One package present and within the range that was tried."""
    wanted, version = requirements().get(name), installed(name)
    limits = str(wanted.specifier) if wanted else ""
    fix = f"{sys.executable} -m pip install '{name}{limits}'"
    if not version:
        return Row(BAD, "没有安装", fix)
    if wanted and not wanted.specifier.contains(version, prereleases=True):
        return Row(BAD, f"{version}，应为 {limits}", fix)
    return Row(GOOD, f"{version}（{limits or '不限版本'}）")


def check_others() -> Row:
    """The rest of the requirements, in one row."""
    others = [name for name in requirements() if name not in CENTRAL]
    bad = [(name, row) for name in others if (row := check_package(name)).status != GOOD]
    if not bad:
        return Row(GOOD, f"{len(others)} 个包都在范围内")
    wanted = " ".join(f"'{requirements()[name]}'" for name, _ in bad)
    return Row(BAD, "；".join(f"{name} {row.found}" for name, row in bad), f"{sys.executable} -m pip install {wanted}")


def check_companions() -> Row:
    """torchvision and torchaudio match torch, if present: one that does not breaks every import of Transformers."""
    present = [name for name in ("torchvision", "torchaudio") if importlib.util.find_spec(name)]
    if not present:
        return Row(GOOD, "没有安装（不需要）")
    failed = [(name, said) for name in present for well, said in [try_code(f"import {name}")] if not well]
    if failed:
        names, torch = " ".join(name for name, _ in failed), installed("torch")
        found = "；".join(f"{name} {installed(name)} 与 torch {torch} 不配：{said}" for name, said in failed)
        return Row(BAD, found, f"{sys.executable} -m pip uninstall -y {names}（本项目用不到）")
    return Row(GOOD, "、".join(f"{name} {installed(name)}" for name in present) + "，能导入")


def check_tokenizer_readers() -> Row:
    """Both packages without which LLaMA's tokenizer.model cannot be read."""
    missing = [name for name in ("protobuf", "sentencepiece") if not installed(name)]
    if missing:
        found = f"缺 {'、'.join(missing)}：LLaMA 的 tokenizer.model 读不了"
        return Row(BAD, found, f"{sys.executable} -m pip install {' '.join(missing)}")
    well, said = try_code("import google.protobuf, sentencepiece; print('能导入')")
    versions = f"protobuf {installed('protobuf')}，sentencepiece {installed('sentencepiece')}"
    if not well:
        fix = f"{sys.executable} -m pip install --force-reinstall protobuf sentencepiece"
        return Row(BAD, f"{versions}：{said}", fix)
    return Row(GOOD, versions)


def check_plot() -> Row:
    """matplotlib draws the loss plot, whose words are English: no Chinese font is needed."""
    drawing = "from matplotlib.figure import Figure; Figure().subplots().plot([1, 2]); import matplotlib as m"
    well, said = try_code(f"{drawing}; print(m.__version__)")
    if not well:
        return Row(WARN, f"matplotlib 用不了：{said}", f"{sys.executable} -m pip install 'matplotlib>=3.9'")
    return Row(GOOD, f"matplotlib {said}（图中文字是英文，不需要中文字体）")
