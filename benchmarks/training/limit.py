"""The limit: real tokens per second if a LoRA step were nothing but its matrix products in the spec's type.

    python benchmarks/training/limit.py spec.json

Counted: each frozen weight forward and for the input's gradient (none below the lowest adapter), the LoRA products
and their gradients on q_proj and v_proj, the output layer forward and backward on trained rows only. Not counted:
attention's own products (given beside it, as `with_attention`), norms, softmax, anything element by element, copies.
Results go into buffers that exist already. Measured twice, with the model's weights one by one and with q,k,v and
gate,up joined; the limit is the faster.

Shapes: T tokens and S trained tokens of a pack, H hidden, G key/value width, I MLP width, V vocabulary, R rank.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

Product = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # left (M, K), right (K, N), result (M, N)


def main() -> None:
    """Measure one spec and append its line."""
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    config = json.loads((Path(spec["model"]) / "config.json").read_text(encoding="utf-8"))
    packs = read_packs(spec)
    torch.set_default_dtype(getattr(torch, spec["dtype"]))
    row: dict[str, Any] = {"name": "limit"}
    for name, joined in (("separate", False), ("joined", True)):
        row[name] = measure(packs, products(config, spec["lora_r"], packs, joined))
    row["limit"] = max(row["separate"], row["joined"])
    attention = measure(packs, attention_products(config, packs))
    row["with_attention"] = round(1 / (1 / row["limit"] + 1 / attention), 1)
    with Path(spec["out"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read_packs(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Documents' lengths and trained tokens of the first packs."""
    rows = [
        json.loads(line) for line in (Path(spec["data"]) / "documents.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    size = spec["pack_documents"]
    groups = [rows[start : start + size] for start in range(0, len(rows), size)][:2]
    return [
        {
            "lengths": [len(row["input_ids"]) for row in group],
            "supervised": sum(label >= 0 for row in group for label in row["labels"]),
        }
        for group in groups
    ]


def measure(packs: list[dict[str, Any]], steps: list[Product], *, repeats: int = 3) -> float:
    """Real tokens per second of the products: the best of `repeats` passes over all packs, after one to warm up."""
    multiply = torch.bmm if steps[0][0].dim() == 3 else torch.mm
    best = float("inf")
    for _ in range(repeats + 1):
        began = time.perf_counter()
        for left, right, result in steps:
            multiply(left, right, out=result)
        best = min(best, time.perf_counter() - began)
    return round(sum(sum(pack["lengths"]) for pack in packs) / best, 1)


class Plan:
    """Products in their order; inputs and results of the same size share one buffer."""

    def __init__(self) -> None:
        self.steps: list[Product] = []
        self._inputs: dict[tuple[int, int], torch.Tensor] = {}
        self._results: dict[tuple[int, int], torch.Tensor] = {}

    def times(self, rows: int, right: torch.Tensor) -> None:
        """(rows, K) @ right (K, N)."""
        inner, columns = right.shape
        self.steps.append((self._input(rows, inner), right, self._result(rows, columns)))

    def gradient(self, tokens: int, rows: int, columns: int) -> None:
        """A weight's gradient: (tokens, rows) transposed @ (tokens, columns)."""
        self.steps.append((self._input(tokens, rows).T, self._input(tokens, columns), self._result(rows, columns)))

    def _input(self, rows: int, columns: int) -> torch.Tensor:
        if (rows, columns) not in self._inputs:
            self._inputs[rows, columns] = random(rows, columns)
        return self._inputs[rows, columns]

    def _result(self, rows: int, columns: int) -> torch.Tensor:
        if (rows, columns) not in self._results:
            self._results[rows, columns] = random(rows, columns)
        return self._results[rows, columns]


def products(config: dict[str, Any], rank: int, packs: list[dict[str, Any]], joined: bool) -> list[Product]:
    """All products of the forward and backward passes over the packs."""
    layers = frozen_weights(config, joined)
    hidden = config["hidden_size"]
    output, down = random(config["vocab_size"], hidden), random(rank, hidden)
    ups = [random(hidden, rank), random(key_value_width(config), rank)]
    plan = Plan()
    for pack in packs:
        tokens = sum(pack["lengths"])
        for layer in layers:
            for weight in layer:
                plan.times(tokens, weight.T)
            for up in ups:
                plan.times(tokens, down.T)
                plan.times(tokens, up.T)
        plan.times(pack["supervised"], output.T)
        plan.times(pack["supervised"], output)
        for number in reversed(range(len(layers))):
            _backward(plan, layers[number], tokens, down, ups, lowest=number == 0)
    return plan.steps


def _backward(
    plan: Plan, layer: list[torch.Tensor], tokens: int, down: torch.Tensor, ups: list[torch.Tensor], *, lowest: bool
) -> None:
    entrance = 1 if len(layer) == 4 else 3  # q,k,v, whose input in the lowest layer needs no gradient
    for weight in layer[entrance if lowest else 0 :]:
        plan.times(tokens, weight)
    for up in ups:
        plan.gradient(tokens, *up.shape)
        plan.times(tokens, up)
        plan.gradient(tokens, *down.shape)
        if not lowest:
            plan.times(tokens, down)


def attention_products(config: dict[str, Any], packs: list[dict[str, Any]]) -> list[Product]:
    """Scores and weighted sums of every document and layer: two products forward, four backward."""
    heads, width = config["num_attention_heads"], config["hidden_size"] // config["num_attention_heads"]
    steps: list[Product] = []
    for pack in packs:
        for length in pack["lengths"]:
            wide, square = random(heads, length, width), random(heads, length, length)
            score = (wide, wide.transpose(1, 2), torch.empty_like(square))
            mix = (square, wide, torch.empty_like(wide))
            steps += [score, mix, score, mix, mix, mix] * config["num_hidden_layers"]
    return steps


def random(*shape: int) -> torch.Tensor:
    """A tensor of ordinary numbers."""
    return torch.randn(*shape) * 0.05


def key_value_width(config: dict[str, Any]) -> int:
    """Columns of k_proj and v_proj."""
    return config["hidden_size"] * config["num_key_value_heads"] // config["num_attention_heads"]


def frozen_weights(config: dict[str, Any], joined: bool) -> list[list[torch.Tensor]]:
    """Weights (N, K) of each layer: q, k, v, o, gate, up, down; or with q,k,v and gate,up joined."""
    hidden, inner, narrow = config["hidden_size"], config["intermediate_size"], key_value_width(config)
    shapes = [(hidden, hidden), (narrow, hidden), (narrow, hidden), (hidden, hidden)]
    shapes += [(inner, hidden), (inner, hidden), (hidden, inner)]
    if joined:
        shapes = [(hidden + 2 * narrow, hidden), (hidden, hidden), (2 * inner, hidden), (hidden, inner)]
    return [[random(*shape) for shape in shapes] for _ in range(config["num_hidden_layers"])]


if __name__ == "__main__":
    main()
