"""cornucopia.json: what an adapter was trained with, so that no engine uses it on the wrong base or template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cornucopia.core.errors import ModelError, first_line
from cornucopia.core.jsonl import write_json

FILE = "cornucopia.json"


class ModelMeta(BaseModel):
    """The record kept beside an adapter. An adapter from elsewhere has none: every field is then empty."""

    model_config = ConfigDict(extra="ignore")

    template: str | None = None
    template_text: dict[str, str] | None = None
    base: str = ""
    base_fingerprint: str = ""
    vocab_size: int = 0
    data_fingerprint: str = ""
    recipe: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)


def read_meta(folder: str | Path) -> ModelMeta:
    """Read an adapter folder's cornucopia.json; empty values when it has none.

    Raises:
        ModelError: if it is there but damaged.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return ModelMeta()
    try:
        return ModelMeta.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ModelError("cornucopia.json 已损坏", where=str(path), found=first_line(error)) from None


def write_meta(folder: str | Path, meta: ModelMeta) -> None:
    """Write cornucopia.json."""
    write_json(Path(folder) / FILE, meta.model_dump(mode="json", exclude_none=True))


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide the numbers."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in ("cornucopia-fin", "torch", "transformers", "peft", "tokenizers"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "?"
    return versions
