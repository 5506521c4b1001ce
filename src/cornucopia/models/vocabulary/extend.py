"""A base's folder with a wider vocabulary: old rows bit for bit, a new row the mean of its old pieces' rows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, ModelError, first_line
from cornucopia.models.find import find_model
from cornucopia.models.load import save_weights
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.models.vocabulary.learn import learn
from cornucopia.models.vocabulary.widen import Widened, check_kind, extended_proto, pieces_from, widen
from cornucopia.records.read import read_records

HELD_OUT = 20  # every so manieth text is kept from learning, and measured


class ExtendOptions(Config):
    """`cornucopia vocab extend`"""

    base: str = option(..., "基座的文件夹或名字", aliases=("base_model", "model_name_or_path"))
    corpus: list[str] = option(
        [], "学新词的文本：能训练的任何格式，或 .txt、.md；每 20 篇留 1 篇不学，用来量效果", split="paths"
    )
    pieces: Path | None = option(None, "不学，直接并入一个 SentencePiece 词表，如 Chinese-LLaMA 的 chinese_sp.model")
    size: int = option(5000, "最多加多少个词", gt=0)
    out: Path = option(..., "新模型的文件夹", aliases=("output_dir",))
    tokenizer_only: bool = option(False, "只写分词器，不写权重（看效果用）")
    overwrite: bool = option(False, "文件夹里已有模型时盖掉它")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.corpus:
            raise ValueError("要有 --corpus：学新词，或量一量并入的词有多大用处")
        return self


@dataclass(frozen=True)
class Measured:
    """What a wider vocabulary does to text that it was not learnt from.

    Args:
        texts, characters: of that text.
        before, after: tokens a character.
        same: texts whose tokens, decoded, are what the old tokenizer's tokens decode to.
    """

    texts: int
    characters: int
    before: float
    after: float
    same: int


def extend(options: ExtendOptions) -> tuple[Widened, Measured]:
    """Write the folder.

    Raises:
        ConfigError: the folder holds a model already. ModelError: a base that cannot be extended.
        DataError: no text.
    """
    if (options.out / "config.json").exists() and not options.overwrite:
        raise ConfigError("这里已经有一个模型", where=str(options.out), fix="换一个目录，或 --overwrite 盖掉它")
    base = find_model(options.base)
    if options.out.exists() and options.out.resolve() == base.resolve():
        raise ConfigError("新模型的文件夹就是基座的", where=str(options.out), fix="换一个 --out")
    tokenizer = load_tokenizer(base)
    check_kind(tokenizer)
    texts = [text for path in options.corpus for text in _texts(path)]
    held = texts[HELD_OUT - 1 :: HELD_OUT] or texts
    if options.pieces:
        learnt = pieces_from(options.pieces, tokenizer)
        learnt.pieces = learnt.pieces[: options.size]
    else:
        kept = [text for number, text in enumerate(texts, 1) if number % HELD_OUT] or texts
        learnt = learn(tokenizer.backend_tokenizer, kept, options.size)
    if not learnt.pieces:
        fix = "给更多中文文本；同样的词要出现两次以上"
        raise ModelError("没有学到新词", where="、".join(options.corpus), found=f"{len(texts)} 篇文本", fix=fix)
    widened = widen(tokenizer, learnt)
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.tokenizer_only:
        _write_weights(base, tokenizer, widened, options.out)
    _write_tokenizer(base, tokenizer, widened, options.out)
    return widened, measure(tokenizer, widened.tokenizer, held)


def measure(old: Any, new: Any, texts: Sequence[str]) -> Measured:
    """Tokens a character before and after, and whether anything is lost."""
    counts, same, characters = [0, 0], 0, sum(map(len, texts))
    for text in texts:
        ids = [tokenizer(text, add_special_tokens=False).input_ids for tokenizer in (old, new)]
        counts = [count + len(one) for count, one in zip(counts, ids, strict=True)]
        same += old.decode(ids[0]) == new.decode(ids[1])
    before, after = (count / max(characters, 1) for count in counts)
    return Measured(len(texts), characters, before, after, same)


def _texts(path: str) -> Iterator[str]:
    for record in read_records(path, rejects=False).records:
        yield record.text or "\n".join(message.content for message in record.messages)


def _write_weights(base: Path, tokenizer: Any, widened: Widened, out: Path) -> None:
    """
    Raises:
        ModelError: the model cannot be read, or has fewer rows than the tokenizer has tokens.
    """
    import torch
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(base), local_files_only=True, trust_remote_code=False, dtype="auto"
        )
    except Exception as error:  # transformers raises many kinds for a bad folder
        raise ModelError("读不出基座", where=str(base), found=first_line(error)) from None
    embedding: Any = model.get_input_embeddings()
    rows = embedding.weight.shape[0]
    if rows < widened.first:
        raise ModelError(
            "基座的嵌入比分词器的词元少", where=str(base), found=f"{rows} 行，{widened.first} 个词元",
            fix="确认分词器和权重是同一个模型的",
        )  # fmt: skip
    ids = [_old_ids(tokenizer, widened.tokenizer, piece) for piece in widened.pieces]
    total = widened.first + len(ids)
    with torch.no_grad():
        if total > rows:
            model.resize_token_embeddings(total, mean_resizing=False)
        layers: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
        for layer in {layer.weight.data_ptr(): layer for layer in layers if layer is not None}.values():
            old = layer.weight[: widened.first].float()
            for number, parts in enumerate(ids, widened.first):
                layer.weight[number] = old[parts].mean(0).to(layer.weight.dtype)
    save_weights(model, out)


def _old_ids(old: Any, new: Any, piece: str) -> list[int]:
    """The old tokens of a piece's text; of a piece that is part of a character, of its bytes."""
    parts = old.backend_tokenizer.model.tokenize(piece)
    ids = [token.id for token in parts]
    return ids or [old.unk_token_id or 0]


def _write_tokenizer(base: Path, tokenizer: Any, widened: Widened, out: Path) -> None:
    widened.tokenizer.save_pretrained(str(out))
    if (base / "tokenizer.model").is_file():
        (out / "tokenizer.model").write_bytes(extended_proto(base / "tokenizer.model", tokenizer, widened))
    for pattern in ("LICENSE*", "NOTICE*", "USE_POLICY*"):
        for path in base.glob(pattern):
            shutil.copyfile(path, out / path.name)
