"""Greedy answers of a model that is in memory already, as it stands: for whoever trains it and wants to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cornucopia.inference.request import Request, Sampling
from cornucopia.inference.shared_model import SharedModel, cache_tokens
from cornucopia.inference.transformers_engine import TransformersEngine
from cornucopia.records.schema import Record
from cornucopia.tokens.segments import Template


def answers(
    model: Any, tokenizer: Any, template: Template, records: Sequence[Record], max_new_tokens: int
) -> list[str]:
    """One answer a record, in their order; '' where there is none.

    Args:
        model: a Transformers model, or a PEFT model around one, on which nothing else runs meanwhile.
        tokenizer, template: how records become ids.
        records: questions; a final answer in them is not shown.
        max_new_tokens: of each answer.
    """
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    engine = TransformersEngine(SharedModel(plain), None, tokenizer, template, cache_tokens(plain), {})
    greedy = Sampling(max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, repetition_penalty=1.0)
    requests = [Request(str(place), record.prompt()) for place, record in enumerate(records)]
    training = model.training
    model.eval()
    try:
        replies = {reply.id: reply.answer for reply in engine.generate(requests, greedy)}
    finally:
        model.train(training)
    return [replies.get(request.id, "") for request in requests]
