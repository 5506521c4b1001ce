"""Incremental decoding and stop strings: what is shown piece by piece is what decoding at once gives."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.inference.text import StopFinder, TextStream, Thought, decode, first_stop, hold_calls, mark_thoughts
from cornucopia.tokens.tool_calls import ToolCallReader
from tiny_models import make_tokenizer

BYTES = make_tokenizer()


@pytest.fixture(scope="module")
def fallback():
    """A tokenizer of LLaMA's kind: words of a vocabulary, everything else as <0xNN> bytes, ▁ for spaces."""
    from tokenizers import Tokenizer, decoders, models, normalizers
    from transformers import PreTrainedTokenizerFast

    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "保", "险", "a", "b", "▁a"]
    backend = Tokenizer(
        models.BPE({n: i for i, n in enumerate(names)}, [("▁", "a")], byte_fallback=True, unk_token="<unk>")
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def pieces(tokenizer, tokens, stop=()):
    stream = TextStream(tokenizer, stop)
    shown = []
    for token in tokens:
        shown.append(stream.feed(token))
        if stream.stopped:
            break
    return [*shown, stream.end()]


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=30))
def test_pieces_join_to_the_whole_text(text):
    tokens = BYTES(text, add_special_tokens=False).input_ids
    assert "".join(pieces(BYTES, tokens)) == decode(BYTES, tokens)


def test_bytes_of_a_character_are_held_until_it_is_whole(fallback):
    tokens = fallback("保a 股票 b险", add_special_tokens=False).input_ids
    shown = pieces(fallback, tokens)
    assert "".join(shown) == "保a 股票 b险" == decode(fallback, tokens)
    assert not any("\ufffd" in piece for piece in shown)
    assert "股" in shown  # shown by itself, at its last byte


@given(
    st.data(),
    st.sampled_from(["", "\n犹豫期\n", "想<想</thin 想"]),
    st.sampled_from(["", "能，", "\n\n能 退\n\n好</think>"]),
)
def test_a_streamed_block_is_told_apart_however_it_is_cut(data, thought, answer):
    whole = f"<think>{thought}</think>{answer}"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    shown = list(mark_thoughts(iter(chunks)))
    assert "".join(piece for piece in shown if isinstance(piece, Thought)) == thought
    assert "".join(piece for piece in shown if not isinstance(piece, Thought)) == answer.lstrip()
    inside = list(mark_thoughts(iter([whole[len("<think>") :]]), opened=True))
    assert [piece for piece in shown if piece] == shown and "".join(inside) == thought + answer.lstrip()


@given(st.lists(st.sampled_from(["<", "think", ">", "答", " ", "\n"]), max_size=10))
def test_a_stream_without_a_block_is_all_answer(chunks):
    whole = "".join(chunks)
    shown = list(mark_thoughts(iter(chunks)))
    if not whole.lstrip().startswith("<think>"):
        assert "".join(shown) == whole and not any(isinstance(piece, Thought) for piece in shown)


def test_half_a_character_at_the_end_is_left_out():
    tokens = BYTES("保险", add_special_tokens=False).input_ids[:-1]
    assert "".join(pieces(BYTES, tokens)) == "保"


@settings(max_examples=120, deadline=None)
@given(st.text("ab#\n 保", max_size=25), st.lists(st.text("ab#\n保", min_size=1, max_size=4), min_size=1, max_size=3))
def test_stop_strings_cut_the_stream_where_they_cut_the_whole(text, stop):
    tokens = BYTES(text, add_special_tokens=False).input_ids
    at = first_stop(text, stop)
    shown = "".join(pieces(BYTES, tokens, stop))
    if at < 0:
        assert shown == text
    else:  # tokens after the first completed stop string are never made
        assert text.startswith(shown) and not any(word in shown for word in stop)
        assert any(text[len(shown) :].startswith(word) for word in stop)


@settings(max_examples=120, deadline=None)
@given(st.text("ab#\n 保", max_size=25), st.lists(st.text("ab#\n 保", min_size=1, max_size=4), min_size=1, max_size=3))
def test_finder_stops_at_the_token_that_completes_a_stop_string(text, stop):
    tokens, finder = BYTES(text, add_special_tokens=False).input_ids, StopFinder(BYTES, stop)
    found = next((n for n in range(1, len(tokens) + 1) if finder.reached(tokens[:n])), None)
    slow = next((n for n in range(1, len(tokens) + 1) if first_stop(decode(BYTES, tokens[:n]), stop) >= 0), None)
    assert found == slow


def _metaspace_tokenizer():
    """As LLaMA's and Mistral's: a word's first space is in its token, and decoding one token alone drops it."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    pieces = ["▁", "▁a", "b", "▁,", ",", "\n", "\n\n", "利", "率", "▁利率", "a"]
    vocabulary = {token: index for index, token in enumerate(["<unk>", "<s>", "</s>", *pieces])}
    backend = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(3, 13), min_size=1, max_size=12),
    st.lists(st.sampled_from([" ", "\n", ",", " ,", "\n\n", "利率", " 利", "b a"]), min_size=1, max_size=2),
)
def test_a_stop_text_of_white_space_or_marks_is_found_at_the_token_that_completes_it(tokens, stop):
    tokenizer = _metaspace_tokenizer()
    finder, stream = StopFinder(tokenizer, stop), TextStream(tokenizer, stop)
    shown = ""
    for count in range(1, len(tokens) + 1):
        text = decode(tokenizer, tokens[:count])
        assert finder.reached(tokens[:count]) == (first_stop(text, stop) >= 0)
        shown += stream.feed(tokens[count - 1])
        if finder.reached(tokens[:count]):
            break
    shown += stream.end()
    assert not any(word in shown for word in stop)


def test_a_streamed_call_is_held_back_and_what_only_looks_like_one_is_shown(tokenizer):
    reader = ToolCallReader("<tool_call>")
    said = "先算一下。<tool_call>loan(months=12)</tool_call>"
    assert "".join(hold_calls(iter(said), reader)) == "先算一下。"
    odd = "小于号是<，不是<tool>"
    assert "".join(hold_calls(iter(odd), reader)) == odd
    assert list(hold_calls(iter(said), None)) == list(said)
    assert list(hold_calls(iter([Thought("<tool_call>"), "好"]), reader)) == ["<tool_call>", "好"]


def test_a_control_token_that_marks_a_call_survives_decoding(tokenizer):
    other = copy.deepcopy(tokenizer)
    other.add_special_tokens({"additional_special_tokens": ["[TOOL_CALLS]"]})
    ids = other('好[TOOL_CALLS][{"name": "a", "arguments": {}}]', add_special_tokens=False).input_ids
    assert "[TOOL_CALLS]" not in decode(other, ids)
    marks = ToolCallReader("[TOOL_CALLS]").marks
    assert ToolCallReader().read(decode(other, ids, marks))[1][0].name == "a"
    stream = TextStream(other, (), marks)
    assert "".join(map(stream.feed, ids)) + stream.end() == decode(other, ids, marks)
