"""Load a model folder's tokenizer as the model was trained with it.

Folders of the first LLaMA generation hold a SentencePiece `tokenizer.model` and often a broken
tokenizer_config.json (class "LLaMATokenizer", empty bos/eos). Transformers 5 either fails on them or tokenises
spaces unlike SentencePiece and adds no BOS; here such a folder is read from the SentencePiece model itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ModelError, first_line


def load_tokenizer(folder: str | Path) -> Any:
    """A fast Hugging Face tokenizer, with a pad token that is not the end-of-sequence token.

    Args:
        folder: a local model folder.

    Raises:
        ModelError: if the folder has no tokenizer, or it cannot be read.
    """
    folder = Path(folder)
    if not (folder / "tokenizer.json").is_file() and (folder / "tokenizer.model").is_file():
        tokenizer = _from_sentencepiece(folder)
    else:
        tokenizer = _from_transformers(folder)
    _keep_offsets(tokenizer)
    _set_pad(tokenizer)
    tokenizer.padding_side = "left"
    return tokenizer


def _from_transformers(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds for a bad folder
        has_files = any(folder.glob("tokenizer.*"))
        raise ModelError(
            "读不出分词器",
            where=str(folder),
            found=first_line(error) if has_files else "没有 tokenizer.json，也没有 tokenizer.model",
            fix="确认目录里有 tokenizer.json 或 tokenizer.model；可用 cornucopia models pull 重新下载",
        ) from None
    if not tokenizer.is_fast or len(tokenizer) < 32:
        raise ModelError(
            "分词器不完整", where=str(folder), found=f"{type(tokenizer).__name__}，{len(tokenizer)} 个词元"
        )
    return tokenizer


def _keep_offsets(tokenizer: Any) -> None:
    """Offsets that leave out a token's white space would move the border between question and answer."""
    from tokenizers import Tokenizer

    processor = tokenizer.backend_tokenizer.post_processor
    if processor is None or b'"trim_offsets":true' not in processor.__getstate__():
        return
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    for part in [state["post_processor"], *state["post_processor"].get("processors", [])]:
        part |= {"trim_offsets": False} if "trim_offsets" in part else {}
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state, ensure_ascii=False))


def _from_sentencepiece(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    proto = read_proto(folder / "tokenizer.model")
    settings = _read_json(folder / "tokenizer_config.json")
    pieces = [piece.piece for piece in proto.pieces]
    bos, eos, unk = (
        pieces[i] if 0 <= i < len(pieces) else None
        for i in (proto.trainer_spec.bos_id, proto.trainer_spec.eos_id, proto.trainer_spec.unk_id)
    )
    add_bos = bool(settings.get("add_bos_token", True)) and bos is not None
    backend = _backend(proto, bos if add_bos else None)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=bos,
        eos_token=eos,
        unk_token=unk,
        clean_up_tokenization_spaces=False,
        chat_template=settings.get("chat_template"),
    )
    tokenizer.add_tokens(_added(folder, set(pieces)), special_tokens=True)
    return tokenizer


def read_proto(path: Path) -> Any:
    try:
        from sentencepiece import sentencepiece_model_pb2 as schema
    except ImportError as error:
        raise ModelError(
            "读 tokenizer.model 需要 sentencepiece 和 protobuf",
            where=str(path),
            found=str(error),
            fix="pip install sentencepiece protobuf",
        ) from None
    proto = schema.ModelProto()  # type: ignore[attr-defined]
    try:
        proto.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's DecodeError lives in a C module
        raise ModelError(
            "tokenizer.model 已损坏", where=str(path), found=str(error)[:120], fix="重新下载这个文件"
        ) from None
    if len(proto.pieces) < 4:
        raise ModelError(
            "tokenizer.model 不完整", where=str(path), found=f"{len(proto.pieces)} 个词元", fix="重新下载这个文件"
        )
    return proto


def _backend(proto: Any, bos: str | None) -> Any:
    """The same segmentation in the tokenizers library (as the LLaMA converters of Transformers 4 did)."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, processors

    tokenizer = Tokenizer(_segmenter(proto))
    control = [p.piece for p in proto.pieces if p.type in (2, 3)]  # UNKNOWN, CONTROL
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in control])
    whole = [p.piece for p in proto.pieces if p.type == 4]  # USER_DEFINED: never cut
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in whole])
    steps: list[Any] = []
    if proto.normalizer_spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap))
    if proto.normalizer_spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if proto.normalizer_spec.add_dummy_prefix:
        steps.append(normalizers.Prepend("▁"))
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", "▁")])
    ends: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if proto.normalizer_spec.add_dummy_prefix:
        ends.append(decoders.Strip(content=" ", left=1))
    tokenizer.decoder = decoders.Sequence(ends)
    if bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, proto.trainer_spec.bos_id)]
        )
    return tokenizer


def _segmenter(proto: Any) -> Any:
    from tokenizers import models

    scores = {piece.piece: piece.score for piece in proto.pieces}
    if proto.trainer_spec.model_type == 1:  # unigram
        return models.Unigram(
            [(p.piece, p.score) for p in proto.pieces], proto.trainer_spec.unk_id, proto.trainer_spec.byte_fallback
        )
    ids = {piece.piece: index for index, piece in enumerate(proto.pieces)}
    merges = []
    for piece in ids:
        cuts = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in ids and piece[i:] in ids]
        merges += [(-scores[piece], ids[left], ids[right], left, right) for left, right in cuts]
    merges.sort()
    unk = proto.pieces[proto.trainer_spec.unk_id].piece
    return models.BPE(
        ids,
        [(left, right) for *_, left, right in merges],
        unk_token=unk,
        fuse_unk=True,
        byte_fallback=proto.trainer_spec.byte_fallback,
    )


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, {} where there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ModelError(
            f"{path.name} 不是合格的 JSON", where=str(path), found=str(error), fix="重新下载这个文件"
        ) from None
    if not isinstance(values, dict):
        raise ModelError(f"{path.name} 不是 JSON 对象", where=str(path), found=type(values).__name__)
    return values


def _added(folder: Path, known: set[str]) -> list[str]:
    added = _read_json(folder / "added_tokens.json")
    return [token for token, _ in sorted(added.items(), key=lambda item: item[1]) if token not in known]


def _set_pad(tokenizer: Any) -> None:
    """Padding is masked by position everywhere, yet pad == eos misleads other tools: use unk, or an unused token."""
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id != tokenizer.eos_token_id:
        return
    vocabulary = tokenizer.get_vocab()
    names = (
        "<pad>",
        "[PAD]",
        "<|pad|>",
        "<|endoftext|>",
        "<|finetune_right_pad_id|>",
        tokenizer.unk_token,
        tokenizer.bos_token,
    )
    for name in names:
        if name and name in vocabulary and name != tokenizer.eos_token:
            tokenizer.pad_token = name
            return
