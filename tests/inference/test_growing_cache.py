"""The growing cache against Transformers' own: the same keys and values after any sequence of operations."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicCache, DynamicLayer

from cornucopia.inference.growing_cache import GrowingLayer, growing_cache


def states(rows, tokens, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, 2, tokens, width, generator=generator) for width in (4, 3)]


@given(st.lists(st.tuples(st.sampled_from(["append", "keep", "crop"]), st.integers(1, 90)), min_size=1, max_size=8))
def test_equals_the_plain_layer(operations):
    grown, plain, rows = GrowingLayer(), DynamicLayer(), 4
    for number, (operation, size) in enumerate([("append", 5), *operations]):
        if operation == "append":
            results = [layer.update(*states(rows, size, number)) for layer in (grown, plain)]
            assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
        elif operation == "keep" and rows > 1:
            rows -= 1
            for layer in (grown, plain):
                layer.batch_select_indices(torch.arange(rows).flip(0))
        elif operation == "crop":
            for layer in (grown, plain):
                layer.crop(-min(size, plain.get_seq_length() - 1))
        assert torch.equal(grown.keys, plain.keys) and torch.equal(grown.values, plain.values)
        assert grown.get_seq_length() == plain.get_seq_length()


def test_one_token_more_copies_nothing():
    layer = GrowingLayer()
    layer.update(*states(2, 7, 0))
    place = layer.keys.data_ptr()
    layer.update(*states(2, 1, 1))
    assert layer.keys.data_ptr() == place


def test_sliding_layers_stay_as_they_are():
    from transformers import MistralConfig

    config = MistralConfig(num_hidden_layers=2, sliding_window=8)
    kinds = [type(layer) for layer in DynamicCache(config=config).layers]
    assert [type(layer) for layer in growing_cache(config).layers] == kinds and DynamicLayer not in kinds
