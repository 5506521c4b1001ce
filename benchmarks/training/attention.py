"""Attention over packed documents, forward and backward, by each way this project has and by plain batched products.

Usage: PYTHONPATH=src python benchmarks/training/attention.py [--dtype bfloat16] [--heads 12 12 64] [--documents 6]
       [--lengths 32 128 316 512 1024] [--seconds 5]
Ways are taken in turns for so many seconds a length; the median of each is printed, in milliseconds, as a table. What
stands in the column "block B" is kernels.blocked_attention with B queries a block; 0 is PyTorch's own backward pass.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from prepare import best_dtype

from cornucopia.kernels.packed_attention import packed_attention, use

BLOCKS = (0, 64, 128, 256)
Pass = Callable[[], torch.Tensor]


def plain(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, length: int) -> torch.Tensor:
    """(1, H or G, N L, D) -> (1, N L, H, D) in whole products, softmax in float32, as eager attention has it."""
    repeat = query.shape[1] // key.shape[1]
    key, value = (t.repeat_interleave(repeat, 1) for t in (key, value))
    q, k, v = (t[0].unflatten(1, (-1, length)).transpose(0, 1) for t in (query, key, value))  # (N, H, L, D)
    hidden = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).masked_fill(hidden, -torch.inf)
    return (scores.softmax(-1, dtype=torch.float32).to(q.dtype) @ v).transpose(1, 2).flatten(0, 1).unsqueeze(0)


def ways(
    documents: int, length: int, heads: list[int], dtype: torch.dtype
) -> tuple[dict[str, Pass], list[torch.Tensor]]:
    """Each way's forward pass by name, and the inputs that gradients are taken of."""
    query, key, value = (
        torch.randn(1, h, documents * length, heads[2]).to(dtype).requires_grad_() for h in (heads[0], *[heads[1]] * 2)
    )
    ends = torch.arange(0, documents * length + 1, length, dtype=torch.int32)

    def packed(block: int) -> torch.Tensor:
        before = use(((length, block),))
        out, _ = packed_attention(torch.nn.Identity(), query, key, value, None, cu_seq_lens_q=ends)
        use(before)
        return out

    named: dict[str, Pass] = {f"block {block}": lambda block=block: packed(block) for block in BLOCKS}
    return named | {"plain": lambda: plain(query, key, value, length)}, [query, key, value]


def measure(forwards: dict[str, Pass], inputs: list[torch.Tensor], seconds: float) -> dict[str, tuple[float, float]]:
    """Medians of forward and of backward, in milliseconds; the first round of each is left out."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in forwards}
    pull = torch.randn_like(next(iter(forwards.values()))())
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(next(iter(times.values()))) < 3:
        for name, forward in forwards.items():
            start = time.perf_counter()
            out = forward()
            middle = time.perf_counter()
            torch.autograd.grad(out, inputs, pull)
            times[name].append((1e3 * (middle - start), 1e3 * (time.perf_counter() - middle)))
    return {name: tuple(map(statistics.median, zip(*rows[1:], strict=True))) for name, rows in times.items()}  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", default="")
    parser.add_argument("--heads", type=int, nargs=3, default=[12, 12, 64], help="query heads, key heads, width")
    parser.add_argument("--documents", type=int, default=6)
    parser.add_argument("--lengths", type=int, nargs="+", default=[32, 128, 316, 512, 1024])
    parser.add_argument("--seconds", type=float, default=5.0)
    asked = parser.parse_args()
    dtype = getattr(torch, asked.dtype or best_dtype())
    print(f"{dtype}, {torch.get_num_threads()} threads, heads {asked.heads}, {asked.documents} documents")
    print("ms, forward + backward\n")
    for index, length in enumerate(asked.lengths):
        found = measure(*ways(asked.documents, length, asked.heads, dtype), asked.seconds)
        if not index:
            print("| L |", " | ".join(found), "|\n|" + " ---: |" * (len(found) + 1))
        print(f"| {length} |", " | ".join(f"{a:.1f} + {b:.1f}" for a, b in found.values()), "|", flush=True)


if __name__ == "__main__":
    main()
