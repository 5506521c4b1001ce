"""The bundled seed tasks of `instruct`, or a user's file of the same shape, as records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cornucopia.core.config import read_yaml
from cornucopia.core.errors import DataError
from cornucopia.factory.write.shapes import SeedItem
from cornucopia.records.schema import Message, Passage, Record

BUNDLED = Path(__file__).with_name("seeds.yaml")


def read_seeds(path: Path = BUNDLED) -> Iterator[Record]:
    """A record a task: a YAML file of domain -> list of {kind, task, input, answer, labels}.

    Raises:
        DataError: a task of another shape, named by domain and number.
    """
    for domain, tasks in read_yaml(path).items():
        if not isinstance(tasks, list):
            raise DataError("每个领域下面应是任务的列表", where=f"{path}：{domain}", found=str(tasks)[:60])
        for number, task in enumerate(tasks, 1):
            yield _record(domain, number, task, path)


def _record(domain: str, number: int, task: Any, path: Path) -> Record:
    try:
        seed = SeedItem.model_validate(task)
    except ValidationError as error:
        wrong = "、".join(".".join(map(str, item["loc"])) or "整条" for item in error.errors())
        fix = "每条要有 kind、task、answer，可以有 input、labels"
        raise DataError("种子任务的写法不对", where=f"{path}：{domain} 第 {number} 条", found=wrong, fix=fix) from None
    turns = (Message("user", seed.task), Message("assistant", seed.answer))
    passages = (Passage(seed.input),) if seed.input else ()
    extra: dict[str, Any] = {"labels": seed.labels} if seed.labels else {}
    licence = "CC0-1.0" if path == BUNDLED else ""
    return Record(
        turns, passages=passages, id=f"seed-{domain}-{number}", domain=domain, kind=seed.kind, licence=licence,
        extra=extra,
    )  # fmt: skip
