"""Reinforcement with rewards that can be checked: the model answers each question several times, and what is better
than its group becomes likelier (GRPO, RLOO).

Rollouts come from the model itself right before each update, seeded by run, step and place: a run that was broken off
draws the same answers again. An update is made once of each rollout.

Shapes: S sequences (one for each turn of an answer that the model wrote), T tokens of the longest, K written ones.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cornucopia.core.console import say
from cornucopia.core.errors import DataError, UsageError
from cornucopia.records.episode import Episode
from cornucopia.records.schema import Record
from cornucopia.tokens.render import IGNORE, Example, encode_prompt
from cornucopia.training.data.mixture import mix
from cornucopia.training.objectives.next_token import NextToken
from cornucopia.training.objectives.policy_loss import clipped, distance, flat_groups, group_relative, leave_one_out
from cornucopia.training.objectives.reinforce_settings import ReinforceSettings
from cornucopia.training.objectives.rollout_batch import log_probabilities, rollout_batch
from cornucopia.training.rewards import REWARDS
from cornucopia.training.rewards.reward import Judged, checkable, judge, weights

if TYPE_CHECKING:
    import torch


@dataclass
class _Told:
    """What is told of the answers since the last time."""

    sums: Counter[str]
    answers: int = 0
    groups: int = 0


class Reinforcement(NextToken):
    """What GRPO and RLOO have in common.

    Args:
        recipe, template, tokenizer: see `NextToken`.

    Raises:
        ConfigError: a reward that is not there.
    """

    Settings = ReinforceSettings
    rows = "reinforce"
    reasons = False
    packs = False
    samples = True
    recipe: Any
    reference: Callable[[], AbstractContextManager[None]]
    open_rollouts: Callable[..., Any] | None = None

    def __init__(self, recipe: Any, template: Any, tokenizer: Any) -> None:
        super().__init__(recipe, template, tokenizer)
        self.refers = recipe.kl_beta > 0
        self._weights = weights(recipe.rewards, REWARDS)
        self._records: dict[tuple[int, ...], Record] = {}
        self._told = _Told(Counter())

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """(N,) of N rewards, the answers of a question one after another."""
        raise NotImplementedError

    def shares(self, episodes: Sequence[Episode]) -> list[float]:
        """The weight of each token of an episode."""
        raise NotImplementedError

    def counted(self, episodes: Sequence[Episode]) -> float:
        """What the loss of these episodes is divided by."""
        raise NotImplementedError

    def losses(self, logps: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """(S, K) of log-probabilities (S, K); 0 where nothing was written."""
        raise NotImplementedError

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """The question of each record in tokens, none of them learnt; an error where nothing of it can be judged."""
        for record in records:
            try:
                yield [self._question(record)]
            except DataError as error:
                yield error

    def begin(self, model: Any) -> None:
        """
        Raises:
            UsageError: nothing was handed in that could answer.
        """
        if self.open_rollouts is None:
            raise UsageError("强化训练要让模型现场作答", fix="用 cornucopia train 或 cornucopia.train 来跑")
        recipe = self.recipe
        self._rollouts = self.open_rollouts(
            model, self.tokenizer, self.template, max_new_tokens=recipe.max_new_tokens,
            temperature=recipe.rollout_temperature, rounds=recipe.tool_rounds if self.template.calls(Record()) else 0,
        )  # fmt: skip
        say(
            f"每次前向 {recipe.micro} 题 × {recipe.group_size} 次作答；"
            "上面的内存估计只算了题目，放不下就减小 micro_batch_size"
        )

    def sampled(self, model: Any, batches: Sequence[dict[str, Any]], step: int) -> list[dict[str, Any]]:
        """The batches of an update with what the model answers, judged; each to be learnt once."""
        made, place = [], 0
        for batch in batches:
            records = self._asked(batch)
            seeds = [self._seed(step, place + at, turn) for at in range(len(records)) for turn in self._turns()]
            place += len(records)
            rows = [record for record in records for _ in self._turns()]
            episodes = self._rollouts.sample([_bare(record) for record in rows], seeds)
            made.append(self._judged(model, rows, episodes))
        return made

    def told(self) -> dict[str, float]:
        """Means over the answers since the last time: reward, each reward, length; and the share of groups in which
        all answers were worth the same."""
        told, self._told = self._told, _Told(Counter())
        means = {f"rollout_{name}": value / max(told.answers, 1) for name, value in told.sums.items() if name != "flat"}
        return {name: round(value, 6) for name, value in means.items()} | (
            {"rollout_flat_groups": round(told.sums["flat"] / told.groups, 6)} if told.groups else {}
        )

    def items(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """What the loss is divided by; see `counted`."""
        return batch["counted"]

    def loss(self, model: Any, batch: dict[str, torch.Tensor], items: Any) -> torch.Tensor:
        """The objective's, and the distance from the start where that is held."""
        logps = self._logps(model, batch)
        losses = self.losses(logps, batch)
        if "start" in batch:
            losses = losses + self.recipe.kl_beta * distance(logps, batch["start"])
        return (losses * batch["weights"]).sum() / items

    def sums(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """What greedy answers to the questions of a validation batch are worth."""
        import torch

        records = self._asked(batch)
        episodes = self._rollouts.sample([_bare(record) for record in records], [0] * len(records), greedy=True)
        scores = [self._worth(*pair).score for pair in zip(records, episodes, strict=True)]
        device = batch["input_ids"].device
        return {"reward": torch.tensor(sum(scores), device=device), "items": torch.tensor(len(scores), device=device)}

    def metrics(self, sums: dict[str, float]) -> dict[str, float]:
        """The mean reward; the loss is by how much it falls short of 1."""
        mean = sums["reward"] / max(sums["items"], 1)
        return {"loss": 1 - mean, "reward": mean}

    def _question(self, record: Record) -> Example:
        if not checkable(record, self._weights, REWARDS, self.recipe):
            idle = "、".join(name for name in self._weights if not REWARDS[name].always)
            raise DataError(
                f"没有可核对的东西：奖励 {idle} 对这一行用不上", where=record.origin,
                fix="计算题要有 calculator 和 inputs，或换成 numbers（按参考答案）、material（按材料）",
            )  # fmt: skip
        ids = encode_prompt(_bare(record), self.template, self.tokenizer, self.recipe.cutoff_len)
        self._records[tuple(ids)] = record
        return Example(ids, [IGNORE] * len(ids), "", record.origin)

    def _asked(self, batch: dict[str, Any]) -> list[Record]:
        """The records of a batch's questions; read again where their tokens were kept from an earlier run."""
        rows = zip(batch["input_ids"], batch["attention_mask"], strict=True)
        keys = [tuple(ids[mask.bool()].tolist()) for ids, mask in rows]
        if any(key not in self._records for key in keys):
            for part in mix(self.recipe, self.rows).parts:
                for _ in self.examples([record for _, record in part.records()]):
                    pass
        return [self._records[key] for key in keys]

    def _turns(self) -> range:
        return range(self.recipe.group_size)

    def _seed(self, step: int, place: int, turn: int) -> int:
        digest = hashlib.sha256(repr((self.recipe.seed, step, place, turn)).encode()).digest()
        return int.from_bytes(digest[:6], "big")

    def _worth(self, record: Record, episode: Episode) -> Judged:
        return judge(record, episode, self._weights, REWARDS, self.recipe)

    def _judged(self, model: Any, rows: Sequence[Record], episodes: Sequence[Episode]) -> dict[str, Any]:
        """A batch of what was written, with what it is worth."""
        import torch

        size = self.recipe.group_size
        judged = [self._worth(*pair) for pair in zip(rows, episodes, strict=True)]
        rewards = self._penalised(model, torch.tensor([one.score for one in judged]), episodes)
        flat = flat_groups(rewards, size).repeat_interleave(size)
        self._tell(judged, episodes, flat)
        advantages = self.advantages(rewards)
        learnt = [one for one, dull in zip(episodes, flat.tolist(), strict=True) if not dull]
        kept = [place for place, dull in enumerate(flat.tolist()) if not dull or self.refers]
        chosen = [episodes[place] for place in kept]
        batch = rollout_batch(chosen, advantages[kept].tolist(), self.shares(chosen))
        batch["counted"] = torch.tensor(self.counted(learnt if self.recipe.skip_flat_groups else episodes))
        if self.refers and not self.penalises:
            with torch.no_grad(), self.reference():
                batch["start"] = self._logps(model, batch)
        return batch

    penalises = False

    def _penalised(self, model: Any, rewards: torch.Tensor, episodes: Sequence[Episode]) -> torch.Tensor:
        """The rewards less the distance from the start, where that is a part of the reward."""
        return rewards

    def _logps(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return log_probabilities(model, batch, self.recipe.rollout_temperature)

    def _tell(self, judged: Sequence[Judged], episodes: Sequence[Episode], flat: torch.Tensor) -> None:
        told = self._told
        for one, episode in zip(judged, episodes, strict=True):
            told.sums.update({name: verdict.score for name, verdict in one.verdicts.items()})
            told.sums.update({"reward": one.score, "tokens": episode.tokens, "cut": episode.finish == "length"})
        told.answers += len(episodes)
        told.groups += len(episodes) // self.recipe.group_size
        told.sums["flat"] += int(flat.sum()) // self.recipe.group_size


def _bare(record: Record) -> Record:
    """The conversation up to its last question: how it went on is the model's to say."""
    last = max((place for place, turn in enumerate(record.messages) if turn.role == "user"), default=-1)
    return record.changed(messages=record.messages[: last + 1])


class Grpo(Reinforcement):
    """Shao et al. 2024, arXiv:2402.03300; averaged over tokens as DAPO does (Yu et al. 2025, arXiv:2503.14476)."""

    about = "强化：组内比较（GRPO，可用 DAPO 的各项）"

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """See `group_relative`."""
        return group_relative(rewards, self.recipe.group_size, scaled=self.recipe.scale_rewards)

    def shares(self, episodes: Sequence[Episode]) -> list[float]:
        """1 a token, or 1 an answer."""
        return [1 / max(one.tokens, 1) if self.recipe.loss_per == "answer" else 1.0 for one in episodes]

    def counted(self, episodes: Sequence[Episode]) -> float:
        """Tokens, answers, or the most tokens that all the answers could have."""
        if self.recipe.loss_per == "token":
            return float(sum(one.tokens for one in episodes))
        return float(len(episodes)) * (self.recipe.max_new_tokens if self.recipe.loss_per == "limit" else 1)

    def losses(self, logps: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Clipped token by token."""
        before = batch.get("before", logps.detach())
        return clipped(logps, before, batch["advantages"], self.recipe.clip_low, self.recipe.clip_high)


class Rloo(Reinforcement):
    """Ahmadian et al. 2024, arXiv:2402.14740: a whole answer is one action; its distance from the start is a part of
    its reward."""

    about = "强化：与组内其他回答的平均比（RLOO）"
    penalises = True

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """See `leave_one_out`."""
        return leave_one_out(rewards, self.recipe.group_size)

    def shares(self, episodes: Sequence[Episode]) -> list[float]:
        """1 a token: the log-probability of an answer is their sum."""
        return [1.0] * len(episodes)

    def counted(self, episodes: Sequence[Episode]) -> float:
        """Answers."""
        return float(len(episodes))

    def losses(self, logps: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Clipped by whole sequences; the loss of one stands at its last token, which every sequence has."""
        import torch

        written = (batch["weights"] > 0).float()
        own = (logps * written).sum(1)
        before = (batch.get("before", logps.detach()) * written).sum(1)
        whole = clipped(own, before, batch["advantages"][:, 0], self.recipe.clip_low, self.recipe.clip_high)
        return torch.cat([torch.zeros_like(logps[:, :-1]), whole[:, None]], 1)

    def _penalised(self, model: Any, rewards: torch.Tensor, episodes: Sequence[Episode]) -> torch.Tensor:
        """Less beta times log p / p' of the answer."""
        import torch

        if not self.refers:
            return rewards
        batch = rollout_batch(episodes, [0.0] * len(episodes), [1.0] * len(episodes))
        with torch.no_grad():
            own = self._logps(model, batch)
            with self.reference():
                start = self._logps(model, batch)
        apart = ((own - start) * batch["weights"].to(own.device)).sum(1).cpu()
        owners = torch.tensor([place for place, one in enumerate(episodes) for _ in one.turns], dtype=torch.long)
        far = torch.zeros(len(episodes)).index_add(0, owners, apart[: len(owners)])
        return rewards - self.recipe.kl_beta * far
