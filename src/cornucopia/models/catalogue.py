"""The catalogue: models known by name, where each lives, under what licence, and the memory it needs.

Reads catalogue.yaml beside this file; knows nothing of what is on this disk (local.py).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pydantic
import yaml

from cornucopia.core import hub, hub_api
from cornucopia.core.console import say
from cornucopia.core.errors import HubError, nearest
from cornucopia.core.hub_api import RepoMissing
from cornucopia.core.paths import project_root
from cornucopia.models.memory import Shape, shape_from_config

FILE = Path(__file__).with_name("catalogue.yaml")
FORMULA = (
    "内存估算（GB，P 为参数量，单位十亿）：推理 16 位 2.1P+1，推理 4 位 0.8P+1，LoRA 16 位 2.4P+1.5，"
    "QLoRA 4 位 1.1P+1.5；按长度 512、小批量、梯度检查点计，长文本和大批量更多"
)


class Memory(pydantic.BaseModel):
    """Memory needs in GB (10^9 bytes), by FORMULA.

    16-bit weights take 2 bytes a parameter; NF4 about 0.7 (0.5 for the blocks, their scales, embeddings left in
    16 bit). On top: 0.1P + 1 for the KV cache and the runtime when generating; 0.4P + 1.5 for adapters, their optimiser
    state and checkpointed activations when training (512 tokens, small batch).
    """

    infer: float
    infer4: float
    lora: float
    qlora: float


class Entry(pydantic.BaseModel):
    """One model of the catalogue; an empty field is unknown."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Literal["base", "chat", "adapter"]
    hf: str = ""
    modelscope: str = ""
    aliases: list[str] = []
    alternatives: list[str] = []
    licence: str = ""
    parameters: float | None = pydantic.Field(None, gt=0)
    download_gb: float | None = pydantic.Field(None, gt=0)
    config: dict[str, str | bool | int] = {}
    base: str = ""
    gated: bool = False
    gone: bool = False
    replaced_by: str = ""
    verified: bool = True
    note: str

    @property
    def size_gb(self) -> float | None:
        """Download size in GB: as stated, else two bytes a parameter."""
        return self.download_gb or (round(2 * self.parameters, 1) if self.parameters else None)

    @property
    def memory(self) -> Memory | None:
        """Memory needs, or None where the parameters are unknown."""
        if self.parameters is None:
            return None
        weights, small = 2 * self.parameters, 0.7 * self.parameters
        generating, training = 0.1 * self.parameters + 1, 0.4 * self.parameters + 1.5
        sums = (weights + generating, small + generating, weights + training, small + training)
        return Memory(**dict(zip(("infer", "infer4", "lora", "qlora"), (round(x, 1) for x in sums), strict=True)))

    @property
    def shape(self) -> Shape | None:
        """Sizes of its layers, known without a download, or None."""
        return shape_from_config(self.config) if self.config else None

    def repo(self, site: str) -> str:
        """Its repository on a hub, or ''."""
        return self.modelscope if site == "modelscope" else self.hf


class Source(pydantic.BaseModel):
    """What a name given to `pull` means: repository, hub, and folder name under base_models/."""

    repo: str
    hub: str
    folder: str
    entry: Entry | None = None


@lru_cache
def entries() -> list[Entry]:
    """Every entry, in the file's order."""
    return [Entry.model_validate(item) for item in yaml.safe_load(FILE.read_text(encoding="utf-8"))]


def names_of(entry: Entry) -> list[str]:
    """Every name by which the entry may be asked for."""
    return [name for name in (entry.name, *entry.aliases, entry.hf, entry.modelscope, *entry.alternatives) if name]


def find(name: str) -> Entry | None:
    """The entry called `name` (its name, an alias or a repository; case does not matter)."""
    wanted = name.lower()
    exact = [entry for entry in entries() if wanted in (entry.name.lower(), entry.hf.lower(), entry.modelscope.lower())]
    return next(iter(exact), None) or next(
        (entry for entry in entries() if wanted in [known.lower() for known in names_of(entry)]), None
    )


def hub_licence(licence: str) -> str:
    """A licence as the head of a model card names it: apache-2.0, mit, llama3.2 ..., or other.

    The identifiers are those of the Hugging Face Hub's documentation of model cards.
    """
    bare = licence.strip().lower()
    if bare in ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "gemma", "openrail", "bigscience-bloom-rail-1.0"):
        return bare
    llama = re.search(r"llama ?(2|3(?:\.[1-3])?)(?![\d.])", bare)
    return f"llama{llama[1]}" if llama else "other"


def resolve(name: str, site: str = "") -> Source:
    """What to download for `name`: a catalogue name, "org/name" or "ms:org/name".

    A model known to be gone is answered with its living replacement, and says so.

    Raises:
        HubError: for a name without a repository, naming the nearest one known.
    """
    given_hub = "modelscope" if name.startswith("ms:") else site
    plain = name.removeprefix("ms:").removeprefix("hf:").removeprefix("./").removeprefix("base_models/").strip("/")
    chosen = given_hub or hub_api.default_hub()
    entry = find(plain)
    if entry and entry.gone:
        entry = _replacement(entry)
    if entry is None:
        if plain.count("/") != 1:
            raise unknown(plain)
        return Source(repo=plain, hub=chosen, folder=plain.split("/")[-1])
    if "/" in plain and plain.lower() in [other.lower() for other in entry.alternatives]:
        return Source(repo=plain, hub=chosen, folder=entry.name, entry=entry)
    if not entry.repo(chosen):
        if given_hub:
            fix = f"cornucopia models pull {entry.name} --hub hf"
            raise HubError(f"{entry.name} 在这个模型站没有收录", where=chosen, fix=fix)
        chosen = "hf" if entry.hf else "modelscope"
    return Source(repo=entry.repo(chosen), hub=chosen, folder=entry.name, entry=entry)


def pull(
    name: str,
    *,
    site: str = "",
    revision: str | None = None,
    folder: Path | None = None,
    include: list[str] | None = None,
    weights: bool = True,
    agree: hub.Agree = lambda size: True,
) -> Path:
    """Download `name` (see `resolve`) to base_models/ or `folder`, with or without weights; returns where it is.

    Raises:
        HubError: with the living replacement where the catalogue knows one.
    """
    source = resolve(name, site)
    target = folder or project_root() / "base_models" / source.folder
    if source.entry and source.entry.licence:
        say(f"许可：{source.entry.licence}。{source.entry.note}")
    try:
        hub.pull(source.repo, target, hub=source.hub, revision=revision, include=include, weights=weights, agree=agree)
    except RepoMissing as error:
        raise HubError(error.what, where=error.where, found=error.found, fix=_instead(source) or error.fix) from None
    return target


def _replacement(entry: Entry) -> Entry:
    other = find(entry.replaced_by)
    if other is None:
        fix = "cornucopia models list --all"
        raise HubError("这个模型已下架，且没有替代", where=entry.name, found=entry.note, fix=fix)
    say(f"{entry.hf or entry.name} 已下架（{entry.note}）。改为下载 {other.hf}")
    return other


def _instead(source: Source) -> str:
    """The next command when a repository has gone, or ''."""
    entry = source.entry
    if entry is None:
        close = nearest(source.repo.split("/")[-1], [known.name for known in entries() if not known.gone])
        return f"目录里最接近的是：cornucopia models pull {close}" if close else ""
    tried = "modelscope" if source.hub == "modelscope" else "hf"  # a mirror shows what Hugging Face has
    others = [site for site in ("hf", "modelscope") if entry.repo(site) and site != tried]
    commands = [f"cornucopia models pull {entry.name} --hub {site}" for site in others]
    commands += [f"cornucopia models pull {repo}" for repo in entry.alternatives if repo != source.repo]
    return "换一个来源：" + "，或 ".join(commands) if commands else ""


def unknown(name: str) -> HubError:
    """The error for a name that the catalogue lacks, with the nearest one."""
    close = nearest(name, [known for entry in entries() if not entry.gone for known in names_of(entry)])
    hint = f"最接近的是 {close}；" if close else ""
    fix = f"{hint}全部见 cornucopia models list --all，或写完整的「组织/名字」"
    return HubError("目录里没有这个名字", found=name, fix=fix)
