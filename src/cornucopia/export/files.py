"""What a model folder holds beside its weights: tokenizer, chat template, generation settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cornucopia.core.jsonl import write_json
from cornucopia.models.load import DEFAULT_NEW_TOKENS

LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
_TOKENIZER = ("tokenizer*", "*tokens*.json", "vocab.json", "merges.txt", "chat_template*", "additional_chat_templates")


def write_tokenizer(folder: Path, source: Path, tokenizer: Any, template: Any) -> None:
    """The base's own tokenizer files with the chat template set; tokenizer.json is made where the base has none.

    Args:
        folder: to write in.
        source: the base's folder.
        tokenizer: as `models.tokenizer.load_tokenizer` reads it.
        template: text of the chat template, or what the base has.
    """
    if not (source / "tokenizer.json").is_file():
        tokenizer.save_pretrained(str(folder))
        if (source / "tokenizer.model").is_file():
            shutil.copyfile(source / "tokenizer.model", folder / "tokenizer.model")
    else:
        for path in {path for pattern in _TOKENIZER for path in source.glob(pattern)}:
            copy = shutil.copytree if path.is_dir() else shutil.copyfile
            copy(path, folder / path.name)
    if isinstance(template, str):
        for path in folder.glob("chat_template*"):
            path.unlink()
        shutil.rmtree(folder / "additional_chat_templates", ignore_errors=True)
    _set_template(folder / "tokenizer_config.json", template)


def copy_licences(folder: Path, source: Path) -> None:
    """The base's licence texts, which most licences ask to be passed on."""
    for path in (path for pattern in LICENCES for path in source.glob(pattern)):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


def _set_template(path: Path, template: Any) -> None:
    settings = json.loads(path.read_text(encoding="utf-8-sig")) if path.is_file() else {}
    if isinstance(template, str):
        settings["chat_template"] = template
    # Transformers 4 knows the plain fast tokenizer by its older name only; 5 knows both.
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    settings.pop("name_or_path", None)
    write_json(path, settings)


def set_generation(model: Any, tokenizer: Any) -> None:
    """Generation settings by which a plain `generate` ends answers where our engine does."""
    settings = model.generation_config
    settings._from_model_config = False
    own = settings.eos_token_id
    ids = [*(own if isinstance(own, (list, tuple)) else [own]), tokenizer.eos_token_id]
    ends = sorted({int(token) for token in ids if token is not None and token >= 0})
    settings.eos_token_id = ends[0] if len(ends) == 1 else ends or None
    if settings.max_new_tokens is None:  # Transformers' own default ends an answer after 20 tokens
        settings.max_new_tokens = DEFAULT_NEW_TOKENS
    settings.max_length = None
