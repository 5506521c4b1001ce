"""What models must reach (`--fail-below fineval=40%`): for CI, where nobody reads the report before a release."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cornucopia.core.errors import UsageError, nearest
from cornucopia.evaluation.results import TaskResult
from cornucopia.evaluation.table import percent

_FORM = re.compile(r"(?:(?P<model>[^:=]+):)?(?P<task>[\w-]+)=(?P<value>\d+(?:\.\d+)?)(?P<percent>%?)")


@dataclass(frozen=True)
class Limit:
    """A model's least score on a task, 0 to 1."""

    model: str
    task: str
    value: float


def read_limits(texts: Sequence[str], tasks: Sequence[str], models: Sequence[str]) -> list[Limit]:
    """TASK=SCORE (every model but the first of several) or MODEL:TASK=SCORE.

    Raises:
        UsageError: another form, a task or model that is not evaluated, a score above 1.
    """
    limits = []
    for text in texts:
        found = _FORM.fullmatch(text.strip())
        if not found:
            raise UsageError("写法有误", where="--fail-below", found=text, fix="写成 fineval=40% 或 调优后:fineval=0.4")
        value = float(found["value"]) / (100 if found["percent"] else 1)
        if value > 1:
            raise UsageError("成绩应在 0 到 1 之间", where="--fail-below", found=text, fix=f"写成 {found['value']}%")
        for word, known, what in ((found["task"], tasks, "任务"), (found["model"], models, "模型")):
            if word and word not in known:
                close = nearest(word, known) or "、".join(known)
                raise UsageError(f"没有评这个{what}", where="--fail-below", found=word, fix=f"可用：{close}")
        chosen = [found["model"]] if found["model"] else models[1:] or models
        limits += [Limit(model, found["task"], value) for model in chosen]
    return limits


def shortfalls(limits: Sequence[Limit], table: Mapping[str, Mapping[str, TaskResult]]) -> list[str]:
    """A sentence for each limit that is missed; no score misses it, and a clean score counts where there is one."""
    told = []
    for limit in limits:
        result = table[limit.model][limit.task]
        score = None if result.problem else result.clean_score() or result.score()
        if score is None or score.value < limit.value:
            has = percent(score.value) if score else "没有成绩"
            told.append(f"{limit.model} 的 {limit.task} 是 {has}，至少要 {percent(limit.value)}")
    return told
