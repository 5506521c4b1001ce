"""A wider vocabulary: old ids and rows stay, every new piece is reached, text takes fewer tokens and loses nothing."""

from __future__ import annotations

import json
import random
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.cli.main import main
from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.models.vocabulary.extend import ExtendOptions, extend
from cornucopia.models.vocabulary.learn import learn, pieces_of
from cornucopia.models.vocabulary.widen import pieces_from, widen
from tiny_models import make_model

WORDS = ["养老保险", "缴费年限", "公积金", "提取条件", "等额本息", "月供", "现金价值", "退保", "犹豫期", "年化利率"]


def text(seed, words=60):
    draw = random.Random(seed)
    return "".join(draw.choice(WORDS) + draw.choice(["，", "和", "的", "3.5%", " "]) for _ in range(words))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "c.jsonl"
    path.write_text("\n".join(json.dumps({"text": text(n)}, ensure_ascii=False) for n in range(60)), "utf-8")
    return path


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Byte-level, SentencePiece's tokenizer.model, and characters with byte fallback."""
    import sentencepiece

    folders = {"bytes": make_model(tmp_path_factory.mktemp("bytes") / "m")}
    folder = tmp_path_factory.mktemp("spm") / "m"
    shutil.copytree(folders["bytes"], folder)
    (folder / "tokenizer.json").unlink()
    english = tmp_path_factory.mktemp("english") / "e.txt"
    english.write_text("\n".join(["the quick brown fox jumps", "over a lazy dog 0123456789 again"] * 40), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(english), model_prefix=str(folder / "tokenizer"), vocab_size=340, hard_vocab_limit=False,
        model_type="bpe", byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        minloglevel=2,
    )  # fmt: skip
    _fit_rows(folder)
    folders["spm"] = folder
    return folders


def _fit_rows(folder):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(load_tokenizer(folder)), mean_resizing=False)
    model.save_pretrained(folder)


def options(base, corpus, out, **values):
    return ExtendOptions.build({"base": str(base), "corpus": [str(corpus)], "out": str(out), "size": 80} | values)


@pytest.mark.parametrize("kind", ["bytes", "spm"])
def test_old_stays_and_new_is_reached(kind, bases, corpus, tmp_path):
    from transformers import AutoModelForCausalLM

    widened, measured = extend(options(bases[kind], corpus, tmp_path / "out"))
    old, new = load_tokenizer(bases[kind]), load_tokenizer(tmp_path / "out")
    assert len(new) == len(old) + len(widened.pieces) and len(widened.pieces) >= 30 and not widened.unreachable
    vocabulary = new.get_vocab()
    assert all(vocabulary[piece] == number for piece, number in old.get_vocab().items())
    assert measured.after < 0.6 * measured.before and measured.same == measured.texts
    for plain in ("the quick brown fox, 3.14%\n\t again", "ひらがな とカタカナ", "😀 ok"):
        assert new(plain).input_ids == old(plain).input_ids
    before, after = (AutoModelForCausalLM.from_pretrained(folder) for folder in (bases[kind], tmp_path / "out"))
    for layer in ("get_input_embeddings", "get_output_embeddings"):
        rows, wider = getattr(before, layer)().weight, getattr(after, layer)().weight
        assert torch.equal(wider[: len(old)], rows[: len(old)]) and len(wider) == len(new)
        piece = widened.pieces[-1]
        ids = [token.id for token in old.backend_tokenizer.model.tokenize(piece)]
        assert torch.allclose(wider[vocabulary[piece]], rows[ids].mean(0), atol=1e-6)
    assert after(torch.tensor([new(text(99)).input_ids])).logits.isfinite().all()


def test_sentencepiece_cuts_as_the_new_tokenizer_does(bases, corpus, tmp_path):
    import sentencepiece

    extend(options(bases["spm"], corpus, tmp_path / "out", tokenizer_only=True))
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "out" / "tokenizer.model"))
    ours = load_tokenizer(tmp_path / "out")
    assert theirs.get_piece_size() == len(ours) and not (tmp_path / "out" / "model.safetensors").exists()
    for seed in range(100, 130):
        assert ours(text(seed), add_special_tokens=False).input_ids == theirs.encode(text(seed))


@settings(max_examples=40, deadline=None)
@given(st.text(st.sampled_from("保险金额的和，。 a1養\u3400😀"), max_size=30))
def test_nothing_is_lost_in_any_text(widened_pair, written):
    old, new = widened_pair
    ids = [one(written, add_special_tokens=False).input_ids for one in (old, new)]
    assert new.decode(ids[1]) == old.decode(ids[0]) and len(ids[1]) <= len(ids[0])


@pytest.fixture(scope="module")
def widened_pair(bases):
    old = load_tokenizer(bases["spm"])
    return old, widen(old, learn(old.backend_tokenizer, ["保险金额的保险金额和保险" * 3, "養老" * 4], 30)).tokenizer


def test_pieces_of_another_model_are_put_in(bases, corpus, tmp_path):
    import sentencepiece

    (tmp_path / "zh.txt").write_text("\n".join(text(n) for n in range(60)), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(tmp_path / "zh.txt"), model_prefix=str(tmp_path / "zh"), vocab_size=120, hard_vocab_limit=False,
        model_type="unigram", minloglevel=2,
    )  # fmt: skip
    widened, measured = extend(
        options(bases["spm"], corpus, tmp_path / "out", pieces=str(tmp_path / "zh.model"), tokenizer_only=True)
    )
    backend = widened.tokenizer.backend_tokenizer
    assert widened.pieces and all(pieces_of(backend, piece) == [piece] for piece in widened.pieces)
    assert measured.after < measured.before
    with pytest.raises(ModelError, match="按字节"):
        pieces_from(tmp_path / "zh.model", load_tokenizer(bases["bytes"]))


def test_what_cannot_be_extended_says_why(bases, corpus, tmp_path):
    (tmp_path / "english.txt").write_text("no Chinese here", "utf-8")
    with pytest.raises(ModelError, match="没有学到新词"):
        extend(options(bases["bytes"], tmp_path / "english.txt", tmp_path / "out"))
    with pytest.raises(ConfigError, match="已经有一个模型"):
        extend(options(bases["bytes"], corpus, bases["spm"]))
    with pytest.raises(ConfigError):
        extend(options(bases["bytes"], corpus, bases["bytes"], overwrite=True))
    with pytest.raises(ConfigError, match="corpus"):
        ExtendOptions.build({"base": "nano", "out": "x"})


def test_the_command_and_pretraining_after_it(bases, corpus, tmp_path, capsys):
    """Embeddings are trained and saved with the adapter; the base without the new words refuses it."""
    out = tmp_path / "wide"
    command = ["vocab", "extend", "--base", str(bases["bytes"]), "--corpus", str(corpus), "--size", "40", "--out"]
    assert main([*command, str(out)]) == 0
    assert "每字词元" in capsys.readouterr().out
    train = [
        "train", "--base", str(out), "--objective", "pretrain", "--data-path", str(corpus), "--max-steps", "2",
        "--cutoff-len", "64", "--batch-size", "4", "--modules-to-save", "embed_tokens,lm_head", "--report-to", "none",
        "--output-dir", str(tmp_path / "run"), "--device", "cpu",
    ]  # fmt: skip
    assert main(train) == 0
    from safetensors.torch import load_file

    saved = load_file(tmp_path / "run" / "adapter_model.safetensors")
    rows = [value.shape[0] for name, value in saved.items() if "embed_tokens" in name or "lm_head" in name]
    assert rows == [len(load_tokenizer(out))] * 2
    question = tmp_path / "q.jsonl"
    question.write_text('{"instruction": "你好"}\n', "utf-8")
    infer = ["infer", "--instruct-dir", str(question), "--output-dir", str(tmp_path / "a.jsonl"), "--device", "cpu"]
    code = main([*infer, "--base-model", str(bases["bytes"]), "--adapter", str(tmp_path / "run")])
    assert code == 1 and "词" in capsys.readouterr().err
