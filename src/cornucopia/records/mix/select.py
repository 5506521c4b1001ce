"""Stage `select`: the best and the most different records that a budget has room for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, DataError, nearest
from cornucopia.core.jsonl import write_text
from cornucopia.records.mix.clusters import Clusters
from cornucopia.records.mix.groups import Groups, Numbers, chance, group_survey
from cornucopia.records.mix.mix import size_of
from cornucopia.records.mix.shares import Pool, allot, whole_units
from cornucopia.records.mix.vectors import vectors
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage, Survey

SCORES = "scores"
_TABLE = "select.csv"
_LEAST = 1e-6  # of a score: a record without any worth is still better than none


class SelectConfig(Config):
    """`cornucopia data select`"""

    budget: int = option(..., "一共留多少（条、字或词元，见 unit）", gt=0)
    unit: Literal["records", "characters", "tokens"] = option(
        "records", "预算按什么算；tokens 要先有 perplexity 一步记下的词元数"
    )
    score: str = option("quality", "按哪个分数选：score、perplexity 等步骤记在 scores 里的名字；没有这个分数的按 1 算")
    reverse: bool = option(False, "分数越低越好（如 perplexity）")
    diversity: float = option(1.0, "同一簇里第 n 条的价值是 分数 / n^diversity：0 只看分数，越大越要不同", ge=0, le=8)
    similarity: float = option(0.6, "多像算同一簇：字符三元组向量的余弦，起始值；簇太多时自动放宽", gt=0, le=1)
    clusters: int = option(4096, "最多多少簇", gt=0)
    quotas: Numbers = option({}, "领域: 占预算的份额；没写的领域按现有条数分剩下的；命令行写 保险=0.5,基金=0.2")

    @model_validator(mode="after")
    def _sound(self) -> SelectConfig:
        if any(not 0 <= share <= 1 for share in self.quotas.values()) or sum(self.quotas.values()) > 1 + 1e-9:
            raise ValueError("quotas 应在 0 到 1 之间，合计不超过 1")
        return self


class Select(Stage):
    """Greedy maximum of the sum over clusters of a concave function of what is taken from each."""

    name = "select"
    summary = "选优：按分数和多样性留到预算为止，可给各领域定份额；近似的一大片不会占满预算"
    settings = SelectConfig
    surveys = True

    config: SelectConfig

    def survey(self, records: Sequence[Record], context: Context) -> Survey:
        found = group_survey(records, "domain")
        found["score"] = np.array([self._score(record) for record in records], np.float32)
        found["size"] = np.array([self._size(record) for record in records], np.int64)
        found["hash"] = np.array([chance(record, context.seed) for record in records], np.uint64)
        return found | {"vector": vectors(records)}

    def _score(self, record: Record) -> float:
        scores = record.extra.get(SCORES)
        value = scores.get(self.config.score) if isinstance(scores, dict) else None
        usable = isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value)
        return float(value) if usable and value is not None else np.nan

    def _size(self, record: Record) -> int:
        if self.config.unit == "records":
            return 1
        if self.config.unit == "characters":
            return size_of(record)
        tokens = record.extra.get("tokens")
        if not isinstance(tokens, int):
            fix = "先做 perplexity 一步，或改用 unit: characters"
            raise DataError("这一条没有词元数", where=record.origin or record.id, fix=fix)
        return tokens

    def decide(self, surveys: Sequence[Path], context: Context) -> None:
        groups, clusters = Groups(surveys), Clusters(self.config.clusters, self.config.similarity)
        columns: dict[str, list[NDArray[np.generic]]] = {name: [] for name in ("group", "score", "size", "hash", "in")}
        for group, survey in groups:
            columns["group"].append(group)
            columns["in"].append(clusters.add(survey["vector"]))
            for name in ("score", "size", "hash"):
                columns[name].append(survey[name])
        lengths = [len(part) for part in columns["group"]]
        whole = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in columns.items()}
        whole["in"] = clusters.final(whole["in"].astype(np.int64))
        kept = self._chosen(whole, groups.names)
        bounds = np.cumsum([0, *lengths])
        for number in range(len(lengths)):
            np.save(_decision(context, number), kept[bounds[number] : bounds[number + 1]])
        write_text(context.folder / _TABLE, _table(groups.names, whole, kept, self.config.unit))

    def _chosen(self, whole: dict[str, NDArray[np.generic]], names: Sequence[str]) -> NDArray[np.bool_]:
        for name in self.config.quotas:
            if name not in names:
                close = nearest(name, names)
                fix = f"最接近的是 {close}" if close else "有：" + "、".join(names)
                raise ConfigError("quotas 里的领域不在数据里", where="select", found=name, fix=fix)
        group, size = whole["group"].astype(np.int64), whole["size"].astype(np.int64)
        totals = np.bincount(group, size, len(names))
        pools = [Pool(t, 1.0, self.config.quotas.get(n), t) for n, t in zip(names, totals, strict=True)]
        enough = size.sum() <= self.config.budget and not self.config.quotas
        rooms = list(totals) if enough else whole_units(allot(pools, total=float(self.config.budget)))
        worth = _worth(whole["score"].astype(np.float64), self.config.reverse)
        value = worth / _ranks(whole["in"], worth, whole["hash"]) ** self.config.diversity
        order = np.lexsort((whole["hash"], -value))
        kept = np.zeros(len(group), bool)
        for number in range(len(names)):
            mine = order[group[order] == number]
            kept[mine[_that_fit(size[mine], rooms[number])]] = True
        return kept

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        outcome = Outcome()
        for record, kept in zip(records, np.load(_decision(context, context.shard)), strict=True):
            if kept:
                outcome.kept.append(record)
            else:
                outcome.dropped.append(Dropped(record, "over_budget"))
        return outcome

    def finish(self, context: Context) -> None:
        write_text(context.report / _TABLE, (context.folder / _TABLE).read_text("utf-8"))


def _decision(context: Context, shard: int) -> Path:
    return context.folder / f"select-{shard:05}.npy"


def _worth(score: NDArray[np.float64], reverse: bool) -> NDArray[np.float64]:
    """Scores as worths above 0, more being better; where lower is better, by rank. A record without a score is worth 1
    (where lower is better: the middle).
    """
    missing = np.isnan(score)
    if not reverse:
        return np.maximum(np.where(missing, 1.0, score), _LEAST)
    rank = np.empty(len(score))
    rank[np.argsort(np.where(missing, np.inf, score), kind="stable")] = np.arange(len(score))
    known = max(1, int((~missing).sum()))
    return np.maximum(np.where(missing, 0.5, 1 - rank / known), _LEAST)


def _ranks(
    cluster: NDArray[np.generic], worth: NDArray[np.float64], hashes: NDArray[np.generic]
) -> NDArray[np.float64]:
    """The place of each record in its cluster, from 1, the worthiest first."""
    order = np.lexsort((hashes, -worth, cluster))
    ordered = cluster[order]
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(order) else order
    place = np.arange(len(order)) - np.repeat(first, np.diff([*first, len(order)]))
    ranks = np.empty(len(order))
    ranks[order] = place + 1
    return ranks


def _that_fit(size: NDArray[np.int64], room: float) -> NDArray[np.int64]:
    """Places of those that are taken, in order, as long as there is room; one that is too large is passed over."""
    if (size == 1).all():
        return np.arange(min(len(size), round(room)))
    taken, left = [], room
    for place, one in enumerate(size.tolist()):
        if one <= left:
            taken.append(place)
            left -= one
    return np.array(taken, np.int64)


def _table(names: list[str], whole: dict[str, NDArray[np.generic]], kept: NDArray[np.bool_], unit: str) -> str:
    """CSV: of each domain what there was and what was kept."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    what = {"records": "条", "characters": "字", "tokens": "词元"}[unit]
    table.writerow(["领域", "现有（条）", "留下（条）", f"现有（{what}）", f"留下（{what}）", "现有簇", "留下簇"])
    for number, name in enumerate(names):
        inside = whole["group"] == number
        both = inside & kept
        size, cluster = whole["size"].astype(np.int64), whole["in"]
        counts = [int(inside.sum()), int(both.sum()), int(size[inside].sum()), int(size[both].sum())]
        table.writerow([name, *counts, len(np.unique(cluster[inside])), len(np.unique(cluster[both]))])
    return out.getvalue()
