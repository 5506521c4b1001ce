"""What is still to be asked, in which groups, and what cannot be: common to all that ask many questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cornucopia.inference.engine import Engine, Limits, Request, Sampling
from cornucopia.records.schema import Record


def groups_to_ask(
    engine: Engine, requests: Sequence[Request], sampling: Sampling, done: Callable[[str], bool]
) -> list[tuple[list[Request], bool]]:
    """The requests to make, and for each group whether its answers hang together.

    A group that hangs together and lacks an answer is asked again whole, so that a resumed run computes exactly what
    an uninterrupted one does; groups of one are asked in one go.
    """
    groups = [group for group in engine.plan(requests, sampling) if any(not done(request.id) for request in group)]
    alone = [group[0] for group in groups if len(group) == 1]
    together = [(group, True) for group in groups if len(group) > 1]
    return [*together, (alone, False)] if alone else together


def unfit(record: Record, limits: Limits) -> str:
    """Why an engine cannot answer a record, or ''."""
    if record.tools and not limits.tools:
        return "这个引擎不会调用工具，而问题带着 tools"
    if any(message.images for message in record.messages) and not limits.images:
        return "这个引擎看不了图片，而问题带着图片"
    return ""
