"""Records -> a file in a format other tools read: JSON, JSON Lines, CSV, TSV, Parquet or Excel by the file's name.

Each row is read back before it is written: what a format cannot hold is refused with its line, or, where the user says
so, dropped and counted; never dropped in silence. A material (Alpaca's `input`) has a place of its own in rows of
question and answer; elsewhere it follows the instruction on a new line, and `passages` beside the turns tells it from
the question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError, nearest, reason
from cornucopia.records.formats import EXTRA, is_own_key, to_record
from cornucopia.records.json_values import written
from cornucopia.records.native import MARK, native_row
from cornucopia.records.plain_rows import META
from cornucopia.records.reduce import reduced
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Record
from cornucopia.records.sinks import Sink, sink_of
from cornucopia.records.write_asked import asked, choice, text
from cornucopia.records.write_turns import kto, openai, preference, sharegpt

Writer = Callable[[Record], dict[str, Any]]

WRITERS: dict[str, Writer] = {
    "alpaca": asked("Alpaca", "instruction", "input", "output"),
    "sharegpt": sharegpt,
    "openai": openai,
    "prompt_response": asked("prompt_response", "prompt", "input", "response"),
    "query_response": asked("query_response", "query", "input", "response"),
    "question_answer": asked("question_answer", "question", "context", "answer"),
    "input_output": asked("input_output", "input", "context", "output"),
    "context_target": asked("context_target", "context", "input", "target"),
    "content_summary": asked("content_summary", "content", "input", "summary"),
    "choice": choice,
    "kto": kto,
    "preference": preference,
    "text": text,
    "record": native_row,
}
# Fields of a record that `plain_row` can write, and how many fields a turn has that says a text and no more.
_FEW, _PLAIN_TURN = {MARK, "messages", "extra", "origin", *META}, 2
_FIELDS = {
    "messages": "对话", "text": "正文", "tools": "工具", "passages": "材料", "rejected": "没选中的回答",
    "extra": "其他的键",
}  # fmt: skip


def write_records(
    path: str | Path, records: Iterable[Record], to: str, *, lost: Counter[str] | None = None
) -> list[Reject]:
    """Write records, one row each, in memory that does not grow with their number.

    Args:
        path: the file; its name says the kind: .jsonl, .json, .csv, .tsv, .parquet, .xlsx, text ones with .gz too; any
            other name is JSON Lines.
        records: in the order to be written.
        to: a format of WRITERS.
        lost: where given, what the format cannot hold is dropped and counted here by its name in Chinese.

    Returns:
        Those that the format cannot hold.

    Raises:
        DataError: if there is no such format, it does not fit the kind of file, or the file cannot be written.
    """
    if to not in WRITERS:
        fix = f"最接近的是 {nearest(to, WRITERS)}" if nearest(to, WRITERS) else "可用：" + "、".join(WRITERS)
        if to.lower() in ("csv", "tsv", "xlsx", "excel", "parquet", "json", "jsonl"):
            fix = f"文件的种类由输出文件的后缀定：--to alpaca --out 文件.{to.lower().replace('excel', 'xlsx')}"
        raise DataError("没有这种输出格式", found=to, fix=fix)
    sink, rejects = sink_of(Path(path)), list[Reject]()
    if to == "record" and sink.cells:
        raise DataError("record 格式只能写成 JSON Lines", where=str(path), fix="文件名用 .jsonl 或 .jsonl.gz")
    try:
        sink.write(_rows(records, to, sink, lost, rejects))
    except OSError as error:
        raise DataError("写不了文件", where=str(path), found=reason(error), fix="换一个 --out") from None
    return rejects


def _rows(
    records: Iterable[Record], to: str, sink: Sink, lost: Counter[str] | None, rejects: list[Reject]
) -> Iterator[dict[str, Any]]:
    for record in records:
        try:
            yield row_of(record, to, sink)
        except DataError as error:
            smaller = None if lost is None else reduced(record, lambda one: row_of(one, to, sink))
            if smaller is None or lost is None:
                rejects.append(Reject(0, refusal(error), written(record.to_dict()), record.origin))
                continue
            lost.update(smaller.lost)
            yield smaller.made


def row_of(record: Record, to: str, sink: Sink | None = None) -> dict[str, Any]:
    """The row of one record.

    Args:
        record: the record.
        to: a format of WRITERS.
        sink: the file it goes to, where that is known: a table holds text alone.

    Raises:
        DataError: if the format or the file cannot hold it.
    """
    row = WRITERS[to](record)
    if to == "record":
        return row
    cells = sink is not None and sink.cells
    row |= (_extra_cells(record) if cells else record.extra) | _provenance(record)
    if sink is not None and cells:
        row = {key: _cell(key, value) for key, value in row.items()}
        sink.check(row)
    if (to != "text" or record.text) and (cells or not _is_plain(record)):
        _check(record, row, to)
    return row


def _is_plain(record: Record) -> bool:
    """Whether nothing of the record could be taken for something else: such a row need not be read back."""
    if record.tools or record.passages or record.rejected or record.label is not None or not record.complete:
        return False
    for turn in record.messages:
        beyond = turn.reasoning or turn.tool_calls or turn.tool_call_id or turn.name or turn.images or turn.extra
        text = turn.content.strip()
        if beyond or turn.learnt is not None or not text or text[0] in "[{<" or turn.role == "tool":
            return False
    ends = not record.messages or record.messages[-1].role in ("user", "assistant")
    return (
        ends
        and record.text == record.text.strip()
        and all(value not in (None, "") and is_own_key(key) for key, value in record.extra.items())
    )


def plain_row(row: Mapping[str, Any], to: str) -> dict[str, Any] | None:
    """The row that `row_of` gives of a record of which little is to be said, at a tenth of the cost; None of others.

    Args:
        row: the record's `native_row`.
        to: a format of WRITERS.
    """
    if to != "openai" or not row.keys() <= _FEW:
        return None
    turns = row.get("messages")
    if not turns or turns[-1]["role"] not in ("user", "assistant"):
        return None
    for turn in turns:
        text = turn["content"].strip()
        if len(turn) != _PLAIN_TURN or not text or text[0] in "[{<" or turn["role"] == "tool":
            return None
    extra = row.get("extra", {})
    for key, value in extra.items():
        if value is None or value == "" or not is_own_key(key):
            return None
    return {"messages": turns} | extra | _named(row)


def refusal(error: DataError) -> str:
    """Why a format cannot hold a record."""
    return "：".join(part for part in (error.what, error.found) if part)


def _provenance(record: Record) -> dict[str, Any]:
    """An id made from the position is left out: the next reading makes its own."""
    rest = _named(record.__dict__)
    rest |= {} if record.label is None else {"label": record.label}
    return rest if record.complete else {**rest, "complete": False}


def _named(fields: Mapping[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {name: value for name in META if (value := fields.get(name))}
    if (origin := fields.get("origin")) and rest.get("id", "").split("#")[0] == origin:
        rest.pop("id", None)
    return rest


def _extra_cells(record: Record) -> dict[str, Any]:
    """Text under its own name; what a table has no type for together under one."""
    plain = {k: v for k, v in record.extra.items() if isinstance(v, str) and k == k.strip() and k.isprintable() and k}
    rest = {key: value for key, value in record.extra.items() if key not in plain}
    return plain | ({EXTRA: rest} if rest else {})


def _cell(key: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if key in ("chosen", "rejected") and isinstance(value, dict):
        value = [value]
    return written(value)


def _check(record: Record, row: dict[str, Any], to: str) -> None:
    """
    Raises:
        DataError: if the row reads as another record.
    """
    back, _ = to_record(row)
    same = replace(back, id=back.id or record.id, origin=record.origin)
    if same == record:
        return
    blanks = {key: value for key, value in record.extra.items() if value not in (None, "")}
    trimmed = {name: getattr(record, name).strip() for name in META}
    record = replace(record, extra=blanks, **trimmed)  # what reading leaves out says nothing
    changed = [name for name in Record.__dataclass_fields__ if getattr(same, name) != getattr(record, name)]
    if not changed:
        return
    if changed == ["extra"]:
        keys = same.extra.items() ^ record.extra.items() if _hashable(same, record) else record.extra
        changed = ["其他的键 " + "、".join(sorted({key if isinstance(key, str) else key[0] for key in keys}))[:60]]
    raise DataError(f"{to} 读回来会变", found="、".join(_FIELDS.get(name, name) for name in changed))


def _hashable(*records: Record) -> bool:
    return all(isinstance(value, (str, int, float)) for record in records for value in record.extra.values())
