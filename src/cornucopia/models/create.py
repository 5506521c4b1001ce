"""Make a small LLaMA-architecture model from nothing: its tokenizer from text, its weights at random from a seed.

This is how the bundled model begins; `cornucopia train` with stage `pretrain` and method `full` does the rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError
from cornucopia.models.load import save_weights

SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
MARKS = ("<think>", "</think>")  # one token each, but text like any other: a model can learn to think before it answers


class NewModel(Config):
    """A model made from nothing: where, from which texts, how large."""

    output_dir: str = option(..., "新模型的目录")
    text: list[str] = option(..., "训练分词器的文本文件，可重复列出以加重", aliases=("data_path",), split="paths")
    vocab_size: int = option(16000, "词表大小（含 256 个字节词元）", ge=300)
    hidden_size: int = option(320, "隐藏层宽度", gt=0)
    num_hidden_layers: int = option(8, "层数", gt=0)
    num_attention_heads: int = option(5, "注意力头数", gt=0)
    num_key_value_heads: int = option(5, "键值头数", gt=0)
    intermediate_size: int = option(864, "前馈层宽度", gt=0)
    max_position_embeddings: int = option(1024, "最长上下文，词元", gt=0)
    seed: int = option(42, "随机种子")
    overwrite: bool = option(False, "目录里已有模型时盖掉它")


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Any:
    """A byte-fallback BPE tokenizer: no normalisation, digits one by one, line ends alone.

    Args:
        texts: documents to learn from.
        vocab_size: tokens in all, the specials and the 256 byte tokens included.

    Returns:
        A PreTrainedTokenizerFast that adds BOS, as LLaMA's does; decode(encode(text)) == text for any text.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[0], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.Split(Regex(r"\n"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    bytes_ = [AddedToken(f"<0x{value:02X}>", special=False, normalized=False) for value in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[*SPECIAL, *MARKS, *(token.content for token in bytes_)],
        show_progress=False,
        limit_alphabet=min(vocab_size // 3, vocab_size - len(SPECIAL) - len(MARKS) - 256),
        max_token_length=8,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer = _without_special_bytes(tokenizer)
    bos = SPECIAL[1]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token=SPECIAL[0],
        bos_token=bos,
        eos_token=SPECIAL[2],
        pad_token=SPECIAL[3],
        clean_up_tokenization_spaces=False,
    )


def _without_special_bytes(tokenizer: Any) -> Any:
    """The byte tokens were reserved as specials to fix their ids; text "<0x41>" must not be read as one."""
    import json

    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in (*SPECIAL, *MARKS)]
    for token in state["added_tokens"]:
        token["special"] = token["content"] in SPECIAL
    return Tokenizer.from_str(json.dumps(state))


def create(folder: str | Path, texts: Iterable[str], settings: NewModel) -> int:
    """Write a new model folder: config, tokenizer, random weights in float32.

    Returns:
        The number of parameters.

    Raises:
        ConfigError: the folder holds a model already.
    """
    if (Path(folder) / "config.json").exists() and not settings.overwrite:
        raise ConfigError("这里已经有一个模型", where=str(folder), fix="换一个目录，或 --overwrite 盖掉它")
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = train_tokenizer(texts, settings.vocab_size)
    torch.manual_seed(settings.seed)
    sizes = settings.model_dump(exclude={"seed", "vocab_size", "output_dir", "text", "overwrite"})
    config = LlamaConfig(
        **sizes,
        vocab_size=len(tokenizer),
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
        initializer_range=settings.hidden_size**-0.5 / 2,
    )
    model = LlamaForCausalLM(config)
    model.generation_config.update(bos_token_id=1, eos_token_id=2, pad_token_id=3)
    save_weights(model, Path(folder))
    tokenizer.save_pretrained(str(folder))
    return sum(parameter.numel() for parameter in model.parameters())
