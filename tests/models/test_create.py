"""Models made from nothing."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.models.create import NewModel, create, train_tokenizer
from cornucopia.models.fingerprint import weights_fingerprint
from samples import CORPUS


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40))
def test_any_text_comes_back(tokenizer, text):
    if any(mark in text for mark in ("<unk>", "<s>", "</s>", "<pad>")):
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    ids = tokenizer(text).input_ids
    assert ids[0] == 1 and tokenizer.decode(ids[1:]) == text


def test_digits_and_line_ends_stand_alone(tokenizer):
    ids = tokenizer("利率15.20%\n\n10", add_special_tokens=False).input_ids
    pieces = [tokenizer.decode([i]) for i in ids]
    assert [p for p in pieces if any(c in "0125" for c in p)] == ["1", "5", "2", "0", "1", "0"]
    assert pieces.count("\n") == 2


def test_a_byte_token_written_as_text_is_text(tokenizer):
    ids = tokenizer("<0x41>", add_special_tokens=False).input_ids
    assert len(ids) > 1 and tokenizer.decode(ids) == "<0x41>"


def test_special_ids_are_fixed_and_the_size_is_kept():
    tokenizer = train_tokenizer(CORPUS, 330)
    assert [tokenizer.unk_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id] == [
        0,
        1,
        2,
        3,
    ]
    assert len(tokenizer) <= 330 and tokenizer.convert_tokens_to_ids("<0x00>") == 6


def test_the_marks_of_thinking_are_one_token_each_and_stay_in_the_text():
    tokenizer = train_tokenizer(CORPUS, 330)
    ids = tokenizer.encode("<think>保险</think>", add_special_tokens=False)
    assert (ids[0], ids[-1]) == (4, 5) and not {4, 5} & set(tokenizer.all_special_ids)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think>保险</think>"


def test_the_same_seed_gives_the_same_model(small, tmp_path):
    def make(name, seed):
        sizes = {"vocab_size": 330, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "seed": seed}
        sizes |= {"num_key_value_heads": 1, "intermediate_size": 16, "output_dir": str(tmp_path / name), "text": ["-"]}
        parameters = create(tmp_path / name, CORPUS, NewModel(**sizes))
        return weights_fingerprint(tmp_path / name), parameters

    (one, size), (two, _), (other, _) = make("a", 1), make("b", 1), make("c", 2)
    assert one == two != other and size > 0
    assert torch.initial_seed() is not None and weights_fingerprint(small) not in (one, other)
