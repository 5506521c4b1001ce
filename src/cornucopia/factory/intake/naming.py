"""Ids that no two records share, and the provenance that a recipe gives a whole source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cornucopia.factory.intake.intake import IntakeConfig, under_name
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record

SOURCE_ID = "source_id"  # in Record.extra: the id that the data itself gave


def named(items: Iterable[Record | Reject], config: IntakeConfig) -> Iterator[Record | Reject]:
    """Records under the name of their source, numbered from 1 where the source has not done that itself."""
    number, own = 0, f"{config.name}:"
    for item in items:
        if isinstance(item, Record) and not item.id.startswith(own):
            number += 1
            item = under_source(item, config, str(number))
        yield item


def under_source(record: Record, config: IntakeConfig, place: str) -> Record:
    """The record with the id `name:place`; its own id, if it is no mere position, goes to `extra`.

    Args:
        record: as the source has it.
        config: its name, and provenance for what the record does not say.
        place: line or number, of no other record of the source.
    """
    own = {} if record.id in ("", record.origin) else {SOURCE_ID: record.id}
    made = under_name(record, config, place)
    return made.changed(extra=record.extra | own) if own else made
