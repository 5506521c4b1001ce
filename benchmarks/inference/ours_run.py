"""Ours: the running batch that `serve`, `chat` and `infer` use, text and events included."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import cells

from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.local_engines import open_local
from cornucopia.inference.spec import EngineSpec
from cornucopia.inference.transformers_engine import TransformersEngine
from cornucopia.records.schema import Record


def main() -> None:
    """Time the cells by the setting: '' (float32), int8, or how many adapters the rows are dealt to."""
    spec = cells.read_spec()
    setting = spec["setting"]
    adapters = spec["adapters"] if setting.isdigit() else [None]
    bits = {"bits": 8} if setting == "int8" else {}
    shared = {"base": spec["model"], "dtype": "float32", "device": "cpu", "template": "fin_template", **bits}
    engines = open_local([EngineSpec.build({**shared, "adapter": adapter}) for adapter in adapters])
    for engine in engines:
        never_ends(engine)
        if (kind := engine.batch_kind(engine._settled(Sampling())))[0] != "slots":
            raise RuntimeError(f"{kind}: {engine.shared.slow}")
    used = engines[: int(setting)] if setting.isdigit() else engines
    live = engines[0].live()  # one for all cells, as a server has

    def answer(prompts: Sequence[list[int]], new: int) -> tuple[list[float], list[int]]:
        firsts: dict[str, float] = {}
        counts = dict.fromkeys(map(str, range(len(prompts))), 0)
        for (number, prompt), engine in zip(enumerate(prompts), cycle(used), strict=False):
            request = Request(str(number), Record(), tuple(prompt))
            live.submit(request, Sampling(max_new_tokens=new, do_sample=False), engine=engine)
        while live.busy:
            for event in live.step():
                firsts.setdefault(event.id, time.perf_counter())
                counts[event.id] += len(event.tokens)
        return list(firsts.values()), list(counts.values())

    cells.measure(spec, answer, ("torch", "transformers", *(["bitsandbytes"] if bits else [])))


def never_ends(engine: TransformersEngine) -> None:
    """Let no token and no text end an answer."""
    settled = engine._settled

    def endless(sampling: Sampling) -> Any:
        return replace(settled(sampling), eos=frozenset(), stop=())

    engine._settled = endless  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
