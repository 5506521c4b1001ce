"""Switch a model to the fast training step, after proving on it that the result is the same.

The step: documents of a micro-batch in one row without padding (kernels.packed_attention), and the output layer
only on trained positions, fused with the loss (kernels.linear_cross_entropy). On top of it, where the model allows:
LoRA fused with its frozen map (kernels.lora_linear), norms and MLPs that keep less for the backward pass
(kernels.rms_norm, kernels.swiglu), and the last layer on trained positions only (kernels.trained_rows). A part that
gives another loss or gradient is left out.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from transformers.modeling_outputs import CausalLMOutputWithPast

from cornucopia.core.errors import first_line
from cornucopia.kernels import fusion, packed_attention
from cornucopia.kernels.four_bit import train_through
from cornucopia.kernels.linear_cross_entropy import linear_cross_entropy, row_cross_entropy
from cornucopia.kernels.lora_linear import patch_lora
from cornucopia.kernels.rms_norm import patch_norm
from cornucopia.kernels.swiglu import patch_mlp
from cornucopia.kernels.trained_rows import patch_last_layer, select_rows
from cornucopia.models.scorer import is_scorer
from cornucopia.training.run.probe import Probe, probing

REFUSALS = (TypeError, ValueError, RuntimeError, KeyError, IndexError, AttributeError)
FEW_ROWS = 0.9  # with more trained positions than this share, the last layer runs whole

EXTRAS = {
    "lora": "LoRA 与冻结权重合并计算",
    "norm": "归一化不留中间值",
    "mlp": "前馈层少留一份中间值",
    "rows": "末层只算要学的位置",
    "compiled": "逐元素的运算编译成一遍",
}

Undo = Callable[[], Any]


class NoSuchLayer(ValueError):
    """A part has nothing to work on in this model."""


def speed_up(model: Any, *, compiled: bool = False, blocks: packed_attention.Blocks = ()) -> str:
    """Use the fast step when it gives what separate, padded documents give.

    Args:
        model: a causal language model or reward model, or a PEFT model around one.
        compiled: compile the element-by-element work too (kernels.fusion): twenty seconds, 30 MB, and a C++
            compiler on CPU. Where that fails the part stays off.
        blocks: by which backward pass attention is computed on a CPU; see kernels.packed_attention.use.

    Returns:
        "" when packed rows can be used, else the reason why not (Chinese); batches must then be padded ones. The parts
        that are on either way: `extras(model)`.
    """
    base = _begin(model)
    try:
        with probing(model, base) as probe:
            reason = _switch(probe, "packed", lambda: _patch_packed(base, blocks), fused=True)
            _switch_layers(probe, fused=not reason)
            if not reason:
                _switch(probe, "rows", lambda: _patch_rows(base), fused=True)
            if compiled:
                _switch(probe, "compiled", lambda: _patch_compiled(base), fused=not reason)
    except REFUSALS as error:
        reason = first_line(error, 120)
    return reason


def speed_up_layers(model: Any, *, packed: bool = False) -> set[str]:
    """The parts that leave batches and loss as they are, for another training loop: TRL's, a Trainer's, one's own.

    Args:
        model: a causal language model, or a PEFT model around one.
        packed: the loop trains on rows of several documents with `position_ids` and `cu_seq_lens_q` (TRL with
            `packing=True` or `padding_free=True`) and never on padded batches; their attention is then by documents.

    Returns:
        The parts that are on; each has been proved on this model. `slow_down` switches them off.
    """
    base = _begin(model)
    try:
        with probing(model, base) as probe:
            if packed:
                _switch(probe, "packed", lambda: _patch_attention(base), fused=False)
            _switch_layers(probe, fused=False)
    except REFUSALS:
        slow_down(model)
    return extras(model)


def extras(model: Any) -> set[str]:
    """Which parts are on: "packed", "lora" (fused), "norm", "mlp", "rows" (short last layer), "compiled"."""
    return set(getattr(base_of(model), "_fast_undo", ()))


def switch_off(model: Any, part: str) -> None:
    """Switch one part off, if it is on."""
    base_of(model)._fast_undo.pop(part, lambda: None)()


def left_out(model: Any) -> dict[str, str]:
    """The parts that were tried on layers this model has and are not on, each with the reason (Chinese)."""
    return dict(getattr(base_of(model), "_fast_refused", {}))


def slow_down(model: Any) -> None:
    """Give the model its own forward pass and attention back, for saving and generating."""
    kept = base_of(model).__dict__
    parts = kept.pop("_fast_undo", {})
    for undo in (*reversed(parts.values()), kept.pop("_fast_release", lambda: None)):
        undo()
    kept.pop("_fast_refused", None)


@contextmanager
def plain_forward(model: Any) -> Iterator[None]:
    """Within it the model takes padded rows and gives logits, for generating; its layers stay on the fast step."""
    base = base_of(model)
    fused, attention = base.__dict__.pop("forward", None), base.config._attn_implementation
    base.config._attn_implementation = base.__dict__.get("_fast_attention", attention)
    last = base.get_decoder().layers[-1] if "rows" in extras(model) else None
    if last is not None:
        last.rows = None
    try:
        yield
    finally:
        base.config._attn_implementation = attention
        if fused is not None:
            base.forward = fused


def _begin(model: Any) -> Any:
    """The base of a model with everything off and its 4-bit weights as they were quantised, ready to be probed."""
    slow_down(model)
    base = base_of(model)
    base._fast_undo, base._fast_refused, base._fast_release = {}, {}, train_through(base)
    return base


def base_of(model: Any) -> Any:
    """The model itself, or the one inside a PEFT model."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _switch_layers(probe: Probe, fused: bool) -> None:
    kinds = (("lora", _is_lora, patch_lora), ("norm", _is_norm, patch_norm), ("mlp", _is_mlp, patch_mlp))
    for name, chosen, patch in kinds:
        _switch(probe, name, partial(_patch_each, probe.model, chosen, patch), fused)


def _switch(probe: Probe, name: str, patch: Callable[[], Undo], fused: bool) -> str:
    """Switch one part on, and off again if the result differs; returns why (Chinese), or ""."""
    base = base_of(probe.model)
    parts = base._fast_undo
    try:
        parts[name] = patch()
        reason = probe.difference("packed" in parts, fused)
    except NoSuchLayer:
        return "这个模型没有这样的层"
    except REFUSALS as error:
        reason = first_line(error, 120) if name in parts else f"这个模型的写法不同：{first_line(error, 80)}"
    undo = parts.pop(name, None) if reason else None
    if undo:
        undo()
    if reason:
        base._fast_refused[name] = reason
    return reason


def _patch_attention(base: Any, blocks: packed_attention.Blocks = ()) -> Undo:
    attention, before = base.config._attn_implementation, packed_attention.use(blocks)

    def undo() -> None:
        packed_attention.use(before)
        base.config._attn_implementation = attention

    base._fast_attention = attention
    base.config._attn_implementation = packed_attention.register()
    return undo


def _patch_packed(base: Any, blocks: packed_attention.Blocks) -> Undo:
    attention = _patch_attention(base, blocks)
    if is_scorer(base):  # takes packed rows as it is
        return attention

    def undo() -> None:
        attention()
        base.__dict__.pop("forward", None)

    base.forward = types.MethodType(_fused_forward, base)
    return undo


def _patch_each(model: Any, chosen: Callable[[Any], bool], patch: Callable[[Any], Undo]) -> Undo:
    """All modules of a kind or none."""
    undos: list[Undo] = []
    try:
        undos += [patch(module) for module in model.modules() if chosen(module)]
    except REFUSALS:
        for undo in undos:
            undo()
        raise
    if not undos:
        raise NoSuchLayer
    return lambda: [undo() for undo in undos]


def _is_lora(module: Any) -> bool:
    return hasattr(module, "lora_A")


def _is_norm(module: Any) -> bool:
    return type(module).__name__.endswith("RMSNorm")


def _is_mlp(module: Any) -> bool:
    return type(module).__name__.endswith("MLP")


def _patch_rows(base: Any) -> Undo:
    layer = base.base_model.layers[-1]
    undo = patch_last_layer(layer)
    if not is_scorer(base):
        return undo

    def last_tokens(_: Any, __: Any, given: dict[str, Any]) -> None:
        ends = given.get("cu_seq_lens_q")
        layer.rows = None if ends is None else ends[1:].long() - 1

    hook = base.register_forward_pre_hook(last_tokens, with_kwargs=True)

    def undo_both() -> None:
        hook.remove()
        undo()

    return undo_both


def _patch_compiled(base: Any) -> Undo:
    try:
        rotary = fusion.fuse_rotary(base)
    except ValueError:  # positions of another kind: norms and MLPs are compiled all the same
        rotary = None

    def undo() -> None:
        fusion.use(False)
        if rotary:
            rotary()

    fusion.use(True)
    return undo


def _fused_forward(
    self: Any,
    input_ids: torch.Tensor,
    position_ids: torch.Tensor,
    cu_seq_lens_q: torch.Tensor,
    logits_to_keep: torch.Tensor,
    targets: torch.Tensor,
    use_cache: bool = False,
    each: bool = False,
    **_: Any,
) -> CausalLMOutputWithPast:
    """Loss of one packed row, summed over targets, or of `each` target; see `pack_row` for the shapes."""
    decoder = self.get_decoder()
    short = "rows" in self._fast_undo and logits_to_keep.numel() < FEW_ROWS * input_ids.shape[1]
    if "rows" in self._fast_undo:
        decoder.layers[-1].rows = logits_to_keep if short else None
    hidden = decoder(
        input_ids=input_ids,
        position_ids=position_ids,
        cu_seq_lens_q=cu_seq_lens_q,
        max_length_q=int(cu_seq_lens_q.diff().max()),
        use_cache=False,
    ).last_hidden_state[0]
    output = self.get_output_embeddings()
    output = getattr(output, "modules_to_save", {}).get("default", output)  # PEFT's copy that is trained
    if getattr(output, "bias", None) is not None or type(output) is not torch.nn.Linear:
        raise ValueError("输出层不是普通的线性层")
    trained = hidden if short else select_rows(hidden, logits_to_keep)
    cross_entropy = row_cross_entropy if each else linear_cross_entropy
    return CausalLMOutputWithPast(loss=cross_entropy(trained, output.weight, targets))
