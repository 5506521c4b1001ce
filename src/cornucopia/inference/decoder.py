"""A LLaMA-like model's forward pass on a flat list of tokens of many rows, without padding, written for decoding.

One step takes prompts' pieces and single next tokens together: the linear maps see all tokens as one matrix, attention
sees each row's slot. `open_decoder` takes the model's own modules and weights (nothing is held twice) and proves on
it that the logits are the model's own; where they are not, or a part is unknown, the padded batch is used.

Shapes: N tokens of the step, R rows whose next token is wanted, E width, H heads, G key heads, D width of a head,
V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention

from cornucopia.inference.lora_rows import LoraRows
from cornucopia.inference.slots import Pool, Slot


@dataclass(frozen=True)
class Piece:
    """Tokens of one row: `ids` stand at the row's positions from `start` on, which its slot has up to there."""

    slot: Slot
    ids: Sequence[int]
    start: int
    wanted: int = 1  # logits of so many of its last tokens


class Map:
    """One or more linear maps of the same input, their outputs side by side.

    Plain ones are put into one weight, of which the modules' own become views; others are called one after another.
    """

    def __init__(self, modules: Sequence[Any]) -> None:
        self.modules, self.weight, self.bias = list(modules), None, None
        self.sizes = [module.out_features for module in modules]
        if any(type(module) is not torch.nn.Linear for module in modules):
            return
        weights = [module.weight for module in modules]
        fused = weights[0].detach() if len(weights) == 1 else torch.cat([weight.detach() for weight in weights])
        # A single row against (inputs, outputs) in float32 reads memory half as fast again on CPU as the other way.
        turned = fused.device.type == "cpu" and fused.dtype == torch.float32
        self.weight = fused.t().contiguous().t() if turned else fused
        for module, part in zip(modules, self.weight.split(self.sizes), strict=True):
            module.weight = torch.nn.Parameter(part, requires_grad=False)
        if any(module.bias is not None for module in modules):
            biases = [fused.new_zeros(m.out_features) if m.bias is None else m.bias.detach() for m in modules]
            self.bias = torch.cat(biases)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inputs) -> (N, outputs of all)."""
        if self.weight is None:
            parts = [module(x) for module in self.modules]
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)
        return linear(x, self.weight, self.bias)


@dataclass
class Layer:
    """One block's parts."""

    norms: tuple[Any, Any]
    qkv: Map
    out: Map
    gate_up: Map
    down: Map
    act: Any
    head_norms: tuple[Any, Any] | None  # of queries and keys, where the family has them
    scale: float


@dataclass
class Plan:
    """What all layers of one step share."""

    cos: torch.Tensor  # (N, 1, D)
    sin: torch.Tensor
    singles: list[Singles] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True)
class Singles:
    """Rows of one pool with a single token each: their places in the flat list, their slots and positions."""

    pool: Pool
    at: torch.Tensor  # (n,)
    slots: torch.Tensor  # (n,)
    positions: torch.Tensor  # (n,)
    used: int  # slots up to the last of them
    mask: torch.Tensor  # (used, 1, 1, longest)
    whole: slice | None  # of the flat list, when they are all `used` slots in their order


@dataclass(frozen=True)
class Span:
    """A row with several tokens: flat[begin:end] at positions from `start` on."""

    slot: Slot
    begin: int
    end: int
    start: int
    mask: torch.Tensor | None  # (tokens, start + tokens); None where all before is attended to causally from zero


class Decoder:
    """See the module. Made by `open_decoder`.

    `plain` says whether all its linear maps are in float32.

    Args:
        embed: token embedding.
        layers, norm: blocks, and the norm behind them.
        head: output map.
        rotary: the model's module for cosines and sines.
        heads: (H, G, D).
        longest: most positions that may be asked for.
    """

    def __init__(
        self, embed: Any, layers: list[Layer], norm: Any, head: Map, rotary: Any, heads: tuple[int, int, int],
        longest: int,
    ) -> None:  # fmt: skip
        self._embed, self._layers, self._norm, self._head = embed, layers, norm, head
        self._heads, self._rotary, self.longest = heads, rotary, longest
        self.weight = embed.weight
        self.count, self.shape = len(layers), (heads[1], heads[2])
        maps = [one for layer in layers for one in (layer.qkv, layer.out, layer.gate_up, layer.down)]
        self.plain = all(one.weight is not None and one.weight.dtype == torch.float32 for one in maps)
        self._table: tuple[torch.Tensor, torch.Tensor] | None = None

    @torch.inference_mode()
    def __call__(self, pieces: Sequence[Piece], lora: LoraRows | None = None) -> torch.Tensor:
        """Compute the pieces and write their keys and values into their slots.

        Args:
            pieces: at most one of each slot.
            lora: the adapters of the pieces, in their order; None without any.

        Returns:
            (R, V) logits of each piece's wanted last tokens, in the order of the pieces; in the model's type.
        """
        ids = [token for piece in pieces for token in piece.ids]
        x = self._embed(torch.tensor(ids, device=self.weight.device))  # (N, E)
        plan = self._plan(pieces)
        for number, layer in enumerate(self._layers):
            x = self._block(number, layer, x, plan, lora)
        ends: list[int] = []
        at = 0
        for piece in pieces:
            at += len(piece.ids)
            ends += range(at - piece.wanted, at)
        if len(ends) < len(ids):
            x = x[torch.tensor(ends, dtype=torch.long, device=x.device)]  # none while a long prompt is read
        return self._head(_normed(self._norm, x))

    def _block(self, number: int, layer: Layer, x: torch.Tensor, plan: Plan, lora: LoraRows | None) -> torch.Tensor:
        heads, keys, size = self._heads
        y = _normed(layer.norms[0], x)
        qkv = layer.qkv(y)
        if lora:
            lora.add(qkv, y, number, "qkv")
        q, k, v = qkv.view(len(x), heads + 2 * keys, size).split([heads, keys, keys], dim=1)  # (N, heads, D)
        if layer.head_norms:
            q, k = _normed(layer.head_norms[0], q), _normed(layer.head_norms[1], k)
        q, k = _turned(q, plan), _turned(k, plan)
        y = self._attend(number, layer.scale, q, k, v, plan).reshape(len(x), heads * size)
        z = layer.out(y)
        if lora:
            lora.add(z, y, number, "out")
        x = x + z
        y = _normed(layer.norms[1], x)
        z = layer.gate_up(y)
        if lora:
            lora.add(z, y, number, "gate_up")
        gate, up = z.chunk(2, dim=-1)
        y = layer.act(gate).mul_(up)
        z = layer.down(y)
        if lora:
            lora.add(z, y, number, "down")
        return x + z

    def _attend(
        self, number: int, scale: float, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, plan: Plan
    ) -> torch.Tensor:
        """Write keys and values, (N, G, D) each, and attend with q (N, H, D)."""
        heads, groups, size = self._heads
        result = torch.empty_like(q)
        for rows in plan.singles:
            keys, values = rows.pool.keys[number], rows.pool.values[number]
            mine = rows.whole or rows.at
            keys[rows.slots, :, rows.positions] = k[mine]
            values[rows.slots, :, rows.positions] = v[mine]
            if rows.whole:
                asked = q[mine]
            else:
                asked = q.new_zeros(rows.used, heads, size)
                asked[rows.slots] = q[rows.at]
            width = rows.mask.shape[-1]
            got = scaled_dot_product_attention(
                # The heads that share a key head are as good as several positions that ask the same keys.
                asked.view(rows.used, groups, heads // groups, size),
                keys[: rows.used, :, :width],
                values[: rows.used, :, :width],
                attn_mask=rows.mask,
                scale=scale,
            ).view(rows.used, heads, size)
            result[mine] = got if rows.whole else got[rows.slots]
        for span in plan.spans:
            pool, index, end = span.slot.pool, span.slot.index, span.start + span.end - span.begin
            keys, values = pool.keys[number][index], pool.values[number][index]
            keys[:, span.start : end] = k[span.begin : span.end].transpose(0, 1)
            values[:, span.start : end] = v[span.begin : span.end].transpose(0, 1)
            got = scaled_dot_product_attention(
                q[None, span.begin : span.end].transpose(1, 2),
                keys[None, :, :end],
                values[None, :, :end],
                attn_mask=span.mask,
                is_causal=span.mask is None,
                scale=scale,
                enable_gqa=heads != groups,
            )
            result[span.begin : span.end] = got[0].transpose(0, 1)
        return result

    def _plan(self, pieces: Sequence[Piece]) -> Plan:
        device = self.weight.device
        places = [place for piece in pieces for place in range(piece.start, piece.start + len(piece.ids))]
        cos, sin = self._angles(max(places) + 1)
        at = torch.tensor(places, device=device)
        plan, flat = Plan(cos[at][:, None], sin[at][:, None]), 0
        singles: dict[int, list[tuple[int, Piece]]] = {}
        for piece in pieces:
            count = len(piece.ids)
            if count == 1:
                singles.setdefault(piece.slot.pool.width, []).append((flat, piece))
            else:
                end = piece.start + count
                mask = None
                if piece.start:
                    mask = torch.ones(count, end, dtype=torch.bool, device=device).tril(piece.start)
                plan.spans.append(Span(piece.slot, flat, flat + count, piece.start, mask))
            flat += count
        plan.singles = [self._singles(group) for group in singles.values()]
        return plan

    def _singles(self, group: list[tuple[int, Piece]]) -> Singles:
        device = self.weight.device
        at, slots, positions = (
            [flat for flat, _ in group],
            [piece.slot.index for _, piece in group],
            [piece.start for _, piece in group],
        )
        used, longest = max(slots) + 1, max(positions) + 1
        ends = [0] * used
        for slot, position in zip(slots, positions, strict=True):
            ends[slot] = position
        seen = torch.arange(longest, device=device) <= torch.tensor(ends, device=device)[:, None]  # (used, longest)
        mask = torch.zeros(seen.shape, dtype=self.weight.dtype, device=device).masked_fill_(~seen, float("-inf"))
        in_order = slots == list(range(used)) and at == list(range(at[0], at[0] + used))
        whole = slice(at[0], at[0] + used) if in_order else None
        flat, index, places = (torch.tensor(values, device=device) for values in (at, slots, positions))
        return Singles(group[0][1].slot.pool, flat, index, places, used, mask[:, None, None], whole)

    def _angles(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines (positions, D) of at least `count` positions."""
        if self._table is None or len(self._table[0]) < count:
            room = min(self.longest, max(1024, 2 * count))
            cos, sin = self._rotary(self.weight, torch.arange(room, device=self.weight.device)[None])
            self._table = cos[0], sin[0]
        return self._table


def _normed(norm: Any, x: torch.Tensor) -> torch.Tensor:
    if x.dtype == torch.float32:
        return rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)
    return norm(x)  # the family's own order of rounding


def _turned(x: torch.Tensor, plan: Plan) -> torch.Tensor:
    """(N, heads, D) turned by its position, as LLaMA does: the halves of a head belong together."""
    half = x.shape[-1] // 2
    other = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return torch.addcmul(x * plan.cos, other, plan.sin)
