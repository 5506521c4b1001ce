"""A tokenizer as GGUF metadata, so that llama.cpp cuts text as ours does.

Three of llama.cpp's tokenizers serve: `gpt2` (byte-level BPE), `llama` (SentencePiece's BPE: the pair whose union
scores best is joined, whichever two pieces make it) and `gemma4` (BPE with byte fallback by a list of merges). The
second equals the third where every way to cut a piece in two is among the merges.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ModelError

# The pattern that a byte-level tokenizer first cuts text by, and llama.cpp's name for it. The contractions are
# written in two ways by the makers; they are taken out before the comparison.
_CONTRACTIONS = ("(?i:'s|'t|'re|'ve|'m|'ll|'d)|", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|")
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_PATTERNS = {
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _REST: "llama-bpe",
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _REST: "qwen2",
}
_SPACE = "\u2581"  # SentencePiece's mark for a space


def write_vocabulary(writer: Any, tokenizer: Any, rows: int, folder: Path) -> str:
    """The tokenizer's metadata.

    Args:
        writer: a gguf.GGUFWriter.
        tokenizer: as `models.tokenizer.load_tokenizer` reads it.
        rows: of the embedding; pieces are added up to it.
        folder: the base's, for messages.

    Returns:
        llama.cpp's name of the tokenizer.

    Raises:
        ModelError: a tokenizer that llama.cpp has no like of.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    model = state["model"]
    if model["type"] != "BPE":
        raise _unknown(folder, f"{model['type']} 分词器")
    added = {token["id"]: token for token in state["added_tokens"]}
    pieces = {number: piece for piece, number in model["vocab"].items()} | {n: t["content"] for n, t in added.items()}
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    if not model.get("byte_fallback"):
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_pattern_name(state, bool(merges), folder))
        name = "gpt2"
    else:
        name = _write_fallback(writer, state, pieces, merges, added, rows, folder)
    if name != "llama":
        mark = _SPACE if name == "gemma4" else " "
        lines = [" ".join(part.replace(" ", mark) for part in pair) for pair in merges]
        writer.add_token_merges(lines or ["<none> <none>"])  # llama.cpp wants a list; a whole name is never a part
    writer.add_token_list([pieces.get(number, f"[PAD{number}]") for number in range(rows)])
    writer.add_token_types([_kind(pieces.get(n), added.get(n), tokenizer, name) for n in range(rows)])
    _write_specials(writer, tokenizer)
    return name


def _unknown(folder: Path, found: str) -> ModelError:
    fix = "不加 --gguf 导出成目录，用 Transformers 或 vLLM 打开；要 GGUF 就用 llama.cpp 自己的 convert_hf_to_gguf.py"
    return ModelError("llama.cpp 没有与这个分词器相同的切法", where=str(folder), found=found, fix=fix)


def _steps(state: dict[str, Any], part: str) -> list[dict[str, Any]]:
    """The steps of a normalizer or pre-tokenizer, one or a sequence."""
    whole = state[part] or {}
    return whole.get("normalizers") or whole.get("pretokenizers") or ([whole] if whole else [])


def _pattern_name(state: dict[str, Any], merging: bool, folder: Path) -> str:
    steps = _steps(state, "pre_tokenizer")
    if not any(step["type"] == "ByteLevel" for step in steps):
        raise _unknown(folder, "既不是字节级的 BPE，也没有字节退路")
    patterns = [step["pattern"].get("Regex", "") for step in steps if step["type"] == "Split"]
    if not merging or (not patterns and any(step.get("use_regex") for step in steps)):
        return "gpt-2"
    for written in patterns[:1]:
        for words in _CONTRACTIONS:
            written = written.removeprefix(words)
        if written in _PATTERNS:
            return _PATTERNS[written]
    raise _unknown(folder, f"预切分 {patterns or '无'}")


def _write_fallback(
    writer: Any,
    state: dict[str, Any],
    pieces: dict[int, str],
    merges: list[Any],
    added: dict[int, Any],
    rows: int,
    folder: Path,
) -> str:
    """Whole characters with bytes for what has none; spaces marked by `▁`, as llama.cpp has them."""
    steps = [*_steps(state, "normalizer"), *_steps(state, "pre_tokenizer")]
    marked = any(step["type"] in ("Metaspace", "Replace") for step in steps)
    if not marked:
        if any(_SPACE in piece for piece in pieces.values()):
            raise _unknown(folder, f"词表里既有空格又有「{_SPACE}」")
        for number in set(pieces) - set(added):
            pieces[number] = pieces[number].replace(" ", _SPACE)
    prefix = any(
        step["type"] == "Prepend" or (step["type"] == "Metaspace" and step.get("prepend_scheme") != "never")
        for step in steps
    )
    writer.add_add_space_prefix(prefix)
    if (
        not _any_cut_merges(pieces, {(a.replace(" ", _SPACE), b.replace(" ", _SPACE)) for a, b in merges})
        and not prefix
    ):
        writer.add_tokenizer_model("gemma4")
        return "gemma4"
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(merges):
        ranks.setdefault("".join(pair), rank)
    writer.add_tokenizer_model("llama")
    writer.add_token_scores([-float(ranks.get(pieces.get(number, ""), 0)) for number in range(rows)])
    return "llama"


def _any_cut_merges(pieces: dict[int, str], merges: set[Any]) -> bool:
    """Whether each way to cut a piece into two pieces is a merge: then scores of pieces say all that the merges do."""
    known = set(pieces.values())
    made = {left + right for left, right in merges}
    return all(
        (piece[:place], piece[place:]) in merges
        for piece in made
        for place in range(1, len(piece))
        if piece[:place] in known and piece[place:] in known
    )


def _kind(piece: str | None, added: dict[str, Any] | None, tokenizer: Any, name: str) -> int:
    import gguf

    if piece is None:
        return int(gguf.TokenType.UNUSED)
    if piece == tokenizer.unk_token and name != "gpt2":
        return int(gguf.TokenType.UNKNOWN)
    if added:
        return int(gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED)
    is_byte = len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")
    return int(gguf.TokenType.BYTE if is_byte and name != "gpt2" else gguf.TokenType.NORMAL)


def _write_specials(writer: Any, tokenizer: Any) -> None:
    from cornucopia.tokens.render import starts_with_bos

    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.eos_token_id is not None:
        writer.add_eos_token_id(tokenizer.eos_token_id)
    if tokenizer.unk_token_id is not None:
        writer.add_unk_token_id(tokenizer.unk_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(starts_with_bos(tokenizer))
    writer.add_add_eos_token(False)
