"""Whether llama.cpp, on the written file, cuts texts as our tokenizer does and goes on as the merged model does."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from cornucopia.core.errors import ModelError
from cornucopia.export.gguf.kinds import Kind
from cornucopia.export.gguf.llama_server import LlamaServer
from cornucopia.export.plan import ROUNDINGS
from cornucopia.records.schema import Message, Record

TEXTS = 200
STEPS = 8  # greedy tokens after each prompt
LIKELIEST = 10  # tokens whose log-probabilities are compared at each place
ENOUGH = 0.9  # share of equal next tokens that 16 or 32 bits must reach; where they differ it is a near tie
HARDLY = 0.25  # a quantised file below this share says nothing of the model
_AWKWARD = (
    "  两个空格  在前在后 ",
    "第一行\n\n第三行\n",
    "制表\t符和\r\n回车",
    "ＦＵＬＬ　ｗｉｄｔｈ，（全角）",
    "𠮷野家😀🇨🇳é ñ ☃",
    "3.1415926、-12.50%、￥1,234,567.89、1e-6",
    "It's 5 o'clock; they'll don't we've",
    "<0x41> <think> a</think> b",
    "def f(x):\n    return x ** 2  # 注释",
    "繁體中文與かなカナ 한국어 עברית العربية",
    "……——“引号”‘单’《书名》",
    "a",
    " ",
)


@dataclass(frozen=True)
class Continued:
    """What the merged model says after one prompt.

    Args:
        ids: the prompt's tokens.
        answer: the tokens it goes on with, at most STEPS.
        logprobs: (len(answer), V) log-probabilities before each of them, float32.
        greatest: the largest absolute logit.
    """

    ids: list[int]
    answer: list[int]
    logprobs: Any
    greatest: float


@dataclass(frozen=True)
class Agreement:
    """How llama.cpp's next tokens compare.

    Args:
        places: number of next tokens compared.
        share: of them equal.
        difference: the greatest difference of a log-probability among the likeliest tokens.
        allowed: what the stored type's rounding explains; infinite for a quantised file.
    """

    places: int
    share: float
    difference: float
    allowed: float


def bundled_texts() -> list[str]:
    """Texts that come with the program: customers' questions with their slots, and some that are hard to cut."""
    source = files("cornucopia.finance").joinpath("phrasings.yaml").read_text(encoding="utf-8")
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return [*_AWKWARD, *lines[: TEXTS - len(_AWKWARD)]]


def bundled_questions(count: int) -> list[Record]:
    """The first question to each of some calculators."""
    source = files("cornucopia.finance").joinpath("phrasings.yaml").read_text(encoding="utf-8")
    asks = [str(entry["asks"][0]) for entry in yaml.safe_load(source).values() if entry.get("asks")]
    return [Record(messages=(Message("user", text),)) for text in itertools.islice(asks, count)]


def continued(model: Any, ids: list[int]) -> Continued:
    """The merged model's own greedy continuation of a prompt."""
    import torch

    inputs = torch.tensor([ids])
    with torch.inference_mode():
        made = model.generate(
            inputs, attention_mask=torch.ones_like(inputs), max_new_tokens=STEPS, do_sample=False,
            output_logits=True, return_dict_in_generate=True, repetition_penalty=1.0, temperature=None, top_p=None,
            top_k=None,
        )  # fmt: skip
    logits = torch.cat(made.logits).float()
    return Continued(ids, made.sequences[0, len(ids) :].tolist(), logits.log_softmax(-1), float(logits.abs().max()))


def check_tokens(server: LlamaServer, tokenizer: Any, path: Path) -> int:
    """Compare the two tokenizers on the bundled texts; the number of texts.

    Raises:
        ModelError: a text is cut otherwise, or is not itself again.
    """
    texts = bundled_texts()
    wrong = []
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False).input_ids
        if server.tokens(text) != ids:
            wrong.append(text)
    if wrong:
        found = f"{len(wrong)}/{len(texts)} 段不同，如 {wrong[0]!r}"
        fix = "不加 --gguf 导出成目录，用 Transformers 或 vLLM 打开"
        raise ModelError("llama.cpp 切分文字与我们的分词器不同，没有写出", where=str(path), found=found, fix=fix)
    return len(texts)


def compare(server: LlamaServer, answers: Sequence[Continued], kind: Kind) -> Agreement:
    """llama.cpp's next token at each place of our answers, beside ours."""
    import torch

    equal, difference = [], 0.0
    for answer in answers:
        for place, row in enumerate(answer.logprobs):
            theirs = server.next_tokens([*answer.ids, *answer.answer[:place]], LIKELIEST)
            equal.append(next(iter(theirs)) == int(row.argmax()))
            gaps = [abs(float(row[token]) - value) for token, value in theirs.items()]
            difference = max(difference, *gaps)
    allowed = float("inf")
    if kind.same_as:  # half of what a folder's logits may differ by: the likeliest tokens' differ least
        eps = torch.finfo(getattr(torch, kind.same_as)).eps
        allowed = ROUNDINGS[kind.same_as] / 2 * eps * max(answer.greatest for answer in answers)
    return Agreement(len(equal), sum(equal) / len(equal), difference, allowed)


def check_agreement(found: Agreement, kind: Kind, path: Path) -> None:
    """
    Raises:
        ModelError: the differences are more than the stored type explains.
    """
    told = f"{found.places} 处下一个词元有 {found.share:.1%} 相同，对数概率最多差 {found.difference:.3g}"
    if kind.same_as and not (found.difference <= found.allowed and found.share >= ENOUGH):
        what = "llama.cpp 打开后的回答与合并后的模型不同，没有写出"
        told += f"，{kind.same_as} 的舍入最多解释 {found.allowed:.3g}"
        raise ModelError(what, where=str(path), found=told, fix="加 --gguf f32 再试；还是这样就不加 --gguf，导出成目录")
    if found.share < HARDLY:
        raise ModelError("量化损失太大，没有写出", where=str(path), found=told, fix="用 --gguf q8_0 或 f16")
