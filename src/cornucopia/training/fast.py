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
from typing import Any

import torch
from transformers.modeling_outputs import CausalLMOutputWithPast

from cornucopia.core.errors import first_line
from cornucopia.kernels import packed_attention
from cornucopia.kernels.linear_cross_entropy import linear_cross_entropy
from cornucopia.kernels.lora_linear import patch_lora
from cornucopia.kernels.rms_norm import patch_norm
from cornucopia.kernels.swiglu import patch_mlp
from cornucopia.kernels.trained_rows import patch_last_layer, select_rows
from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.batches import pack_row
from cornucopia.training.trainer import answer_loss

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}  # relative, of the summed loss and of the gradient
ROUGH = 2e-2  # bfloat16 and float16 sums of a dozen terms differ by less
REFUSALS = (TypeError, ValueError, RuntimeError, KeyError, IndexError, AttributeError)
PROBED = 64  # so many trained tensors, the smallest first, have their gradients compared
FEW_ROWS = 0.9  # with more trained positions than this share, the last layer runs whole

EXTRAS = {
    "lora": "LoRA 与冻结权重合并计算",
    "norm": "归一化不留中间值",
    "mlp": "前馈层少留一份中间值",
    "rows": "末层只算要学的位置",
}

Undo = Callable[[], Any]


def speed_up(model: Any) -> str:
    """Use the fast step when it gives what separate, padded documents give.

    Args:
        model: a causal language model, or a PEFT model around one.

    Returns:
        "" when packed rows can be used, else the reason why not (Chinese); batches must then be padded ones. The parts
        that are on either way: `extras(model)`.
    """
    base = _base(model)
    slow_down(model)
    training = model.training
    model.eval()
    with _stirred(model):
        documents = [_document(n, base.config.get_text_config().vocab_size) for n in (7, 12, 5)]
        base._fast_undo = {}
        try:
            expected = _alone(model, documents)
            reason = _switch(model, expected, documents, "packed", lambda: _patch_packed(base))
            _switch(model, expected, documents, "lora", lambda: _patch_each(model, _is_lora, patch_lora))
            _switch(model, expected, documents, "norm", lambda: _patch_each(model, _is_norm, patch_norm))
            _switch(model, expected, documents, "mlp", lambda: _patch_each(model, _is_mlp, patch_mlp))
            if not reason:
                _switch(model, expected, documents, "rows", lambda: _patch_rows(base))
        except REFUSALS as error:
            reason = first_line(error, 120)
    model.train(training)
    return reason


def extras(model: Any) -> set[str]:
    """Which parts of the fast step are on: "packed", "lora" (fused), "norm", "mlp", "rows" (short last layer)."""
    return set(getattr(_base(model), "_fast_undo", ()))


def slow_down(model: Any) -> None:
    """Give the model its own forward pass and attention back, for saving and generating."""
    parts = _base(model).__dict__.pop("_fast_undo", {})
    for undo in reversed(parts.values()):
        undo()


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _switch(
    model: Any, expected: tuple[float, torch.Tensor], documents: list[Example], name: str, patch: Callable[[], Undo]
) -> str:
    """Switch one part on, and off again if the result differs; returns why (Chinese), or ""."""
    parts = _base(model)._fast_undo
    try:
        parts[name] = patch()
        reason = _difference(model, expected, documents)
    except REFUSALS as error:
        reason = first_line(error, 120)
    undo = parts.pop(name, None) if reason else None
    if undo:
        undo()
    return reason


def _patch_packed(base: Any) -> Undo:
    attention = base.config._attn_implementation

    def undo() -> None:
        base.config._attn_implementation = attention
        base.__dict__.pop("forward", None)

    base.config._attn_implementation = packed_attention.register()
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
        raise ValueError("no such layer")
    return lambda: [undo() for undo in undos]


def _is_lora(module: Any) -> bool:
    return hasattr(module, "lora_A")


def _is_norm(module: Any) -> bool:
    return type(module).__name__.endswith("RMSNorm")


def _is_mlp(module: Any) -> bool:
    return type(module).__name__.endswith("MLP")


def _patch_rows(base: Any) -> Undo:
    return patch_last_layer(base.get_decoder().layers[-1])


def _alone(model: Any, documents: list[Example]) -> tuple[float, torch.Tensor]:
    """Summed loss of documents one by one, and the gradient of the smallest trained tensors."""
    results = [_loss_and_gradient(model, collate([document], 0)) for document in documents]
    return sum(loss for loss, _ in results), torch.stack([gradient for _, gradient in results]).sum(0)


def _difference(model: Any, expected: tuple[float, torch.Tensor], documents: list[Example]) -> str:
    """Two checks: loss and gradient of documents alone; and, packed, the first one's words move no other's loss."""
    tolerance = _tolerance(_base(model))
    loss, gradient = expected
    packed = "packed" in _base(model)._fast_undo
    together, slope = _loss_and_gradient(model, pack_row(documents) if packed else collate(documents, 0))
    if abs(together - loss) > tolerance * max(1.0, abs(loss)):
        return f"损失不同：{together:.4f} 与 {loss:.4f}"
    apart = float((slope - gradient).norm() / gradient.norm().clamp(min=1e-12))
    if apart > 10 * tolerance:
        return f"梯度不同：相差 {apart:.1%}"
    if not packed:
        return ""
    rest = _loss(model, pack_row([_silent(documents[0]), *documents[1:]]))
    changed = _loss(model, pack_row([_silent(_document(7, 3)), *documents[1:]]))
    if abs(rest - changed) > tolerance / 100 * max(1.0, abs(rest)):
        return f"前一条改变了后一条的损失：{rest:.6f} 与 {changed:.6f}"
    return ""


def _tolerance(base: Any) -> float:
    dtype = base.get_input_embeddings().weight.dtype
    return ROUGH if getattr(base, "is_quantized", False) else TOLERANCE.get(dtype, ROUGH)


def _loss_and_gradient(model: Any, batch: dict[str, torch.Tensor]) -> tuple[float, torch.Tensor]:
    """Loss, and the gradient of the smallest trained parameters (PROBED of them at most) as one vector."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    probed = sorted(trained, key=lambda parameter: parameter.numel())[:PROBED]
    loss = answer_loss(model, _to(batch, next(model.parameters()).device), 1)
    gradients = torch.autograd.grad(loss, probed, allow_unused=True)
    return float(loss.detach()), torch.cat(
        [(torch.zeros_like(p) if g is None else g).float().flatten() for p, g in zip(probed, gradients, strict=True)]
    )


@contextmanager
def _stirred(model: Any) -> Iterator[None]:
    """LoRA's B, zero before training, filled with noise, so that a wrong LoRA product shows in the loss."""
    kept = [(p, p.detach().clone()) for name, p in model.named_parameters() if ".lora_B." in name]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter, value in kept:
            noise = torch.randn(value.shape, generator=generator) * value.shape[1] ** -0.5 * 0.1
            parameter.copy_(value + noise.to(value))
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, value in kept:
                parameter.copy_(value)


def _loss(model: Any, batch: dict[str, torch.Tensor]) -> float:
    device = next(model.parameters()).device
    with torch.no_grad():
        return float(answer_loss(model, _to(batch, device), 1))


def _silent(document: Example) -> Example:
    return Example(document.input_ids, [IGNORE] * len(document.input_ids))


def _document(length: int, vocabulary: int) -> Example:
    ids = [(17 * length + 31 * position) % vocabulary for position in range(length)]
    return Example(ids, [IGNORE, *ids[1:]])


def _fused_forward(
    self: Any,
    input_ids: torch.Tensor,
    position_ids: torch.Tensor,
    cu_seq_lens_q: torch.Tensor,
    logits_to_keep: torch.Tensor,
    targets: torch.Tensor,
    use_cache: bool = False,
    **_: Any,
) -> CausalLMOutputWithPast:
    """Loss (summed over targets) of one packed row; see `pack_row` for the shapes."""
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
    if getattr(output, "bias", None) is not None or type(output) is not torch.nn.Linear:
        raise ValueError("输出层不是普通的线性层")
    trained = hidden if short else select_rows(hidden, logits_to_keep)
    return CausalLMOutputWithPast(loss=linear_cross_entropy(trained, output.weight, targets))


def _to(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    return {key: value.to(device) for key, value in batch.items()}
