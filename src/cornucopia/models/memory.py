"""Memory a training run needs, estimated from config.json and the plan before anything is loaded.

Counts parameters exactly for LLaMA-shaped decoders; activations follow what PyTorch autograd keeps in a
Transformers decoder layer (compare Korthikanti et al. 2022, arXiv:2205.05198, for the GPT layer).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ModelError
from cornucopia.models.families import read_config

GIB = 1024**3


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder; kv is the width of all keys (= of all values) of a token, q of its queries."""

    hidden: int
    mlp: int
    layers: int
    vocabulary: int
    kv: int
    q: int
    tied: bool

    @property
    def parameters(self) -> int:
        """All parameters: embeddings, attention, MLP, norms, output layer."""
        layer = self.hidden * (2 * self.q + 2 * self.kv + 3 * self.mlp + 2)
        return self.layers * layer + self.hidden + self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def quantisable(self) -> int:
        """Parameters in the layers' linear maps, the ones quantisation makes smaller."""
        return self.layers * self.hidden * (2 * self.q + 2 * self.kv + 3 * self.mlp)


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by purpose."""

    weights: int
    trained: int
    optimizer: int
    activations: int
    logits: int

    @property
    def peak(self) -> int:
        """Sum: all of them are alive at the start of the backward pass."""
        return self.weights + self.trained + self.optimizer + self.activations + self.logits


def read_shape(folder: str | Path) -> Shape:
    """Sizes from a model folder's config.json (LLaMA names, with BLOOM's and GPT-2's as second choice).

    Raises:
        ModelError: if it is damaged, or its sizes are no numbers.
    """
    config = read_config(folder)
    try:
        return shape_from_config(config)
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise ModelError("config.json 里的尺寸有误", where=str(folder), found=str(error)) from None


def shape_from_config(config: dict[str, Any]) -> Shape:
    """Sizes from a config dict."""
    hidden = int(config.get("hidden_size") or config.get("n_embed") or config.get("n_embd") or 0)
    layers = int(config.get("num_hidden_layers") or config.get("n_layer") or 0)
    heads = config.get("num_attention_heads") or config.get("n_head") or 1
    head_dim = config.get("head_dim") or hidden // heads
    return Shape(
        hidden=hidden,
        layers=layers,
        mlp=config.get("intermediate_size") or 4 * hidden,
        vocabulary=config.get("vocab_size") or 0,
        kv=(config.get("num_key_value_heads") or heads) * head_dim,
        q=heads * head_dim,
        tied=bool(config.get("tie_word_embeddings")),
    )


def lora_parameters(shape: Shape, rank: int, targets: list[str]) -> int:
    """Trained parameters of LoRA adapters: rank x (in + out) for each adapted map."""
    maps = {
        "q_proj": (shape.hidden, shape.q),
        "k_proj": (shape.hidden, shape.kv),
        "v_proj": (shape.hidden, shape.kv),
        "o_proj": (shape.q, shape.hidden),
        "gate_proj": (shape.hidden, shape.mlp),
        "up_proj": (shape.hidden, shape.mlp),
        "down_proj": (shape.mlp, shape.hidden),
        "query_key_value": (shape.hidden, shape.q + 2 * shape.kv),
    }
    llama = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    names = llama if "all-linear" in targets else targets
    return shape.layers * sum(rank * sum(maps.get(name, (shape.hidden, shape.hidden))) for name in names)


def estimate(
    shape: Shape,
    *,
    dtype_bytes: int,
    bits: int,
    trained: int,
    tokens: int,
    supervised: int,
    checkpointing: bool,
    full: bool,
) -> MemoryEstimate:
    """Memory of one training step.

    Args:
        shape: the model's sizes.
        dtype_bytes: bytes of an activation and of an unquantised weight.
        bits: 0, 4 or 8 for the frozen layers.
        trained: number of trained parameters (kept in float32, with gradient and two AdamW moments).
        tokens: tokens in one forward pass.
        supervised: tokens of it that reach the output layer.
        checkpointing: activations recomputed layer by layer.
        full: all parameters are trained.
    """
    per_weight = {0: dtype_bytes, 8: 1.0, 4: 4.127 / 8}[bits]
    weights = 0 if full else int(shape.quantisable * per_weight + (shape.parameters - shape.quantisable) * dtype_bytes)
    layer = tokens * (dtype_bytes * (6 * shape.hidden + 3 * shape.q + 4 * shape.kv + 4 * shape.mlp) + 8 * shape.hidden)
    kept = shape.layers * tokens * shape.hidden * dtype_bytes + layer if checkpointing else shape.layers * layer
    return MemoryEstimate(
        weights=weights,
        trained=trained * 8,
        optimizer=trained * 8,
        activations=kept,
        logits=supervised * shape.vocabulary * (dtype_bytes + 8),
    )
