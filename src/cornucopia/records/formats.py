"""Known shapes of a row, told by its keys, and how each becomes a Record. Knows nothing of files.

A format is one entry of FORMATS: its name, the keys that give it away, and a function that pops what it uses from the
row. What is left over is provenance (id, domain, source ...) or goes to Record.extra, so no key of the file is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cornucopia.core.errors import DataError, UsageError, nearest
from cornucopia.records.beside import pop_passages, pop_tools, with_images
from cornucopia.records.choices import has_options, is_option_key
from cornucopia.records.json_values import STRICT, decode_value
from cornucopia.records.native import MARK, is_native, native_record
from cornucopia.records.plain_rows import META, plain_record
from cornucopia.records.preference import pop_label
from cornucopia.records.schema import Message, Record
from cornucopia.records.shapes import (
    ANSWERS,
    MATERIALS,
    REFERENCES,
    Parts,
    asked_under,
    from_batch,
    from_document,
    from_pair,
    from_summary,
    turns_under,
)
from cornucopia.records.turns import REASONING, is_switch

_ROLE_NAMES = {"user": "用户", "assistant": "助手", "system": "系统", "tool": "工具"}
EXTRA = "_extra"  # column of a table that holds, as the JSON text of an object, what a table has no type for
_LONG = 30  # characters of a text that may be a document
_BESIDE = ("reasoning", "system", "history")
_ALIASES = {
    "问题": "question", "提问": "question", "答案": "answer", "回答": "answer", "标准答案": "answer",
    "参考答案": "answer", "指令": "instruction", "输入": "input", "输出": "output", "正文": "text", "文本": "text",
    "领域": "domain", "来源": "source", "completion": "response",
    "reasoning_content": "reasoning", "思考": "reasoning", "thinking": "reasoning", "thought": "reasoning",
    "题目": "question", "题干": "question", "systemprompt": "system",
    "conversation": "conversations", "license": "licence",
    "system_prompt": "system", "system_message": "system", "系统提示": "system", "系统提示词": "system",
    "response_chosen": "chosen", "chosen_response": "chosen", "chosen_answer": "chosen",
    "response_rejected": "rejected", "rejected_response": "rejected", "rejected_responses": "rejected",
    "rejected_answer": "rejected", "chosen_messages": "chosen", "rejected_messages": "rejected",
    "cot": "reasoning", "complexcot": "reasoning", "complex_cot": "reasoning",
}  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One known shape.

    Args:
        name: as shown in reports.
        keys: a row that has all of these is taken for this format (the first match in FORMATS wins).
        shape: the whole shape, for help and errors.
        convert: pops the keys it uses from the row.
        applies: what else a row must have, beyond its keys.
    """

    name: str
    keys: tuple[str, ...]
    shape: str
    convert: Callable[[dict[str, Any]], Parts]
    applies: Callable[[dict[str, Any]], bool] = lambda row: True


def detect(row: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> Format | None:
    """The format of a row, or None. `columns` maps known key -> the file's own name for it."""
    return _detect(_canonical(row, columns or {}), columns or {})


def to_record(
    row: Mapping[str, Any], columns: Mapping[str, str] | None = None, told: set[str] | None = None
) -> tuple[Record, str]:
    """Convert one row.

    Args:
        row: keys and values as read.
        columns: known key -> the file's own name for it, such as {"question": "客户提问"}.
        told: gets what the user should know of how it was read.

    Returns:
        The record (without id and origin when the row has none) and the format's name.

    Raises:
        DataError: in Chinese, saying which key is wrong and what was found.
    """
    return (None if columns else plain_record(row, is_own_key)) or any_record(row, columns, told)


def any_record(
    row: Mapping[str, Any], columns: Mapping[str, str] | None = None, told: set[str] | None = None
) -> tuple[Record, str]:
    """As `to_record`, without the short way for plain rows."""
    left = _canonical(row, columns or {})
    known = _detect(left, columns or {})
    if known is None:
        raise _unknown(row)
    if known.name == "record":
        return native_record(row), known.name
    only_says_that = "reasoning" not in (columns or {}) and is_switch(left.get("reasoning"))
    aside = {"reasoning": left.pop("reasoning", None)} if only_says_that else {}
    parts = known.convert(left)
    if told is not None:
        told |= parts.told
    left |= aside
    if parts.messages and parts.messages[-1].reasoning and parts.messages[-1].is_blank:
        left["reasoning"] = (
            left.get("reasoning") or parts.messages[-1].reasoning
        )  # the empty answer goes, its thinking stays
    if not parts.text.strip():
        parts.messages = _checked(with_images(parts.messages, left))
    _unfold(left)
    fields = _fields(left, parts, batch=known.name == "openai_batch")
    extra = {key: value for key, value in left.items() if value is not None and value != ""}
    return Record(tuple(parts.messages), parts.text, extra=extra, **fields), known.name


def _unfold(left: dict[str, Any]) -> None:
    """What a table holds under EXTRA gets its own keys again."""
    if isinstance(left.get(EXTRA), str):
        value, end = decode_value(STRICT, left[EXTRA], 0, whole=True)
        if isinstance(value, dict) and end == len(left[EXTRA]):
            del left[EXTRA]
            left |= {key: item for key, item in value.items() if left.get(key) in (None, "")}


def _fields(left: dict[str, Any], parts: Parts, *, batch: bool) -> dict[str, Any]:
    """Everything of a record but its turns, text and extra keys; popped from what is left of the row."""
    fields: dict[str, Any] = {key: str(left.pop(key)).strip() for key in META if _is_scalar(left.get(key))}
    if left.get("complete") in (False, "false", "False"):  # CSV holds it as text
        del left["complete"]
        fields["complete"] = False
    if not batch:  # there they are parameters of the request
        fields |= {"tools": pop_tools(left), "label": pop_label(left)}
    passages = parts.passages
    if parts.messages:
        passages, parts.messages = pop_passages(left, passages, parts.messages)
    return {**fields, "passages": passages, "rejected": parts.rejected, **parts.fields}


def parse_columns(words: Iterable[str]) -> dict[str, str]:
    """`["question=客户提问", "answer=答复"]` as {known key: the file's column}.

    Raises:
        UsageError: if a word has no `=` or names no known key.
    """
    columns = {}
    # A comma may stand in a column's name: only one before the next known name parts two columns.
    comma = re.compile(rf",(?=(?:{'|'.join(COLUMN_NAMES)})=)")
    for word in (part for several in words for part in comma.split(several)):
        known, equals, own = word.partition("=")
        if not equals or not own:
            example = "例如 --columns question=客户提问,answer=答复"
            raise UsageError("列名对应应写成「标准名=文件里的列名」", found=word, fix=example)
        if known not in COLUMN_NAMES:
            close = nearest(known, COLUMN_NAMES)
            fix = f"最接近的是 {close}" if close else "可用：" + "、".join(COLUMN_NAMES)
            raise UsageError("没有这个标准列名", found=known, fix=fix)
        columns[known] = own
    return columns


@lru_cache(4096)
def is_own_key(key: str) -> bool:
    """Whether a key of a row means nothing to any format, whatever stands under it, so that it goes to Record.extra."""
    name = key.strip().lower()
    told = {*_ALIASES, *_KNOWN_KEYS, *REASONING, EXTRA, MARK, "complete", "tools", "functions", "images", "image"}
    told |= {"passages", "kto_tag", "label", "body", "custom_id", "type", "instances", *REFERENCES}
    return name == key.lower() and name not in told and not is_option_key(key)


def _canonical(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """The row under known key names; a column that a mapping pushes aside is kept under another name."""
    return dict(zip(_names(tuple(row), tuple(columns.items())), row.values(), strict=True))


@lru_cache(1024)
def _names(keys: tuple[Any, ...], columns: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """The known name of each key of a row; the rows of a file mostly have the same keys."""
    own = {name: known for known, name in columns if name in keys}
    names: list[str] = []
    for key in keys:
        name = str(key).strip()
        known = _ALIASES.get(name.lower(), name.lower())
        if key in own:
            names.append(own[key])
        elif name in own.values():
            names.append(f"{name}（原列）")
        elif known in _KNOWN_KEYS and known not in keys and known not in own.values() and known not in names:
            names.append(known)
        else:
            names.append(name)
    return tuple(names)


def _detect(row: dict[str, Any], columns: Mapping[str, str]) -> Format | None:
    for known in _candidates(tuple(row), tuple(columns)):
        if all(row[key] is not None for key in known.keys) and known.applies(row):
            return None if known.name == "text" and row.get("type") == "text" else known
    return None


@lru_cache(1024)
def _candidates(keys: tuple[str, ...], mapped: tuple[str, ...]) -> tuple[Format, ...]:
    """The formats whose keys are all there, those that name a mapped column first."""
    known = [one for one in FORMATS if all(key in keys for key in one.keys)]
    return tuple(sorted(known, key=lambda one: not any(key in mapped for key in one.keys)))


def _unknown(row: Mapping[str, Any]) -> DataError:
    """Says which keys were found, which format they come nearest to, and how to name the columns."""
    guesses = {str(key): nearest(str(key).strip().lower(), _KNOWN_KEYS) for key in row}
    likely = {*guesses.values(), *guesses}
    scores = {known.name: sum(key in likely for key in known.keys) / len(known.keys) for known in FORMATS}
    best = max(FORMATS, key=lambda known: (scores[known.name], known.name == "question_answer"))
    typos = "，".join(f"{key} 像是 {guess}" for key, guess in guesses.items() if guess and guess != key)
    columns = f"--columns {','.join(f'{key}=列名' for key in best.keys)}"
    texts = [str(key) for key, value in row.items() if isinstance(value, str) and len(value) >= _LONG]
    columns += f"；{texts[0]} 是文档的，用 --columns text={texts[0]}" if len(texts) == 1 else ""
    return DataError(
        "没有认出这一行的格式",
        found=f"键是 {'、'.join(list(guesses)[:12]) or '空'}",
        fix=f"最接近的是 {best.name}：{best.shape}{f'（{typos}）' if typos else ''}；或用 {columns}",
    )


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != ""


def _checked(messages: list[Message]) -> list[Message]:
    """The turns without an empty system text and an empty last answer: how many tools write that there is none.

    Raises:
        DataError: if a turn is empty, nobody asks, or a tool or the system has the last word.
    """
    messages = [message for message in messages if message.role != "system" or not message.is_blank]
    if messages and messages[-1].role == "assistant" and messages[-1].is_blank:
        messages = messages[:-1]
    for number, message in enumerate(messages, 1):
        if message.is_blank:
            raise DataError(f"第 {number} 轮（{_ROLE_NAMES[message.role]}）是空的")
    if not any(message.role == "user" for message in messages):
        raise DataError("没有用户的提问", found=f"{len(messages)} 轮")
    if messages[-1].role not in ("user", "assistant"):
        raise DataError("对话应以用户或助手结尾", found=_ROLE_NAMES[messages[-1].role])
    return messages


_CHOICE = '{"question", "A", "B", …, "answer"} 或 {"question", "choices" / "options", "answer" / "answerKey"}'
_BATCH = '{"custom_id", "method", "url", "body": {"messages": […]}}'
_ALPACA = '{"instruction", "input", "output"[, "system", "history"]}'

FORMATS: tuple[Format, ...] = (
    Format("record", (MARK,), "数据工厂自己的格式（record），由本工具写出", from_document, is_native),
    Format("openai_batch", ("custom_id", "body"), _BATCH, from_batch),
    Format("openai", ("messages",), '{"messages": [{"role", "content"}]}', turns_under("messages")),
    Format("sharegpt", ("conversations",), '{"conversations": [{"from", "value"}]}', turns_under("conversations")),
    Format("alpaca", ("instruction",), _ALPACA, asked_under("instruction")),
    Format("prompt_response", ("prompt",), '{"prompt", "response"[, "history"]}', asked_under("prompt")),
    Format("choice", ("question",), _CHOICE, asked_under("question"), has_options),
    Format("question_answer", ("question",), '{"question", "answer"[, "context"]}', asked_under("question")),
    Format("query_response", ("query",), '{"query", "response"[, "history"]}', asked_under("query")),
    Format("content_summary", ("content", "summary"), '{"content", "summary"}', from_summary),
    Format("context_target", ("context", "target"), '{"context", "target"}', asked_under("context")),
    Format("input_output", ("input", "output"), '{"input", "output"}', asked_under("input")),
    Format("preference", ("chosen", "rejected"), '{"chosen": [轮…], "rejected": [轮…]}', from_pair),
    Format("text", ("text",), '{"text"}', from_document),
)

COLUMN_NAMES = sorted({key for known in FORMATS for key in known.keys} | {*ANSWERS, *MATERIALS, *META, *_BESIDE})
_KNOWN_KEYS = {*COLUMN_NAMES, "chosen", "rejected"}
