"""Stage `reward`: a reward model's score of each answer, the answers of a record ranked by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornucopia.adapters.reward import RewardModel, open_reward
from cornucopia.core.config import option
from cornucopia.core.errors import DataError
from cornucopia.models.find import found_folders
from cornucopia.models.spec import ModelSpec
from cornucopia.records.quality.stage import with_scores
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage

_DIGITS = 4


class RewardConfig(ModelSpec):
    """`cornucopia data reward`"""

    best_first: bool = option(False, "一条有几个回答（chosen 与 rejected）的，分数最高的放在 chosen，其余放在 rejected")
    min_reward: float | None = option(None, "分数低于它的不要；不写则只记分")
    min_margin: float | None = option(None, "chosen 比最好的 rejected 高不到这么多的不要")


class RewardScore(Stage):
    """Scores with a reward model that runs here; a shard that is done is not scored again."""

    name = "reward"
    summary = "用奖励模型给回答打分，记在 scores 的 reward 里；成对的另记差距，可按分数排次序、取舍"
    settings = RewardConfig
    local = True

    config: RewardConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._model: RewardModel | None = None

    def inputs(self) -> list[Path]:
        """The model's files."""
        return found_folders(self.config.base, self.config.adapter)

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        self._model = self._model or open_reward(self.config.spec())
        outcome = Outcome()
        answered = [self._answered(record, self._model) for record in records]
        scores = iter(self._model.score([one for every in answered for one in every]))
        for record, every in zip(records, answered, strict=True):
            if not every:
                outcome.counts["unscored"] += 1
                outcome.kept.append(record)
                continue
            self._put(record, [next(scores) for _ in every], outcome)
        return outcome

    def _answered(self, record: Record, model: RewardModel) -> list[Record]:
        """The record with its answer, then with each rejected one; none where one of them cannot be scored."""
        others = [replace(record, messages=(*record.messages[:-1], *turns)) for turns in record.rejected]
        try:
            for one in (record, *others):
                model.encode(one)
        except DataError:
            return []
        return [record, *others]

    def _put(self, record: Record, scores: list[float], outcome: Outcome) -> None:
        if len(scores) > 1:
            outcome.counts["agrees" if scores[0] > max(scores[1:]) else "disagrees"] += 1
        if self.config.best_first and scores[0] < max(scores):
            record, scores = _ranked(record, scores)
            outcome.counts["reordered"] += 1
        found = {"reward": round(scores[0], _DIGITS), "reward_sigmoid": _sigmoid(scores[0])}
        if len(scores) > 1:
            found["reward_margin"] = round(scores[0] - max(scores[1:]), _DIGITS)
        marked = with_scores(record, found)
        for name, least in (("reward", self.config.min_reward), ("reward_margin", self.config.min_margin)):
            if least is not None and found.get(name, least) < least:
                outcome.dropped.append(Dropped(marked, f"min_{name.removeprefix('reward_')}", f"{found[name]:g}"))
                return
        outcome.kept.append(marked)


def _sigmoid(score: float) -> float:
    """Between 0 and 1 and in the same order, as `select` wants its scores."""
    return round(1 / (1 + math.exp(-max(min(score, 30.0), -30.0))), 6)


def _ranked(record: Record, scores: list[float]) -> tuple[Record, list[float]]:
    """The record with its answers from the best to the worst."""
    answers = [record.messages[-1:], *record.rejected]
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    first, *others = (answers[place] for place in order)
    ranked = replace(record, messages=(*record.messages[:-1], *first), rejected=tuple(others))
    return ranked, [scores[place] for place in order]
