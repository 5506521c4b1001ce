"""A folder with SentencePiece's tokenizer.model is read as SentencePiece reads it, with BOS as LLaMA was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import ModelError
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.tokens.render import starts_with_bos
from samples import CORPUS, SHARED

TEXTS = [
    "等额本息怎么算？",
    "  两个空格  开头和结尾  ", "\n\n换行\n", "a\tb  c   d", "😀🏦👨‍👩‍👧", "龘靐 unknown ☃", "3.14%",
    "▁_▁", "", "Hello, world", "<0x41>", "全角　空格，ＡＢＣ", "é vs é", "</s 不是结束>",
]  # fmt: skip
KINDS = {
    "bpe": {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity",
            "remove_extra_whitespaces": False, "split_digits": True},
    "unigram": {"model_type": "unigram", "byte_fallback": True, "normalization_rule_name": "identity",
                "remove_extra_whitespaces": False},
    "bpe-nfkc": {"model_type": "bpe", "byte_fallback": True},  # SentencePiece's own defaults: NFKC, spaces joined
    "symbols": {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity",
                "remove_extra_whitespaces": False, "add_dummy_prefix": False,
                "user_defined_symbols": ["<sep>", "[客户]"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """SentencePiece models trained here, and the folders that hold them."""
    import sentencepiece

    folders = {}
    text = tmp_path_factory.mktemp("spm") / "text.txt"
    text.write_text("\n".join([*CORPUS, "hello world the quick 12345 ... a b c d e"] * 4), encoding="utf-8")
    for name, settings_ in KINDS.items():
        folder = tmp_path_factory.mktemp(name)
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=480, hard_vocab_limit=False,
            minloglevel=2, **settings_,
        )  # fmt: skip
        folders[name] = folder
    return folders


def processor(folder):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_file=str(Path(folder) / "tokenizer.model"))


def assert_equal(folder, texts):
    reference, tokenizer = processor(folder), load_tokenizer(folder)
    assert len(tokenizer) == reference.get_piece_size()
    for text in texts:
        if text == "<0x41>" and "unigram" in str(folder):
            continue  # the tokenizers library reads it as the byte; no text has it
        expected = reference.encode(text)
        assert tokenizer(text).input_ids == [reference.bos_id(), *expected], repr(text)
        if reference.unk_id() not in expected:  # decoded as " ⁇ " there
            assert tokenizer.decode(expected) == reference.decode(expected), repr(text)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_sentencepiece_with_bos(kind, models):
    texts = [*TEXTS, *(["问<sep>答", "[客户]你好<sep><sep>x", " <sep> "] if kind == "symbols" else [])]
    assert_equal(models[kind], texts)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "symbols"])
@settings(max_examples=80, deadline=None)
@given(
    text=st.text(
        st.sampled_from("保险基金利率 \n.,12ab😀龘▁<>") | st.characters(exclude_categories=["Cs"]), max_size=24
    )
)
def test_equals_sentencepiece_on_any_text(kind, text, models):
    if "\0" in text or any(mark in text for mark in ("<unk>", "<s>", "</s>")):
        return  # SentencePiece reads C strings; special tokens are read as such here
    assert_equal_one(models[kind], text)


LOADED: dict = {}


def assert_equal_one(folder, text):
    reference, tokenizer = LOADED.setdefault(folder, (processor(folder), load_tokenizer(folder)))
    assert tokenizer(text).input_ids[1:] == reference.encode(text)


@pytest.mark.shared
@pytest.mark.parametrize(
    "file", ["llama2.c/tokenizer.model", "Chinese-LLaMA-Alpaca/scripts/merge_tokenizer/chinese_sp.model"]
)
def test_real_files_equal_sentencepiece(file, tmp_path):
    shutil.copyfile(SHARED / file, tmp_path / "tokenizer.model")
    assert_equal(tmp_path, [*TEXTS, "".join(CORPUS), "the  double   spaces\n\n\tand tabs "])


def test_broken_settings_of_the_first_llama_folders_do_no_harm(models, tmp_path):
    shutil.copy(models["bpe"] / "tokenizer.model", tmp_path)
    broken = {
        "bos_token": "",
        "eos_token": "",
        "unk_token": "",
        "tokenizer_class": "LLaMATokenizer",
        "model_max_length": 1e30,
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(broken))
    (tmp_path / "special_tokens_map.json").write_text("{}")
    (tmp_path / "config.json").write_text(
        '{"model_type": "llama", "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": -1}'
    )
    tokenizer = load_tokenizer(tmp_path)
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token) == ("<s>", "</s>", "<unk>")
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (1, 2)
    assert starts_with_bos(tokenizer) and tokenizer("利率").input_ids[0] == 1
    assert tokenizer.pad_token_id is not None and tokenizer.pad_token_id != tokenizer.eos_token_id
    assert tokenizer("a</s>").input_ids[-1] == 2  # the end is one token
    assert tokenizer.padding_side == "left"


def test_a_folder_that_says_no_bos_gets_none(models, tmp_path):
    shutil.copy(models["bpe"] / "tokenizer.model", tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"add_bos_token": false, "chat_template": "x"}')
    tokenizer = load_tokenizer(tmp_path)
    assert not starts_with_bos(tokenizer) and tokenizer.chat_template == "x"


def test_added_tokens_come_after_the_pieces(models, tmp_path):
    shutil.copy(models["bpe"] / "tokenizer.model", tmp_path)
    size = processor(tmp_path).get_piece_size()
    (tmp_path / "added_tokens.json").write_text(json.dumps({"[PAD]": size + 1, "<|x|>": size}))
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.convert_tokens_to_ids(["<|x|>", "[PAD]"]) == [size, size + 1]
    assert tokenizer.pad_token == "[PAD]" and tokenizer("a<|x|>").input_ids[-1] == size


def test_pad_is_not_the_end_where_a_folder_says_so(small, tmp_path):
    shutil.copytree(small, tmp_path / "m")
    path = tmp_path / "m" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token": "</s>"}))
    tokenizer = load_tokenizer(tmp_path / "m")
    assert tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)


@pytest.mark.parametrize(
    "damage", [lambda d: d[: len(d) // 2], lambda d: b"", lambda d: b"<html>404</html>", lambda d: d[7:]]
)
def test_a_damaged_file_is_told(damage, models, tmp_path):
    data = (models["bpe"] / "tokenizer.model").read_bytes()
    (tmp_path / "tokenizer.model").write_bytes(damage(data))
    with pytest.raises(ModelError) as error:
        load_tokenizer(tmp_path)
    assert "tokenizer.model" in str(error.value)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_give_more_than_an_error(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "bytes"
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.model").write_bytes(data)
    with pytest.raises(ModelError):
        load_tokenizer(folder)


@pytest.mark.parametrize(
    ("file", "text"), [("tokenizer_config.json", "[1]"), ("tokenizer_config.json", "{"), ("added_tokens.json", "{")]
)
def test_damaged_settings_are_told(file, text, models, tmp_path):
    shutil.copy(models["bpe"] / "tokenizer.model", tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(ModelError, match=file):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer_is_told(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ModelError, match="分词器"):
        load_tokenizer(tmp_path)
