"""Switch a model to the fast training step, after proving on it that the result is the same.

The step: documents of a micro-batch in one row without padding (kernels.packed_attention), and the output layer
only on trained positions, fused with the loss (kernels.linear_cross_entropy). A model that gives another loss this
way, or refuses, keeps the plain path, and the run says why.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from transformers.modeling_outputs import CausalLMOutputWithPast

from cornucopia.core.errors import first_line
from cornucopia.kernels import packed_attention
from cornucopia.kernels.linear_cross_entropy import linear_cross_entropy
from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.batches import pack_row
from cornucopia.training.trainer import answer_loss

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}  # relative, of the summed loss
ROUGH = 2e-2  # bfloat16 and float16 sums of a dozen terms differ by less


def speed_up(model: Any) -> str:
    """Use the fast step when it gives what separate, padded documents give.

    Args:
        model: a causal language model, or a PEFT model around one.

    Returns:
        "" when the fast step is on, else the reason why not (Chinese).
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    attention, training = base.config._attn_implementation, model.training
    base._plain_attention = attention
    model.eval()
    try:
        reason = _probe(model, base)
    except (TypeError, ValueError, RuntimeError, KeyError, IndexError, AttributeError) as error:
        reason = first_line(error, 120)
    model.train(training)
    if reason:
        base.config._attn_implementation = attention
        base.__dict__.pop("forward", None)
    return reason


def slow_down(model: Any) -> None:
    """Give the model its own forward pass and attention back, for saving and generating."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if base.__dict__.pop("forward", None) is not None:
        base.config._attn_implementation = base._plain_attention


def _probe(model: Any, base: Any) -> str:
    """Two checks: the same loss as documents alone; and the first document's words move no other's loss."""
    documents = [_document(n, base.config.get_text_config().vocab_size) for n in (7, 12, 5)]
    dtype = base.get_input_embeddings().weight.dtype
    tolerance = ROUGH if getattr(base, "is_quantized", False) else TOLERANCE.get(dtype, ROUGH)
    alone = sum(_loss(model, collate([document], 0)) for document in documents)
    base.config._attn_implementation = packed_attention.register()
    base.forward = types.MethodType(_fused_forward, base)
    together = _loss(model, pack_row(documents))
    if abs(together - alone) > tolerance * max(1.0, abs(alone)):
        return f"损失不同：{together:.4f} 与 {alone:.4f}"
    rest = _loss(model, pack_row([_silent(documents[0]), *documents[1:]]))
    changed = _loss(model, pack_row([_silent(_document(7, 3)), *documents[1:]]))
    if abs(rest - changed) > tolerance / 100 * max(1.0, abs(rest)):
        return f"前一条改变了后一条的损失：{rest:.6f} 与 {changed:.6f}"
    return ""


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
    hidden = decoder(
        input_ids=input_ids, position_ids=position_ids, cu_seq_lens_q=cu_seq_lens_q, use_cache=False
    ).last_hidden_state[0]
    output = self.get_output_embeddings()
    if getattr(output, "bias", None) is not None or type(output) is not torch.nn.Linear:
        raise ValueError("输出层不是普通的线性层")
    return CausalLMOutputWithPast(
        loss=linear_cross_entropy(hidden.index_select(0, logits_to_keep), output.weight, targets)
    )


def _to(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    return {key: value.to(device) for key, value in batch.items()}
