"""Proof on the real model that a changed step gives what the plain one gives: a few short documents, loss and gradient.

Knows nothing of what is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from cornucopia.models.scorer import is_scorer, scores_of
from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.data.batches import pack_row
from cornucopia.training.objectives.next_token import answer_loss, trained_tokens

TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}  # relative, of the summed loss and of the gradient
ROUGH = 2e-2  # bfloat16 and float16 sums of a dozen terms differ by less
PROBED = 64  # so many trained tensors, the smallest first, have their gradients compared
LENGTHS = (7, 12, 5)


@dataclass
class Probe:
    """What the plain step gives.

    Args:
        model: a causal language model or reward model, or a PEFT model around one.
        documents: short ones.
        loss: summed over the documents, each alone.
        gradient: of the smallest trained tensors, as one vector.
        tolerance: relative, of the loss; the gradient has ten times as much.
    """

    model: Any
    documents: list[Example]
    loss: float
    gradient: torch.Tensor
    tolerance: float

    def difference(self, packed: bool, fused: bool) -> str:
        """Why the step as it is now is another than the plain one (Chinese), or "".

        Two checks: loss and gradient of the documents together; and, packed, that the first one's words move no
        other's loss.

        Args:
            packed: documents go into one row; otherwise they are padded.
            fused: the model takes the trained positions and returns the loss itself.
        """
        loss, slope = self._measured(self.documents, packed, fused)
        if abs(loss - self.loss) > self.tolerance * max(1.0, abs(self.loss)):
            return f"损失不同：{loss:.4f} 与 {self.loss:.4f}"
        apart = float((slope - self.gradient).norm() / self.gradient.norm().clamp(min=1e-12))
        if apart > 10 * self.tolerance:
            return f"梯度不同：相差 {apart:.1%}"
        return self._leak(fused) if packed else ""

    def _measured(self, documents: list[Example], packed: bool, fused: bool) -> tuple[float, torch.Tensor]:
        return _loss_and_gradient(self.model, _row(documents, fused) if packed else collate(documents, 0))

    def _leak(self, fused: bool) -> str:
        first, *others = self.documents
        rest, changed = (
            self._loss(_row([_silent(head), *others], fused)) for head in (first, _document(len(first.input_ids), 3))
        )
        if abs(rest - changed) > self.tolerance / 100 * max(1.0, abs(rest)):
            return f"前一条改变了后一条的损失：{rest:.6f} 与 {changed:.6f}"
        return ""

    def _loss(self, batch: dict[str, torch.Tensor]) -> float:
        with torch.no_grad():
            return float(_measure(self.model, _on_device(self.model, batch)))


@contextmanager
def probing(model: Any, base: Any) -> Iterator[Probe]:
    """The plain step's results, taken in eval mode and with noise in LoRA's B; both are put back at the end.

    Args:
        model: a causal language model, or a PEFT model around one.
        base: the former.
    """
    training = model.training
    model.eval()
    documents = [_document(n, base.config.get_text_config().vocab_size) for n in LENGTHS]
    try:
        with _stirred(model):
            alone = [_loss_and_gradient(model, collate([document], 0)) for document in documents]
            loss, gradient = sum(part for part, _ in alone), torch.stack([part for _, part in alone]).sum(0)
            yield Probe(model, documents, loss, gradient, _tolerance(base))
    finally:
        model.train(training)


def _tolerance(base: Any) -> float:
    dtype = base.get_input_embeddings().weight.dtype
    return ROUGH if getattr(base, "is_quantized", False) else TOLERANCE.get(dtype, ROUGH)


def _row(documents: list[Example], fused: bool) -> dict[str, torch.Tensor]:
    row = pack_row(documents)
    return row if fused else {name: row[name] for name in ("input_ids", "position_ids", "labels", "cu_seq_lens_q")}


def _loss_and_gradient(model: Any, batch: dict[str, torch.Tensor]) -> tuple[float, torch.Tensor]:
    """Loss, and the gradient of the smallest trained parameters (PROBED of them at most) as one vector."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    probed = sorted(trained, key=lambda parameter: parameter.numel())[:PROBED]
    loss = _measure(model, _on_device(model, batch))
    gradients = torch.autograd.grad(loss, probed, allow_unused=True)
    return float(loss.detach()), torch.cat(
        [(torch.zeros_like(p) if g is None else g).float().flatten() for p, g in zip(probed, gradients, strict=True)]
    )


def _measure(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The documents' loss, or of a reward model their scores, summed; silent documents count nothing."""
    if not is_scorer(model):
        return answer_loss(model, batch, 1)
    return (scores_of(model, batch) * (trained_tokens(batch) > 0)).sum()


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


def _silent(document: Example) -> Example:
    return Example(document.input_ids, [IGNORE] * len(document.input_ids))


def _document(length: int, vocabulary: int) -> Example:
    ids = [(17 * length + 31 * position) % vocabulary for position in range(length)]
    return Example(ids, [IGNORE, *ids[1:]])


def _on_device(model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    device = next(model.parameters()).device
    return {key: value.to(device) for key, value in batch.items()}
