"""Answers of a model that is being trained, with the tokens it wrote: what reinforcement learns from.

The batch engine runs on the very model of the training, adapter and all; nothing is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cornucopia.finance.tools import find_tool, tools
from cornucopia.inference.request import Reply, Request, Sampling
from cornucopia.inference.scheduler import Scheduler
from cornucopia.inference.shared_model import SharedModel, cache_tokens
from cornucopia.inference.tool_loop import converse
from cornucopia.inference.transformers_engine import TransformersEngine
from cornucopia.records.episode import Episode, Turn
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.segments import Template


class Rollouts:
    """Answers questions with a model as it stands.

    Args:
        model: a Transformers model, or a PEFT model around one, on which nothing else runs meanwhile.
        tokenizer, template: how records become ids.
        max_new_tokens: of each of the model's turns.
        temperature: of sampling; nothing else shapes the distribution.
        rounds: how often the calculators may be called before the answer; 0 runs none.
    """

    def __init__(
        self, model: Any, tokenizer: Any, template: Template, *, max_new_tokens: int, temperature: float, rounds: int
    ) -> None:
        plain = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._model, self._rounds = model, rounds
        self._tools = {tool.name: find_tool(tool.name) for tool in tools()} if rounds else {}
        self._sampled = Sampling(
            max_new_tokens=max_new_tokens, do_sample=True, temperature=temperature, top_p=1.0, top_k=0,
            repetition_penalty=1.0, num_beams=1,
        )  # fmt: skip
        self._greedy = self._sampled.model_copy(update={"do_sample": False})
        shared = SharedModel(plain, fast=False)  # the decoder takes weights as they are once, and these change
        self._engine = TransformersEngine(shared, None, tokenizer, template, cache_tokens(plain), {})

    def sample(self, records: Sequence[Record], seeds: Sequence[int], *, greedy: bool = False) -> list[Episode]:
        """One episode a record, in their order.

        Args:
            records: questions; a final answer in them is not shown.
            seeds: of each; the same seed, weights and company give the same tokens.
            greedy: take the most likely token always.
        """
        requests = [Request(str(place), record.prompt()) for place, record in enumerate(records)]
        turns: list[list[Turn]] = [[] for _ in records]
        said: list[tuple[tuple[Message, ...], str]] = [((), "error") for _ in records]
        training = self._model.training
        self._model.eval()
        try:
            ended = converse(lambda asked: self._ask(asked, seeds, turns, greedy), requests, self._tools, self._rounds)
            for one in ended:
                said[int(one.request.id)] = (one.said, one.reply.finish_reason)
        finally:
            self._model.train(training)
        pairs = zip(requests, said, turns, strict=True)
        return [Episode(request.record, texts, tuple(own), end) for request, (texts, end), own in pairs]

    def _ask(
        self, requests: Sequence[Request], seeds: Sequence[int], turns: list[list[Turn]], greedy: bool
    ) -> Iterator[Reply]:
        """The replies of one round, all of them at once in a fixed order; what is written goes to `turns` too."""
        engine, sampling = self._engine, self._greedy if greedy else self._sampled
        rows, failed = engine.rows(requests, sampling)
        yield from failed
        if not rows:
            return
        line = Scheduler(engine.open_batch(engine.batch_kind(rows[0].settings)))
        for row in sorted(rows, key=lambda row: (-len(row.prompt), int(row.id))):
            row.draw_from(seeds[int(row.id)])
            line.add(row)
        while line.busy:
            for row in line.step():
                if row.finish is not None:
                    turns[int(row.id)].append(Turn(tuple(row.prompt), tuple(row.tokens)))
                    yield engine.reply(row)
