"""Transformers' own `generate` on the model as `from_pretrained` gives it, in a process without any of our code.

All prompts of a cell are of one length, so a single batch of all has no padding: the best batch for it. A setting of
a number makes batches of so many rows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cells
import torch
from transformers import AutoModelForCausalLM, StoppingCriteria, StoppingCriteriaList


class Clock(StoppingCriteria):
    """Notes when it is first asked, which is behind the first token; ends nothing."""

    def __init__(self) -> None:
        self.first = 0.0

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """See StoppingCriteria."""
        self.first = self.first or time.perf_counter()
        return torch.zeros(len(input_ids), dtype=torch.bool)


def main() -> None:
    """Time the cells."""
    spec = cells.read_spec()
    torch.set_num_threads(spec["threads"])
    model = AutoModelForCausalLM.from_pretrained(spec["model"], dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None
    size = int(spec["setting"] or 10**6)

    def answer(prompts: Sequence[list[int]], new: int) -> tuple[list[float], list[int]]:
        firsts: list[float] = []
        counts: list[int] = []
        for begin in range(0, len(prompts), size):
            ids, clock = torch.tensor(prompts[begin : begin + size]), Clock()
            with torch.inference_mode():
                output = model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=new,
                    do_sample=False,
                    pad_token_id=0,
                    stopping_criteria=StoppingCriteriaList([clock]),
                )
            counts += [output.shape[1] - ids.shape[1]] * len(ids)
            firsts += [clock.first] * len(ids)
        return firsts, counts

    cells.measure(spec, answer, ("torch", "transformers"))


if __name__ == "__main__":
    main()
