"""Taking a model's parts for the decoder, and proving on it that the logits are the model's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cornucopia.core.errors import first_line
from cornucopia.inference.decoder import Decoder, Layer, Map, Piece
from cornucopia.inference.growing_cache import can_join, growing_cache
from cornucopia.inference.lora_rows import MAPS, LoraStacks
from cornucopia.inference.slots import Slots

UNKNOWN = 131072  # positions when the config names none
TOLERANCE = {torch.float32: 1e-3}  # of the logits' standard deviation
ROUGH = 0.15  # the same for 16 bits and quantised weights, whose own rounding depends on the order of sums
REFUSALS = (AttributeError, TypeError, ValueError, RuntimeError, KeyError, IndexError)


class Unfit(ValueError):
    """A model that the decoder cannot compute; the message says why (Chinese)."""


def open_decoder(model: Any, forward: Callable[..., Any]) -> Decoder:
    """The decoder of a causal language model, checked.

    Args:
        model: the base, in memory; adapters may already be wrapped around its linear maps.
        forward: the model's own forward without any adapter: input_ids -> output with `.logits`.

    Raises:
        Unfit: with the reason.
    """
    try:
        decoder = _take(model)
        check(decoder, forward)
    except Unfit:
        raise
    except REFUSALS as error:
        raise Unfit(f"结构不同（{type(error).__name__}: {first_line(error, 80)}）") from None
    return decoder


def check(decoder: Decoder, forward: Callable[..., Any], stacks: LoraStacks | None = None, adapter: str = "") -> None:
    """Compare logits on a few tokens, read in pieces of several and of one.

    Args:
        forward: the model's own, with the same adapter active.

    Raises:
        Unfit: when they differ.
    """
    vocabulary = decoder.weight.shape[0]
    ids = torch.randint(min(5, vocabulary - 1), vocabulary, (17,), generator=torch.Generator().manual_seed(7)).tolist()
    slots = Slots(decoder.count, decoder.shape, decoder.weight, budget=0, most=2, longest=32)
    slot, got = slots.enter(ids, len(ids), adapter or None), []
    other = slots.enter(ids, len(ids), adapter or None)  # a second row, so that slots and rows are not the same by luck
    for begin, end in ((0, 11), (11, 12), (12, 13), (13, 17)):
        pieces = [Piece(one, ids[begin:end], begin, end - begin) for one in (other, slot)]
        lora = stacks.rows([adapter] * 2, [end - begin] * 2) if stacks else None
        got.append(decoder(pieces, lora)[end - begin :])
    with torch.inference_mode():
        wanted = forward(input_ids=torch.tensor([ids], device=decoder.weight.device)).logits[0].float()
    apart = float((torch.cat(got).float() - wanted).abs().max() / wanted.std())
    allowed = TOLERANCE.get(wanted.dtype if decoder.plain else torch.bfloat16, ROUGH)
    if not apart <= allowed:
        raise Unfit(f"算出来与模型自己的不同（相差 {apart:.2g} 个标准差）")


def _take(model: Any) -> Decoder:
    if not can_join(growing_cache(model.config)):
        raise Unfit("有滑动窗口或循环状态")
    inner, config = model.model, model.config.get_text_config()
    rotary = inner.rotary_emb
    if getattr(rotary, "rope_type", "default") in ("dynamic", "longrope"):
        raise Unfit("位置编码随长度变化")
    size = getattr(inner.layers[0].self_attn, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads = (config.num_attention_heads, config.num_key_value_heads, size)
    longest = getattr(config, "max_position_embeddings", None) or UNKNOWN
    layers = [_layer(layer) for layer in inner.layers]
    if hasattr(inner.embed_tokens, "base_layer") or type(inner.embed_tokens) is not torch.nn.Embedding:
        raise Unfit("词表层被换过")
    tied = model.lm_head.weight is inner.embed_tokens.weight
    head = Map([_plain(model.lm_head)])
    if tied:
        inner.embed_tokens.weight = head.modules[0].weight
    return Decoder(inner.embed_tokens, layers, inner.norm, head, rotary, heads, longest)


def _layer(layer: Any) -> Layer:
    maps = {kind: Map([_plain(layer.get_submodule(path)) for path in paths]) for kind, paths in MAPS.items()}
    own = layer.self_attn
    norms = (own.q_norm, own.k_norm) if hasattr(own, "q_norm") else None
    return Layer(
        (layer.input_layernorm, layer.post_attention_layernorm), maps["qkv"], maps["out"], maps["gate_up"],
        maps["down"], layer.mlp.act_fn, norms, own.scaling,
    )  # fmt: skip


def _plain(module: Any) -> Any:
    """The model's own linear map, without what PEFT has wrapped around it."""
    return module.get_base_layer() if hasattr(module, "get_base_layer") else module
