"""One source of records: what every kind of source in `intake/` has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from cornucopia.core.config import Config, option
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record


class IntakeConfig(Config):
    """What every source may say of its records; a record that says it itself keeps its own."""

    name: str = option("", "这个来源的名字，进入每条记录的编号和报告；留空按种类和序号起名")
    domain: str = option("", "领域，如 保险、股票；记录里自己有的不改")
    licence: str = option("", "许可证，如 CC BY 4.0；记录里自己有的不改")
    as_of: str = option("", "事实核对到哪天：YYYY-MM 或 YYYY-MM-DD；记录里自己有的不改")
    weight: float = option(1.0, "混合时的权重", gt=0)
    limit: int | None = option(None, "最多取多少条", gt=0)


class Intake(ABC):
    """A kind of source.

    Class attributes: `kind` as in recipes; `summary`, one Chinese sentence; `settings`, its IntakeConfig; `version`,
    counted up when the same input would give other records.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    settings: ClassVar[type[IntakeConfig]]
    version: ClassVar[int] = 1

    def __init__(self, config: Any) -> None:
        self.config = config

    def inputs(self) -> list[Path]:
        """Files and folders that the records are made of: their contents belong to the resume key."""
        return []

    def pieces(self, size: int) -> list[Any] | None:
        """Parts of the source that `read` can read apart from one another, JSON-ready, in order.

        Args:
            size: of a part in bytes, more or less.

        Returns:
            None where `records` is the only way.
        """
        return None

    def read(self, piece: Any) -> Iterator[Record | Reject]:
        """Records of a piece, as `records` would give them; ids begin with `name:` and are unique in the source."""
        raise NotImplementedError

    @abstractmethod
    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        """All records in an order that depends on the input and the seed alone.

        Args:
            folder: the source's own folder, kept between runs (pages fetched so far ...).
            seed: of the run.
        """


def under_name(record: Record, config: IntakeConfig, place: str) -> Record:
    """The record with the id `name:place`, and what the settings say where the record does not say it itself."""
    return record.changed(
        id=f"{config.name}:{place}" if config.name else place,
        domain=record.domain or config.domain,
        licence=record.licence or config.licence,
        as_of=record.as_of or config.as_of,
    )


def signed(config: IntakeConfig, items: Iterable[Record | Reject]) -> Iterator[Record | Reject]:
    """What a source gives, with what its settings say of all its records, up to its limit.

    Args:
        config: its name comes before each id; domain, licence and date are for records that have none.
        items: records with ids that are unique within the source.
    """
    left = config.limit
    for item in items:
        if isinstance(item, Record):
            item = under_name(item, config, item.id)
            left = None if left is None else left - 1
        yield item
        if left == 0:
            return
