"""What stands in a tool call, between its marks: JSON, a name and JSON, tags, pairs, Python.

Each body reads at a place in a text and gives the calls and where they end, or None: it never raises, and takes only
what is complete.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Schemas = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Found:
    """A call: the tool's name, its arguments as JSON text of an object, its id or ''."""

    name: str
    arguments: str
    id: str = ""


Body = Callable[[str, int, Schemas], "tuple[list[Found], int] | None"]

_NAME = r"[\w.\-/]{1,128}"
_FUNCTION = re.compile(rf"<function=({_NAME})>\s*")
_PARAMETER = re.compile(rf"<parameter=({_NAME})>\n?(.*?)\n?</parameter>\s*", re.DOTALL)
_PAIRED = re.compile(rf"({_NAME})\s*(?=<arg_key>|</tool_call>)")
_PAIR = re.compile(r"<arg_key>([^<]{1,200})</arg_key>\s*<arg_value>(.*?)</arg_value>\s*", re.DOTALL)
# DeepSeek: [function<sep>]name; Kimi: functions.name:0; Mistral: name[CALL_ID]id[ARGS]; GLM-4, Hunyuan: name\n
_HEAD = re.compile(
    rf"(?:function<｜tool▁sep｜>)?(?:functions\.)?({_NAME})(:\d+)?"
    r"(?:\[CALL_ID\](\w{1,64}))?(?:\[ARGS\]|<｜tool▁sep｜>|<\|tool_call_argument_begin\|>|[ \t]*\n)?\s*(```json\s*)?"
)
_FENCE = re.compile(r"\s*```")
_PYTHON = re.compile(r"```python\s*")
_CALLED = re.compile(rf"\s*{_NAME}\(|\s*\[")
_MOST_PYTHON = 4000  # characters; Python's parser is slow on nonsense


def json_call(text: str, at: int, schemas: Schemas) -> tuple[list[Found], int] | None:
    """{"name": ..., "arguments" or "parameters": {...}}; InternLM, Hermes, LLaMA-3, Qwen."""
    value, end = _json(text, at)
    one = _call(value)
    return ([one], end) if one else None


def json_list(text: str, at: int, schemas: Schemas) -> tuple[list[Found], int] | None:
    """[{"name": ..., "arguments": {...}, "id": ...}, ...]; Mistral, Granite, Phi-4-mini."""
    value, end = _json(text, at)
    if not isinstance(value, list) or not value:
        return None
    calls = [one for item in value if (one := _call(item))]
    return (calls, end) if len(calls) == len(value) else None


def named_json(text: str, at: int, schemas: Schemas) -> tuple[list[Found], int] | None:
    """A name, then its arguments as JSON, perhaps between ```json fences."""
    head = _HEAD.match(text, at)
    if head is None:
        return None
    value, end = _json(text, head.end())
    arguments = _object_text(value)
    if arguments is None:
        return None
    if head[4]:
        fence = _FENCE.match(text, end)
        if fence is None:
            return None
        end = fence.end()
    return [Found(head[1], arguments, head[3] or "")], end


def function_tags(text: str, at: int, schemas: Schemas) -> tuple[list[Found], int] | None:
    """<function=name> <parameter=key> value </parameter> ... </function>; Qwen3-Coder, Seed-OSS."""
    head = _FUNCTION.match(text, at)
    if head is None:
        return None
    given, at = _pairs(_PARAMETER, text, head.end())
    if not text.startswith("</function>", at):
        return None
    return _made(head[1], given, schemas, at + len("</function>"))


def argument_pairs(text: str, at: int, schemas: Schemas) -> tuple[list[Found], int] | None:
    """name <arg_key>key</arg_key> <arg_value>value</arg_value> ...; GLM-4.5."""
    head = _PAIRED.match(text, at)
    if head is None:
        return None
    given, at = _pairs(_PAIR, text, head.end())
    return _made(head[1], given, schemas, at)


def python_calls(text: str, at: int, schemas: Schemas) -> tuple[list[Found], int] | None:
    """name(key=value, ...), several in a list or one after another, perhaps between ```python fences; MiniCPM, LFM2."""
    fence = _PYTHON.match(text, at)
    begin = fence.end() if fence else at
    if not _CALLED.match(text, begin):
        return None
    marks = ("```",) if fence else ("</tool_call>", "<|tool_call_end|>")
    ends = [place for mark in marks if (place := text.find(mark, begin)) >= 0]
    end = min(ends, default=len(text))
    if end - begin > _MOST_PYTHON or (fence and not text.startswith("```", end)):
        return None
    found = _python(text[begin:end].strip())
    return (found, end + 3 if fence else end) if found else None


def _python(source: str) -> list[Found]:
    """The calls of which a piece of Python consists, or none."""
    try:
        with warnings.catch_warnings(action="ignore"):  # Python's parser warns of odd code
            body = ast.parse(source).body
        parts = [statement.value if isinstance(statement, ast.Expr) else None for statement in body]
        nodes = [one for part in parts for one in (part.elts if isinstance(part, ast.List) else [part])]
        calls = [_called(node) for node in nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return []
    found = [one for one in calls if one]
    return found if len(found) == len(calls) else []


def _called(node: ast.expr | None) -> Found | None:
    """
    Raises:
        ValueError: an argument that is no plain value.
    """
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        return None
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
    arguments = None if None in given else _object_text(given)
    return Found(node.func.id, arguments) if arguments is not None else None


def _call(value: Any) -> Found | None:
    if not isinstance(value, dict):
        return None
    name, given = value.get("name"), value.get("arguments", value.get("parameters"))
    if isinstance(given, str):
        given = _json(given, 0)[0]
    arguments = _object_text(given)
    if not isinstance(name, str) or not re.fullmatch(_NAME, name) or arguments is None:
        return None
    known = value.get("id")
    return Found(name, arguments, known if isinstance(known, str) and re.fullmatch(r"[\w\-]{1,64}", known) else "")


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _json(text: str, at: int) -> tuple[Any, int]:
    """(the JSON value that begins at a place, where it ends); (None, at) when there is none."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at


def _object_text(value: Any) -> str | None:
    """An object as JSON text; None of anything else, and of what has no such text (NaN, half a character)."""
    if not isinstance(value, dict):
        return None
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return text


def _pairs(pattern: re.Pattern[str], text: str, at: int) -> tuple[dict[str, str], int]:
    given: dict[str, str] = {}
    while pair := pattern.match(text, at):
        given[pair[1]], at = pair[2], pair.end()
    return given, at


def _made(name: str, given: Mapping[str, str], schemas: Schemas, end: int) -> tuple[list[Found], int] | None:
    """A call whose values stand as text: JSON where the tool's schema does not say text."""
    known = schemas.get(name, {})
    arguments = _object_text({key: _value(text, known.get(key)) for key, text in given.items()})
    return ([Found(name, arguments)], end) if arguments is not None else None


def _value(text: str, schema: Any) -> Any:
    if isinstance(schema, Mapping) and schema.get("type") == "string":
        return text
    value, end = _json(text.strip(), 0)
    return value if end == len(text.strip()) and (value is not None or text.strip() == "null") else text
