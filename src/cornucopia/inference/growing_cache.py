"""A key/value cache that writes new tokens in place, where Transformers' own copies everything at every token.

With B rows of T tokens the copy costs B x T per step; on CPU that is most of a small model's decoding time.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

ROOM = 64  # tokens of free room in a new buffer


class GrowingLayer(DynamicLayer):
    """Keys and values (B, G, T, D) as views of buffers with room for more tokens.

    Whatever else replaces `keys` (reordering, cropping) is noticed by its storage, and a new buffer is made.
    """

    def __init__(self) -> None:
        super().__init__()
        self._buffers: list[torch.Tensor] = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append (B, G, t, D) tokens; returns all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        total = length + key_states.shape[-2]
        if not self._has_room(total):
            pairs = ((self.keys, key_states), (self.values, value_states))
            self._buffers = [self._larger(old, new, total) for old, new in pairs]
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., length:total, :] = new
        self.keys, self.values = (buffer[..., :total, :] for buffer in self._buffers)
        return self.keys, self.values

    def _has_room(self, total: int) -> bool:
        if not self._buffers or self.keys is None or self.keys.data_ptr() != self._buffers[0].data_ptr():
            return False
        return self.keys.shape[0] == self._buffers[0].shape[0] and total <= self._buffers[0].shape[-2]

    @staticmethod
    def _larger(old: Any, new: torch.Tensor, total: int) -> torch.Tensor:
        buffer = new.new_empty(*new.shape[:-2], total + max(ROOM, total // 4), new.shape[-1])
        if old.numel():
            buffer[..., : old.shape[-2], :] = old
        return buffer

    def drop_first(self, count: int) -> None:
        """Forget the first `count` tokens."""
        assert self.keys is not None and self.values is not None
        self.keys, self.values = self.keys[..., count:, :], self.values[..., count:, :]

    def join(self, other: GrowingLayer, pad: int, other_pad: int) -> None:
        """Put another layer's rows behind these, each padded with so many tokens of zeros in front."""
        self.keys = torch.cat([_padded(self.keys, pad), _padded(other.keys, other_pad)])
        self.values = torch.cat([_padded(self.values, pad), _padded(other.values, other_pad)])


def _padded(states: Any, pad: int) -> torch.Tensor:
    return torch.nn.functional.pad(states, (0, 0, pad, 0))


def can_join(cache: DynamicCache) -> bool:
    """Whether rows of another cache can be put into this one: not where a layer forgets (sliding windows, states)."""
    return all(isinstance(layer, GrowingLayer) for layer in cache.layers)


def _growing(cache: DynamicCache) -> list[GrowingLayer]:
    return [layer for layer in cache.layers if isinstance(layer, GrowingLayer)]


def drop_first(cache: DynamicCache, count: int) -> None:
    """Forget the first `count` tokens of all rows."""
    for layer in _growing(cache):
        layer.drop_first(count)


def join(cache: DynamicCache, other: DynamicCache, pad: int, other_pad: int) -> None:
    """Put the rows of `other` behind those of `cache`, after padding each in front."""
    for layer, more in zip(_growing(cache), _growing(other), strict=True):
        layer.join(more, pad, other_pad)


def growing_cache(config: Any) -> DynamicCache:
    """Transformers' cache for a model's config, its plain layers replaced by growing ones."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    if cache.layer_class_to_replicate is DynamicLayer:
        cache.layer_class_to_replicate = GrowingLayer
    return cache
