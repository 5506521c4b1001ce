"""Perplexity a character of the bundled model on handbook articles it never saw, beside a character n-gram.

Usage: python recipes/nano/evaluate.py MODEL TRAIN_A.jsonl TRAIN_B.jsonl ... UNSEEN.jsonl
Both are counted in nats over the same characters, so that tokenisers do not matter. The n-gram is trained on the
same text, with Witten-Bell interpolation (Chen and Goodman 1999, section 2.5).
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, defaultdict
from pathlib import Path

from cornucopia.models.load import load_base
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.tokens.render import encode_text

ORDER = 4


def texts(path: str) -> list[str]:
    """The documents of a {"text"} file."""
    return [json.loads(line)["text"] for line in Path(path).read_text(encoding="utf-8").splitlines()]


class Ngram:
    """Character n-grams of orders 0 to ORDER-1 of context, interpolated."""

    def __init__(self, documents: list[str]) -> None:
        self.followers: dict[str, Counter[str]] = defaultdict(Counter)
        for text in documents:
            for position, character in enumerate(text):
                for length in range(min(position, ORDER - 1) + 1):
                    self.followers[text[position - length : position]][character] += 1
        self.totals = {context: sum(counts.values()) for context, counts in self.followers.items()}
        self.characters = len(self.followers[""]) + 1

    def probability(self, context: str, character: str) -> float:
        """p(character | context), with one share for characters never seen."""
        shorter = self.probability(context[1:], character) if context else 1 / self.characters
        counts = self.followers.get(context)
        if not counts:
            return shorter
        kinds, total = len(counts), self.totals[context]
        return (counts[character] + kinds * shorter) / (total + kinds)

    def nats(self, text: str) -> float:
        """Negative log-likelihood of a document."""
        return -sum(math.log(self.probability(text[max(0, i - ORDER + 1) : i], c)) for i, c in enumerate(text))


def model_nats(folder: str, documents: list[str]) -> float:
    """Negative log-likelihood of the documents under the model, 512 tokens at a time, EOS included."""
    import torch

    base = load_base(resolve(ModelSpec(base=str(folder), dtype="float32")))
    total = 0.0
    with torch.no_grad():
        for text in documents:
            ids = encode_text(text, base.tokenizer)
            for start in range(0, len(ids) - 1, 511):
                piece = torch.tensor([ids[start : start + 512]])
                logits = base.model(piece).logits[0, :-1]
                total += float(torch.nn.functional.cross_entropy(logits, piece[0, 1:], reduction="sum"))
    return total


def main(folder: str, training: list[str], unseen: str) -> None:
    """Print both perplexities."""
    held = texts(unseen)
    characters = sum(map(len, held))
    ngram = Ngram([text for path in training for text in texts(path)])
    rows = {"nano": model_nats(folder, held), f"字符 {ORDER} 元模型": sum(map(ngram.nats, held))}
    print(f"{len(held)} 篇，{characters} 字")
    for name, nats in rows.items():
        print(f"{name}：每字 {nats / characters:.3f} nat，困惑度 {math.exp(nats / characters):.1f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:-1], sys.argv[-1])
