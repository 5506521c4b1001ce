"""Tool calls in text that a model wrote, in the shapes that chat templates teach.

What is no complete call of the shape, with an object as its arguments, stays text: nothing is guessed and nothing is
lost. Any text may be given; none raises.
"""

from __future__ import annotations

import json
import keyword
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cornucopia.records.schema import ToolCall
from cornucopia.tokens.tool_bodies import (
    Body,
    Found,
    argument_pairs,
    function_tags,
    json_call,
    json_list,
    named_json,
    python_calls,
)  # fmt: skip

LONGEST = 30_000  # characters of an answer in which calls are looked for; a longer one is a model that stutters


@dataclass(frozen=True)
class Shape:
    """One way to write calls.

    Args:
        opening: text with which a call, or a list of calls, begins.
        closing: text that ends it, or '' where nothing does.
        bodies: what may stand between, each tried in turn.
        around: text that stands before the first and after the last call and says nothing.
    """

    opening: str
    closing: str
    bodies: tuple[Body, ...]
    around: tuple[str, ...] = ()


SHAPES = (
    # Hermes, Qwen2.5 and 3, Ernie 4.5 (JSON); Qwen3-Coder (tags); GLM-4.5 (pairs); Hunyuan (a name, then JSON)
    Shape("<tool_call>", "</tool_call>", (json_call, function_tags, named_json, python_calls, argument_pairs),
          ("<tool_calls>", "</tool_calls>")),
    Shape("<seed:tool_call>", "</seed:tool_call>", (function_tags,)),  # Seed-OSS
    Shape("[TOOL_CALLS]", "", (json_list, named_json)),  # Mistral
    Shape("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", (named_json,),
          ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")),  # DeepSeek-V3, R1, V3.1
    Shape("<|tool_call_begin|>", "<|tool_call_end|>", (named_json,),
          ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>")),  # Kimi K2
    Shape("<|action_start|><|plugin|>", "<|action_end|>", (json_call,)),  # InternLM2 to 3
    Shape("<|tool_call_start|>", "<|tool_call_end|>", (python_calls,)),  # MiniCPM3, LFM2
    Shape("<|tool_call|>", "<|/tool_call|>", (json_list,)),  # Phi-4-mini
    Shape("<|tool_call|>", "", (json_list,)),  # Granite
    Shape("<|python_tag|>", "", (json_call,)),  # LLaMA-3
)  # fmt: skip
# Calls without any mark, where the template teaches them: (what shows it in the template, the whole text's body).
_BARE: tuple[tuple[str, Body], ...] = (
    ("<|start_header_id|>", json_call),  # LLaMA-3.1 to 3.3
    ("<|observation|>", named_json),  # GLM-4
)
_BETWEEN = re.compile(r"[\s;]*")  # what may stand between calls that have no mark


class ToolCallReader:
    """Finds the calls in what one model writes.

    Args:
        template: the model's chat template; the shapes it names are looked for alone. All of them where it names none
            or is ''.
    """

    def __init__(self, template: str = "") -> None:
        told = tuple(shape for shape in SHAPES if shape.opening in template)
        bare = tuple(body for sign, body in _BARE if sign in template)
        anything = not told and not bare
        self._shapes = SHAPES if anything else told
        self._bare = tuple(body for _, body in _BARE) if anything else () if _names_call(told) else bare
        self.marks = tuple({part for shape in self._shapes for part in _marks(shape)})

    def read(
        self, text: str, tools: Sequence[Mapping[str, Any]] = (), earlier: int = 0
    ) -> tuple[str, tuple[ToolCall, ...]]:
        """(what is said besides, the calls in order). Without calls the text comes back as it is.

        Args:
            text: an answer, control names of `marks` included.
            tools: on offer, in the OpenAI shape. A call without a mark counts only if it names one of them; their
                schemas say which arguments are text where the shape does not.
            earlier: calls made before in the conversation; a call that the model gives no id is numbered behind them
                (`call00003`: nine letters and digits, as Mistral's templates want it).
        """
        if len(text) > LONGEST:
            return text, ()
        schemas = _schemas(tools)
        content, found = text, list[Found]()
        for shape in self._shapes:
            if shape.opening in content:
                content, more = _marked(content, shape, schemas)
                found += more
                if more:
                    for part in shape.around:
                        content = content.replace(part, "")
        for body in self._bare if not found else ():
            if found := _whole(text.strip(), body, schemas):
                content = ""
                break
        if not found:
            return text, ()
        calls = [ToolCall(one.name, one.arguments, one.id or f"call{earlier + i:05d}") for i, one in enumerate(found)]
        return content.strip(), tuple(calls)

    def before_call(self, text: str) -> int:
        """How much of a text that is still being written stands before any call: what behind it may become one."""
        head = text.lstrip()
        if self._bare and head and (head[0] == "{" or re.fullmatch(r"\w+(\n[\s\S]*)?", head)):
            return 0
        starts = [text.find(mark) for mark in self.marks if mark in text]
        return min(starts, default=min((_begins(text, mark) for mark in self.marks), default=len(text)))


def _names_call(shapes: Sequence[Shape]) -> bool:
    """Whether a shape with marks is taught: then a call without is none. LLaMA-3's python tag is for other calls."""
    return any(shape.opening != "<|python_tag|>" for shape in shapes)


def _marks(shape: Shape) -> Iterator[str]:
    for text in (shape.opening, shape.closing, *shape.around):
        yield from re.findall(r"<[^<>]*>|\[[^\[\]]*\]", text)
    if named_json in shape.bodies:
        yield from ("[ARGS]", "[CALL_ID]", "<｜tool▁sep｜>", "<|tool_call_argument_begin|>")


def _begins(text: str, mark: str) -> int:
    """Where in the text's end a mark begins; the text's length where none does."""
    return next((len(text) - n for n in range(len(mark) - 1, 0, -1) if text.endswith(mark[:n])), len(text))


def _schemas(tools: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The properties of each tool's parameters, by its name; a tool written otherwise has none."""
    found: dict[str, Mapping[str, Any]] = {}
    for tool in tools:
        function = tool.get("function", tool)
        if not isinstance(function, Mapping):
            continue
        parameters = function.get("parameters")
        properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
        found[str(function.get("name"))] = properties if isinstance(properties, Mapping) else {}
    return found


def _marked(text: str, shape: Shape, schemas: Mapping[str, Mapping[str, Any]]) -> tuple[str, list[Found]]:
    """The text without the calls of one shape, and these."""
    kept, calls, at = list[str](), list[Found](), 0
    while (start := text.find(shape.opening, at)) >= 0:
        begin = start + len(shape.opening)
        got = _body(text, begin, shape.bodies, schemas)
        end = _closed(text, got[1], shape.closing) if got else -1
        if got is None or end < 0:
            kept.append(text[at:begin])
            at = begin
            continue
        kept.append(text[at:start])
        calls += got[0]
        at = end
    return "".join([*kept, text[at:]]), calls


def _body(
    text: str, at: int, bodies: Sequence[Body], schemas: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Found], int] | None:
    at += len(text[at:]) - len(text[at:].lstrip())
    return next((got for body in bodies if (got := body(text, at, schemas))), None)


def _closed(text: str, at: int, closing: str) -> int:
    """Where the text goes on behind the closing mark; -1 when something else stands there. The end of the text closes
    too: a model may be stopped at the mark."""
    rest = text[at:].lstrip()
    begin = len(text) - len(rest)
    if not closing or not rest:
        return at if not closing else len(text)
    return begin + len(closing) if rest.startswith(closing) else -1


def _whole(text: str, body: Callable[..., Any], schemas: Mapping[str, Mapping[str, Any]]) -> list[Found]:
    """The calls of which a whole text consists; none when anything else stands in it, or a tool not on offer."""
    found, at = list[Found](), 0
    while at < len(text):
        got = body(text, at, schemas)
        if got is None or any(one.name not in schemas for one in got[0]):
            return []
        found += got[0]
        gap = _BETWEEN.match(text, got[1])
        at = gap.end() if gap else got[1]
    return found


def call_text(call: ToolCall) -> str:
    """A call in the shortest shape that is read back exactly: `<tool_call>name(key='value')</tool_call>`."""
    try:
        given = json.loads(call.arguments)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not all(map(_is_plain, (call.name, *given))):
        name = json.dumps(call.name, ensure_ascii=False)
        return f'<tool_call>{{"name": {name}, "arguments": {call.arguments or "{}"}}}</tool_call>'
    return f"<tool_call>{call.name}({', '.join(f'{key}={value!r}' for key, value in given.items())})</tool_call>"


def _is_plain(name: str) -> bool:
    """Whether Python reads a name back as it is."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def tool_line(tool: Mapping[str, Any]) -> str:
    """A tool on offer in one line: name(its arguments): what it does; those that may be left out with a `?`."""
    function = tool.get("function", tool)
    function = function if isinstance(function, Mapping) else {}
    parameters = function.get("parameters")
    parameters = parameters if isinstance(parameters, Mapping) else {}
    needed = parameters.get("required") or ()
    names = [name if name in needed else f"{name}?" for name in parameters.get("properties") or ()]
    return f"{function.get('name', '')}({', '.join(names)})：{function.get('description', '')}"
