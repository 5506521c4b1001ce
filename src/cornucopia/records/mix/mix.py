"""Stage `mix`: how much of each group (source, domain ...) goes in, by weights, a temperature, caps and repeats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, nearest
from cornucopia.core.jsonl import write_json, write_text
from cornucopia.records.mix.groups import GroupBy, Groups, Numbers, chance, group_of, group_survey
from cornucopia.records.mix.shares import Pool, allot, whole_units
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage, Survey

_TABLE, _PLAN = "mix.csv", "mix.json"
_ALL = 2**64


class MixConfig(Config):
    """`cornucopia data mix`"""

    by: GroupBy = option("source", "按什么分组：source 配方里的来源名，或 domain、kind、licence")
    weights: Numbers = option(
        {}, "组名: 权重。占比 ∝ 权重 × 大小^(1/temperature)；不写的为 1，0 为不要；命令行写 保险=2,基金=1"
    )
    source_weights: Numbers = option({}, "配方里各来源自己写的 weight，由数据工厂填入；weights 里写了的不用它")
    shares: Numbers = option({}, "组名: 固定占比（0 到 1），如混入的通用数据 general=0.2；其余各组分剩下的")
    temperature: float = option(1.0, "1 按原来的大小，越大各组越平均", ge=1)
    unit: Literal["records", "characters"] = option("records", "大小和占比按什么算：条数或字数")
    total: int | None = option(None, "混合后一共多少（条或字）；不写则在 repeat 以内取最多", gt=0)
    caps: Numbers = option({}, "组名: 最多多少（条或字）")
    repeat: float = option(1.0, "一条最多重复用几遍；1 为不重复，2.5 为有的用两遍有的用三遍", ge=1)

    @model_validator(mode="after")
    def _sound(self) -> MixConfig:
        if any(weight < 0 for weight in self.weights.values()) or any(cap < 0 for cap in self.caps.values()):
            raise ValueError("weights 和 caps 应不小于 0")
        if any(not 0 <= share <= 1 for share in self.shares.values()) or sum(self.shares.values()) > 1:
            raise ValueError("shares 应在 0 到 1 之间，合计不超过 1")
        both = sorted(self.weights.keys() & self.shares.keys())
        if both:
            raise ValueError(f"{both[0]} 既有 weights 又有 shares，只写一个")
        return self


class Mix(Stage):
    """Takes from each group the records whose hash comes first, so that a larger share adds and never exchanges."""

    name = "mix"
    summary = "混合：按来源或领域的权重、温度、上限和重复次数取数据，可混入通用数据，结果有表"
    settings = MixConfig
    surveys = True

    config: MixConfig

    def survey(self, records: Sequence[Record], context: Context) -> Survey:
        sizes = [size_of(record) if self.config.unit == "characters" else 1 for record in records]
        hashes = np.array([chance(record, context.seed) for record in records], np.uint64)
        return group_survey(records, self.config.by) | {"size": np.array(sizes, np.int64), "hash": hashes}

    def decide(self, surveys: Sequence[Path], context: Context) -> None:
        groups, parts = Groups(surveys), list[tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.uint64]]]()
        for group, survey in groups:
            parts.append((group, survey["size"], survey["hash"]))
        group, size, hashes = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else _NOTHING
        self._check_names(groups.names)
        totals = np.bincount(group, size, len(groups.names))
        pools = [self._pool(name, total) for name, total in zip(groups.names, totals, strict=True)]
        wanted = whole_units(allot(pools, self.config.temperature, self.config.total))
        plan, rows = {}, []
        for number, (name, pool, target) in enumerate(zip(groups.names, pools, wanted, strict=True)):
            inside = group == number
            times, cutoff, taken = _cutoff(size[inside], hashes[inside], target)
            plan[name] = [times, cutoff]
            rows.append([name, int(inside.sum()), int(pool.size), pool.weight, pool.share, taken, target])
        write_json(context.folder / _PLAN, plan)
        write_text(context.folder / _TABLE, _table(rows, self.config.unit))

    def _check_names(self, names: Sequence[str]) -> None:
        for key in ("weights", "shares", "caps"):
            for name in getattr(self.config, key):
                if name not in names:
                    close = nearest(name, names)
                    fix = f"最接近的是 {close}" if close else "有：" + "、".join(names)
                    raise ConfigError(f"{key} 里的组不在数据里", where="mix", found=name, fix=fix)

    def _pool(self, name: str, size: float) -> Pool:
        cap = self.config.caps.get(name)
        most = size * self.config.repeat
        weight = self.config.weights.get(name, self.config.source_weights.get(name, 1.0))
        return Pool(size, weight, self.config.shares.get(name), most if cap is None else min(most, cap))

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        plan = json.loads((context.folder / _PLAN).read_text("utf-8"))
        outcome = Outcome()
        for record in records:
            times, cutoff = plan[group_of(record, self.config.by)]
            copies = times + (chance(record, context.seed) < cutoff)
            if not copies:
                outcome.dropped.append(Dropped(record, "over_share"))
                continue
            outcome.kept.append(record)
            for number in range(2, copies + 1):
                outcome.kept.append(replace(record, id=f"{record.id}#{number}"))
            outcome.counts["repeated"] += copies - 1
        outcome.counts += type(outcome.counts)()  # without zeros
        return outcome

    def finish(self, context: Context) -> None:
        write_text(context.report / _TABLE, (context.folder / _TABLE).read_text("utf-8"))


_NOTHING = (np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.uint64))


def size_of(record: Record) -> int:
    """Characters of the record that a model reads."""
    said = sum(len(message.content) + len(message.reasoning) for message in record.messages)
    return len(record.text) + said + sum(len(passage.text) for passage in record.passages)


def _cutoff(size: NDArray[np.int64], hashes: NDArray[np.uint64], target: float) -> tuple[int, int, int]:
    """(times every record is used, hash below which once more, units that makes): as near to the target as whole
    records come.
    """
    total = int(size.sum())
    times = int(target // total) if total else 0
    order = np.argsort(hashes, kind="stable")
    reached = np.cumsum(size[order])
    left = target - times * total
    count = int(np.searchsorted(reached - size[order] / 2, left, side="left")) if total else 0
    taken = times * total + (int(reached[count - 1]) if count else 0)
    cutoff = int(hashes[order[count]]) if count < len(order) else _ALL
    return times, cutoff if count else 0, taken


def _table(rows: list[list[object]], unit: str) -> str:
    """CSV: of each group what there is, what it is to have and what it gets."""
    what = {"records": "条", "characters": "字"}[unit]
    total = sum(int(str(row[5])) for row in rows) or 1
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["组", "现有（条）", f"现有（{what}）", "权重", "固定占比", f"取用（{what}）", "占比", "平均用几遍"])
    for name, count, size, weight, share, taken, _ in rows:
        used, held = int(str(taken)), int(str(size))
        shown = "" if share is None else share
        table.writerow([name, count, size, weight, shown, taken, f"{used / total:.2%}", f"{used / max(1, held):.2f}"])
    return out.getvalue()
