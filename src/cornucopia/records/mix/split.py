"""Stage `split`: train, valid and test, families kept whole."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from cornucopia.core.config import Config, option
from cornucopia.core.console import warn
from cornucopia.core.jsonl import write_text
from cornucopia.records.fold import mixed
from cornucopia.records.mix.families import TIES, Tie, families, family_keys, tie_hashes
from cornucopia.records.mix.groups import Groups, chance, group_survey
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Outcome, Stage, Survey

SPLIT = "split"  # in Record.extra
PARTS = ("train", "valid", "test")
_TABLE = "split.csv"


class SplitConfig(Config):
    """`cornucopia data split`"""

    valid: float = option(0.05, "验证部分的份额，0 到 1", ge=0, lt=1)
    test: float = option(0.05, "测试部分的份额，0 到 1", ge=0, lt=1)
    by: list[Tie] = option(
        ["document", "article", "of", "question"],
        f"有同样这些的记录总在同一部分，逗号分隔：{'、'.join(TIES)}；of 是同一条的不同问法",
    )
    exact: bool = option(
        False, "每个领域里的份额尽量凑准；代价是以后加数据时，边界上的少数记录会换部分。不写则加数据从不移动旧记录"
    )

    @model_validator(mode="after")
    def _leaves_some(self) -> SplitConfig:
        if self.valid + self.test >= 1:
            raise ValueError(f"valid 加 test 应小于 1，现在是 {self.valid + self.test:g}")
        return self


class Split(Stage):
    """Which part a family goes to depends on a hash of what ties it and on the seed, on nothing else."""

    name = "split"
    summary = "分训练、验证、测试：同一文档、文章、问题和不同问法总在一起，按领域均匀，加数据不打乱"
    settings = SplitConfig
    surveys = True

    config: SplitConfig

    def survey(self, records: Sequence[Record], context: Context) -> Survey:
        own = np.array([chance(record, 0) for record in records], np.uint64)
        return group_survey(records, "domain") | {"ties": tie_hashes(records, self.config.by), "own": own}

    def decide(self, surveys: Sequence[Path], context: Context) -> None:
        groups, shards = Groups(surveys), list[Survey]()
        domains = []
        for domain, survey in groups:
            domains.append(domain)
            shards.append({name: survey[name] for name in ("ties", "own")})
        ties = np.concatenate([shard["ties"] for shard in shards] or [np.zeros((0, 0), np.uint64)])
        own = np.concatenate([shard["own"] for shard in shards] or [np.zeros(0, np.uint64)])
        domain = np.concatenate(domains or [np.zeros(0, np.int32)])
        family = families(ties)
        keys = mixed(family_keys(ties, family, own) ^ mixed(np.array([context.seed], np.uint64)))
        part = self._exact(family, keys, domain) if self.config.exact else self._by_hash(keys)
        self._tell_empty(part, len(np.unique(family)))
        start = 0
        for number, shard in enumerate(shards):
            np.save(_decision(context, number), part[start : start + len(shard["own"])])
            start += len(shard["own"])
        write_text(context.folder / _TABLE, _table(groups.names, domain, family, part))

    def _tell_empty(self, part: NDArray[np.int8], count: int) -> None:
        shares = (1 - self.config.valid - self.config.test, self.config.valid, self.config.test)
        empty = [name for number, name in enumerate(PARTS) if shares[number] and number not in part]
        if empty and len(part):
            warn(
                f"split：{'、'.join(empty)} 一条也没有：{len(part):,} 条记录只连成 {count:,} 组"
                "（同一文档、文章、问题的在一起），组太少；加数据，或写 exact: true，或在 by 里少写几样"
            )

    def _by_hash(self, keys: NDArray[np.uint64]) -> NDArray[np.int8]:
        """Of each record: the hash of its family as a number from 0 to 1 against the shares."""
        at = keys.astype(np.float64) / 2.0**64
        bounds = [1 - self.config.valid - self.config.test, 1 - self.config.test]
        return np.searchsorted(bounds, at, side="right").astype(np.int8)

    def _exact(
        self, family: NDArray[np.int64], keys: NDArray[np.uint64], domain: NDArray[np.int32]
    ) -> NDArray[np.int8]:
        """As near to the shares as whole families allow in every domain; in the order of the families' hashes."""
        heads, inverse, sizes = np.unique(family, return_inverse=True, return_counts=True)
        chosen = np.zeros(len(heads), np.int8)
        for number in np.unique(domain[heads]):
            inside = np.flatnonzero(domain[heads] == number)
            inside = inside[np.argsort(keys[heads[inside]], kind="stable")]
            middle = np.cumsum(sizes[inside]) - sizes[inside] / 2
            at = middle / max(1, sizes[inside].sum())
            bounds = [self.config.test, self.config.test + self.config.valid]
            chosen[inside] = 2 - np.searchsorted(bounds, at, side="right")
        return chosen[inverse.ravel()]

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        parts = np.load(_decision(context, context.shard))
        outcome = Outcome()
        for record, part in zip(records, parts, strict=True):
            name = PARTS[part]
            outcome.kept.append(replace(record, extra={**record.extra, SPLIT: name}))
            outcome.counts[name] += 1
        return outcome

    def finish(self, context: Context) -> None:
        write_text(context.report / _TABLE, (context.folder / _TABLE).read_text("utf-8"))


def _decision(context: Context, shard: int) -> Path:
    return context.folder / f"split-{shard:05}.npy"


def _table(names: list[str], domain: NDArray[np.int32], family: NDArray[np.int64], part: NDArray[np.int8]) -> str:
    """CSV: records and families of each domain in each part."""
    rows = Counter(zip(domain.tolist(), part.tolist(), strict=True))
    heads = np.unique(family)
    whole = Counter(zip(domain[heads].tolist(), part[heads].tolist(), strict=True))
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["领域", *PARTS, *(f"{name}（组）" for name in PARTS)])
    for number, name in enumerate(names):
        table.writerow([name, *(rows[number, p] for p in range(3)), *(whole[number, p] for p in range(3))])
    return out.getvalue()
