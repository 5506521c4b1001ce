"""A model's weights and dimensions as llama.cpp names and orders them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cornucopia.core.console import say
from cornucopia.core.errors import ModelError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Family:
    """How llama.cpp reads a family.

    Args:
        architecture: a name of gguf.MODEL_ARCH.
        interleaved: RoPE turns neighbouring numbers of a head, where Transformers turns one of each half.
    """

    architecture: str
    interleaved: bool


FAMILIES = {
    "llama": Family("LLAMA", True),
    "mistral": Family("LLAMA", True),
    "qwen2": Family("QWEN2", False),
    "qwen3": Family("QWEN3", False),
}
_ROPE = ("default", "linear", "llama3")


def family_of(config: dict[str, Any], folder: Any) -> Family:
    """The family, by config.json.

    Raises:
        ModelError: one that is not written here.
    """
    name = str(config["model_type"])
    if name not in FAMILIES:
        able = "、".join(FAMILIES)
        fix = "不加 --gguf 导出成目录，再用 llama.cpp 自己的 convert_hf_to_gguf.py 转换"
        raise ModelError("这个系列还不能写成 GGUF", where=str(folder), found=f"{name}；能写的有 {able}", fix=fix)
    return FAMILIES[name]


def write_dimensions(writer: Any, config: Any) -> None:
    """The model's dimensions as metadata.

    Args:
        writer: a gguf.GGUFWriter.
        config: the Transformers configuration.

    Raises:
        ModelError: a RoPE scaling that is not written here.
    """
    import gguf

    head = head_size(config)
    context = context_length(config)
    if context < config.max_position_embeddings:
        say(f"这个模型有 {context} 个词元的滑动窗口，llama.cpp 对这个系列不用它：GGUF 的最长上下文写成 {context}")
    writer.add_context_length(context)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    rope = config.rope_parameters
    kind = rope.get("rope_type", "default")
    if kind not in _ROPE:
        fix = "去掉 config.json 里的这一项（上下文回到原来的长度）再导出，或不加 --gguf 导出成目录"
        raise ModelError("这种 RoPE 伸缩还不能写成 GGUF", found=f"{kind}；能写的有 {'、'.join(_ROPE)}", fix=fix)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    if kind == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))


def head_size(config: Any) -> int:
    """Numbers in an attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def context_length(config: Any) -> int:
    """The longest context; the sliding window where there is one, for llama.cpp has none for these families."""
    longest, window = int(config.max_position_embeddings), getattr(config, "sliding_window", None)
    slides = "sliding_attention" in (getattr(config, "layer_types", None) or ["sliding_attention"])
    return min(longest, int(window)) if window and slides else longest


def tensors(model: Any, family: Family) -> Iterator[tuple[str, int, tuple[int, ...], Any]]:
    """Name in the file, block number (-1 outside them), shape, and a function that gives the values in float32.

    A tied output layer is left out: llama.cpp takes the embedding then.

    Raises:
        ModelError: a tensor that llama.cpp has no name for.
    """
    import gguf

    config = model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[family.architecture], config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, parameter in model.named_parameters():  # a tied tensor comes once
        written = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if written is None:
            fix = "不加 --gguf 导出成目录"
            raise ModelError("llama.cpp 对这个系列没有这个张量", found=name, fix=fix)
        parts = name.split(".")
        block = next((int(part) for part in parts if part.isdecimal()), -1)
        turned = heads.get(parts[-2], 0) if family.interleaved else 0

        def values(tensor: Any = parameter, turned: int = turned) -> Array:
            array = tensor.detach().float().numpy()
            return _interleaved(array, turned) if turned else array

        yield written, block, tuple(parameter.shape), values
    factors = _frequency_factors(model)
    if factors is not None:
        yield "rope_freqs.weight", -1, factors.shape, lambda: factors


def _interleaved(array: Array, heads: int) -> Array:
    """Rows of each head reordered from (first half, second half) to pairs of one of each."""
    return array.reshape(heads, 2, len(array) // heads // 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def _frequency_factors(model: Any) -> Array | None:
    """What llama.cpp divides each RoPE frequency by: LLaMA 3's scaling, taken from the frequencies in use."""
    config = model.config
    rope = config.rope_parameters
    if rope.get("rope_type") != "llama3":
        return None
    head = head_size(config)
    plain = float(rope["rope_theta"]) ** (-np.arange(0, head, 2, dtype=np.float64) / head)
    return (plain / model.model.rotary_emb.inv_freq.double().cpu().numpy()).astype(np.float32)
