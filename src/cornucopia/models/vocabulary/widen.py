"""A tokenizer with new pieces behind its old ones: tokenizer.json, and tokenizer.model where there is one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ModelError
from cornucopia.models.tokenizer import read_proto
from cornucopia.models.vocabulary.learn import Learnt, is_byte_level

_USER_DEFINED, _NORMAL = 4, 1  # types of a SentencePiece piece


@dataclass(frozen=True)
class Widened:
    """A tokenizer and what became of the pieces.

    Args:
        tokenizer: a PreTrainedTokenizerFast.
        pieces: added, in the order of their ids.
        unreachable: pieces that no text is cut into and that were left out.
        first: id of the first added piece.
    """

    tokenizer: Any
    pieces: list[str]
    unreachable: list[str]
    first: int


def widen(tokenizer: Any, learnt: Learnt) -> Widened:
    """Add pieces; those that their own text is not cut into are left out.

    Args:
        tokenizer: as `load_tokenizer` gives it; not changed.
        learnt: from `learn` or `pieces_from`.

    Raises:
        ModelError: its model is no BPE.
    """
    check_kind(tokenizer)
    first, pieces, left_out = len(tokenizer), list(learnt.pieces), list[str]()
    while True:  # without a piece another may be out of reach
        made = _with_pieces(tokenizer, pieces, learnt.merges, first)
        cut = made.backend_tokenizer.model.tokenize  # pieces as they are written: a byte's letter stands for the byte
        bad = {piece for piece in pieces if [token.value for token in cut(piece)] != [piece]}
        if not bad:
            return Widened(made, pieces, left_out, first)
        left_out += [piece for piece in pieces if piece in bad]
        pieces = [piece for piece in pieces if piece not in bad]


def check_kind(tokenizer: Any) -> None:
    """
    Raises:
        ModelError: the tokenizer is no BPE.
    """
    kind = type(tokenizer.backend_tokenizer.model).__name__
    if kind != "BPE":
        fix = "换一个 BPE 分词的基座（LLaMA、Qwen、InternLM、GLM-4 都是）"
        raise ModelError("只能扩 BPE 的词表", where=str(tokenizer.name_or_path), found=kind, fix=fix)


def _with_pieces(tokenizer: Any, pieces: Sequence[str], learnt: Sequence[tuple[str, str]], first: int) -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    backend = tokenizer.backend_tokenizer
    state = json.loads(backend.to_str())
    model = state["model"]
    vocabulary: dict[str, int] = model["vocab"]
    vocabulary |= {piece: first + place for place, piece in enumerate(pieces)}
    old = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]]
    if is_byte_level(backend):
        new = [pair for pair in learnt if {*pair, "".join(pair)} <= vocabulary.keys()]
    else:  # as SentencePiece cuts: by any two pieces that make a piece
        new = [pair for piece in pieces for pair in _cuts(piece, vocabulary)]
    model["merges"] = [list(pair) for pair in dict.fromkeys([*old, *new])]
    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state, ensure_ascii=False)),
        **{name: value for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)},
        clean_up_tokenization_spaces=False,
        chat_template=tokenizer.chat_template,
        model_max_length=tokenizer.model_max_length,
    )
    made.padding_side = tokenizer.padding_side
    return made


def _cuts(piece: str, vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    cuts = [(piece[:place], piece[place:]) for place in range(1, len(piece))]
    return [pair for pair in cuts if pair[0] in vocabulary and pair[1] in vocabulary]


def pieces_from(path: Path, tokenizer: Any) -> Learnt:
    """The pieces of a SentencePiece model (Chinese-LLaMA's chinese_sp.model) that a tokenizer does not have.

    Raises:
        ModelError: the file is none, or the tokenizer's pieces are bytes.
    """
    if is_byte_level(tokenizer.backend_tokenizer):
        fix = "用 --corpus 从文本学新词"
        raise ModelError("这个基座的词表按字节写，不能并入 SentencePiece 的词", where=str(path), fix=fix)
    proto = read_proto(path)
    known = tokenizer.get_vocab()
    pieces = [piece.piece for piece in proto.pieces if piece.type == _NORMAL and piece.piece not in known]
    single = [piece for piece in pieces if len(piece) == 1]
    return Learnt([*single, *(piece for piece in pieces if len(piece) > 1)], characters=len(single))


def extended_proto(path: Path, tokenizer: Any, widened: Widened) -> bytes:
    """The bytes of a tokenizer.model with the added pieces at the same ids, each below all that were there.

    Args:
        path: the base's tokenizer.model.
        tokenizer: the base's.
        widened: from `widen`.
    """
    proto = read_proto(path)
    names = {number: piece for piece, number in tokenizer.get_vocab().items()}
    lowest = min(piece.score for piece in proto.pieces)
    for number in range(len(proto.pieces), widened.first):  # tokens that were added beside the model
        proto.pieces.add(piece=names.get(number, f"<unused{number}>"), score=0.0, type=_USER_DEFINED)
    for place, piece in enumerate(widened.pieces, 1):
        proto.pieces.add(piece=piece, score=lowest - place, type=_NORMAL)
    return proto.SerializeToString()
