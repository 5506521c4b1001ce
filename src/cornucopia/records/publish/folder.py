"""Records -> a folder: a file for each kind of training and part, dataset_info.json and a card; a record at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import replacing, write_json, write_text
from cornucopia.records.json_values import written
from cornucopia.records.publish.card import card
from cornucopia.records.publish.shapes import Kind, Shape, Target, Thoughts, dataset_entry, kind_of, shaped
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.stats import Stats, Tally
from cornucopia.records.write import refusal

SPLIT = "split"  # in Record.extra
_SUFFIXES: dict[Kind, str] = {"sft": "", "preference": "_dpo", "kto": "_kto", "pretrain": "_pt"}


@dataclass
class Published:
    """What was written.

    Args:
        files: name of the data set -> (file, kind, split, rows).
        refused: records that the trainer would not take.
        pictures: data sets with pictures.
        stats: of the records that were written.
    """

    files: dict[str, tuple[str, Kind, str, int]] = field(default_factory=dict)
    refused: list[Reject] = field(default_factory=list)
    pictures: set[str] = field(default_factory=set)
    stats: Stats | None = None


def publish(
    records: Iterable[Record],
    folder: Path,
    name: str,
    *,
    target: Target,
    thoughts: Thoughts = "field",
    shape: Shape = "sharegpt",
) -> Published:
    """Write the folder; files of an earlier export of the same name that this one does not make stay.

    Args:
        records: each goes to the part its `extra["split"]` names, train where it names none.
        folder: made if it is not there.
        name: of the data set, as a trainer is told it.
        target, thoughts, shape: see `shapes.shaped`.

    Raises:
        DataError: if nothing could be written.
        OSError: if the folder cannot be written.
    """
    published, tally, rows = Published(), Tally(compared=0), Counter[str]()
    with ExitStack() as stack:
        open_files: dict[str, IO[str]] = {}
        for record in records:
            try:
                made = list(shaped(record, target, thoughts, shape))
            except DataError as error:
                published.refused.append(Reject(0, refusal(error), written(record.to_dict()), record.origin))
                continue
            full = _full_name(name, kind_of(record), str(record.extra.get(SPLIT) or "train"))
            if full not in open_files:
                temporary = stack.enter_context(replacing(folder / f"{full}.jsonl"))
                open_files[full] = stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
            open_files[full].writelines(f"{written(one.row)}\n" for one in made)
            rows[full] += len(made)
            published.pictures |= {full} if "images" in made[0].row else set()
            tally.add(record)
            split = str(record.extra.get(SPLIT) or "train")
            published.files[full] = (f"{full}.jsonl", made[0].kind, split, rows[full])
        if not rows:
            found = published.refused[0].reason if published.refused else "没有记录"
            raise DataError("没有一条能导出", where=str(folder), found=found)
    published.stats = tally.stats()
    if target == "llama-factory":
        entries = {
            full: dataset_entry(kind, file, shape, images=full in published.pictures)
            for full, (file, kind, _, _) in sorted(published.files.items())
        }
        write_json(folder / "dataset_info.json", entries)
    write_text(folder / "README.md", card(name, published.files, published.stats, target, thoughts))
    return published


def _full_name(name: str, kind: Kind, split: str) -> str:
    """As dataset_info.json and `--dataset` name it: fin, fin_valid, fin_dpo, fin_dpo_test ..."""
    return f"{name}{_SUFFIXES[kind]}{'' if split == 'train' else f'_{split}'}"
