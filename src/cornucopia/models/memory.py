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
CHUNK_BYTES = 16 * 2**20  # kernels.linear_cross_entropy's, which this must not import (torch)
FEW_ROWS = 0.9  # training.run.fast's: with more trained positions than this share the last layer runs whole
BUCKETS = 1.1  # kernels.packed_attention's padding of documents to a bucket's length: 1 to 1.25
LLAMA_MAPS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


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
class Step:
    """What one forward and backward pass holds.

    Args:
        tokens: tokens in the pass (padding included where rows are padded).
        supervised: tokens of it that reach the output layer.
        compute_bytes: bytes of an activation: 2 under bfloat16 or float16, 4 in float32.
        bits: 0, 4 or 8 for the frozen layers.
        targets: adapted maps, as in the recipe; unused when `full`.
        rank: of LoRA.
        dropout: whether LoRA's branch has dropout.
        full: all parameters are trained, kept in float32.
        checkpointing: activations recomputed layer by layer.
        packed: documents in one row without padding, output layer fused with the loss.
        accumulates: gradients of earlier passes are alive during this one.
    """

    tokens: int
    supervised: int
    compute_bytes: int = 2
    bits: int = 0
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    rank: int = 8
    dropout: bool = True
    full: bool = False
    checkpointing: bool = False
    packed: bool = True
    accumulates: bool = False

    @property
    def stream_bytes(self) -> int:
        """Bytes of an element of the residual stream: float32 weights keep it float32 under autocast."""
        return 4 if self.full else self.compute_bytes


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes by purpose.

    Args:
        weights: all parameters, frozen and trained.
        gradients, optimizer: of the trained parameters.
        activations: what the backward pass needs, at its start.
        logits: output layer and loss.
        accumulates: gradients and activations are alive together, which they are not where each pass is an update.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    accumulates: bool = False

    @property
    def peak(self) -> int:
        """The most alive at once, the program itself left out."""
        passing = self.activations + self.logits
        both = self.gradients + passing if self.accumulates else max(self.gradients, passing)
        return self.weights + self.optimizer + both


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
    names = LLAMA_MAPS if "all-linear" in targets else targets
    return shape.layers * sum(rank * sum(map_sizes(shape, name)) for name in names)


def map_sizes(shape: Shape, name: str) -> tuple[int, int]:
    """Inputs and outputs of a block's linear map; one of another name is taken as square."""
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
    return maps.get(name, (shape.hidden, shape.hidden))


def estimate(shape: Shape, step: Step) -> MemoryEstimate:
    """Memory of one training step, the program itself left out.

    Frozen weights are in the compute type or quantised; trained ones in float32, with a gradient and AdamW's two
    moments. Full training under autocast holds a 16-bit copy of each map's weight during the pass.
    """
    per_weight = {0: step.compute_bytes, 8: 1 + 4 / shape.hidden, 4: 4.127 / 8}[step.bits]
    if step.full:
        trained, frozen = shape.parameters, 0
    else:
        trained = lora_parameters(shape, step.rank, list(step.targets))
        frozen = int(shape.quantisable * per_weight + (shape.parameters - shape.quantisable) * step.compute_bytes)
    copies = step.compute_bytes * shape.quantisable if step.full and step.compute_bytes < 4 else 0
    return MemoryEstimate(
        weights=frozen + 4 * trained,
        gradients=4 * trained,
        optimizer=8 * trained,
        activations=kept_activations(shape, step) + _passing(shape, step) + copies,
        logits=_output_layer(shape, step),
        accumulates=step.accumulates,
    )


def kept_activations(shape: Shape, step: Step) -> int:
    """Bytes of the decoder's activations that the backward pass finds when it begins."""
    rows = _last_rows(step)
    final_norm = rows * (shape.hidden * step.stream_bytes + 4)
    if step.checkpointing:
        return int(shape.layers * step.tokens * shape.hidden * step.stream_bytes + final_norm)
    whole, last = _layer(shape, step, step.tokens), _layer(shape, step, rows)
    lowest = (
        0 if step.full else step.tokens * shape.hidden * step.stream_bytes
    )  # nothing is trained below the lowest adapter
    return int((shape.layers - 1) * whole + last + final_norm - lowest)


def _last_rows(step: Step) -> int:
    """Tokens that pass output projection and MLP of the last layer."""
    short = step.packed and step.supervised < FEW_ROWS * step.tokens
    return step.supervised if short else step.tokens


def _passing(shape: Shape, step: Step) -> int:
    """What the backward pass of the last layer makes while nearly everything kept is still there."""
    rows = _last_rows(step)
    again = _layer(shape, step, rows) if step.checkpointing else 0
    again += shape.hidden * shape.mlp * step.compute_bytes if step.bits else 0  # one weight made wide
    return int(again + 3 * rows * shape.mlp * step.compute_bytes + 2 * step.tokens * shape.hidden * step.stream_bytes)


def _layer(shape: Shape, step: Step, rows: int) -> float:
    """What autograd keeps of one decoder layer (RMSNorm, rotary attention, gated MLP).

    A frozen map keeps nothing of its input, an adapted or trained one does. RMSNorm keeps its input and one number a
    row; attention keeps q, k, v and its output in documents' buckets; the gated MLP gate and up, and without the fast
    step the activated gate too.

    Args:
        rows: tokens that pass output projection and MLP; fewer than step.tokens in a last layer cut short.
    """
    compute, hidden = step.compute_bytes, shape.hidden
    norm = step.stream_bytes * hidden + 4
    attention = compute * (2 * shape.q + 2 * shape.kv) * (BUCKETS if step.packed else 1)
    gated = compute * shape.mlp * (2 if step.packed else 3)
    early, late = _inputs(shape, step)
    return step.tokens * (norm + attention + early) + rows * (norm + gated + late)


def _inputs(shape: Shape, step: Step) -> tuple[float, float]:
    """Bytes a token that adapted or trained maps keep of their inputs: q, k, v; and the other maps."""
    compute = step.compute_bytes
    attention, mlp = ("q_proj", "k_proj", "v_proj", "query_key_value"), ("gate_proj", "up_proj")
    if step.full:  # autocast casts the float32 stream anew for each map
        casts = compute < 4
        early = compute * shape.hidden * (3 if casts else 1)
        return early, compute * (shape.hidden * (2 if casts else 1) + shape.q + shape.mlp)
    names = LLAMA_MAPS if "all-linear" in step.targets else step.targets

    def kept(group: tuple[str, ...], width: int) -> float:
        adapted = [name for name in names if name in group]
        masks = (width if step.dropout else 0) + compute * step.rank
        shared = bool(adapted) if step.packed else len(adapted)  # fused LoRA keeps x itself
        return compute * width * shared + masks * len(adapted)

    late = kept(mlp, shape.hidden) + kept(("o_proj",), shape.q) + kept(("down_proj",), shape.mlp)
    return kept(attention, shape.hidden), late


def _output_layer(shape: Shape, step: Step) -> int:
    """Output layer and loss: chunks when fused with the loss, else the whole logits."""
    table = shape.vocabulary * shape.hidden
    compute = step.compute_bytes
    trained = table * (4 + 4 + 2 * compute) if step.full else 0  # gradient, scaled, cast; weight's own cast
    if not step.packed:
        return step.tokens * shape.vocabulary * compute + step.supervised * shape.vocabulary * (compute + 8) + trained
    logits = min(CHUNK_BYTES, 4 * step.supervised * shape.vocabulary)
    chunk = logits + 2 * logits * compute // 4
    return 2 * step.supervised * shape.hidden * compute + chunk + trained
