"""One step of the data factory: records in, records and dropped records out, with a reason for each.

A stage sees one shard (a list of records) at a time and is a pure function of it, so shards can be worked on by any
number of processes or machines and in any order, and a run that was killed goes on with the shards that are missing. A
stage that must know all records (duplicates, selection, mixing) sets `surveys`: what it must know of each shard is
gathered first, in parallel; `decide` sees all of that at once; then `apply` works shard by shard again.
Knows nothing of files, processes or recipes: that is `factory/`'s.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from cornucopia.core.config import Config
from cornucopia.core.jsonl import write_jsonl
from cornucopia.records.lines import Lines
from cornucopia.records.schema import Record

Survey = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Dropped:
    """A record that a stage took out.

    Args:
        record: as it came in.
        rule: short stable name of the rule (`exact`, `too_short` ...), by which reasons are counted.
        detail: what was found, in Chinese, for the report; '' if the rule says all.
    """

    record: Record
    rule: str
    detail: str = ""


@dataclass
class Outcome:
    """What a stage made of one shard.

    Args:
        kept: in the shard's order; a stage may change, split or add records.
        dropped: those taken out.
        counts: how often each rule changed a record (dropping ones are counted from `dropped`).
        examples: (rule, before, after) of a few changes, for the report.
    """

    kept: list[Record] | Lines = field(default_factory=list[Record])
    dropped: list[Dropped] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Context:
    """Where a stage works.

    Args:
        folder: the stage's own folder: `decide` writes there and `apply` reads there; kept between runs.
        shard: number of the shard, from 0.
        seed: of the run; anything drawn by chance depends on it and on the record, never on the order of work.
    """

    folder: Path
    shard: int = 0
    seed: int = 42

    @property
    def report(self) -> Path:
        """Files put here by `finish` are given to the user beside the output."""
        return self.folder / "report"

    def keep(self, name: str, rows: Sequence[Any]) -> None:
        """Write rows of this shard to its own file in `folder / name`, for `finish`; no file where there are none.

        A shard that is done again leaves what it leaves now, not what it left before.
        """
        part = self.folder / name / f"{self.shard:06}.jsonl"
        part.unlink(missing_ok=True)
        if rows:
            part.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(part, rows)


class Stage(ABC):
    """One step.

    Class attributes: `name` as in recipes and commands; `summary`, one Chinese sentence for help and report;
    `settings`, its Config, every field with its default (`cornucopia data NAME` takes the same ones); `surveys`,
    whether it must know all records first; `local`, True where it must run in the main process (it asks a model);
    `takes_rows`, True where `apply` only takes rows out: it may be given `lines.Lines`, which are dear to walk over;
    `version`, counted up when the same input would give another output.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    settings: ClassVar[type[Config]]
    surveys: ClassVar[bool] = False
    local: ClassVar[bool] = False
    takes_rows: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def __init__(self, config: Any) -> None:
        self.config = config

    def inputs(self) -> list[Path]:
        """Files other than the records that the result depends on: their contents belong to the resume key."""
        return []

    def survey(self, records: Sequence[Record], context: Context) -> Survey:
        """What the whole must know of one shard: arrays with one row a record, or of any length."""
        raise NotImplementedError

    def decide(self, surveys: Sequence[Path], context: Context) -> None:
        """Write to `context.folder` what `apply` needs.

        Args:
            surveys: an .npz file a shard, in the order of the shards; opened one at a time, memory stays bounded.
            context: its `shard` means nothing here.
        """
        raise NotImplementedError

    @abstractmethod
    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """Work on one shard."""

    def finish(self, context: Context) -> None:
        """Once all shards are done: write to `context.report` what the user should read. May run twice.

        Args:
            context: its `shard` means nothing here.
        """
        return None
