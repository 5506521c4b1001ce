"""Templates: a conversation as one text, with the answers' character spans marked.

Two kinds: the original project's (alpaca-lora) JSON files, and a tokenizer's own (tokens.chat_template). A template
knows nothing of token ids; the end-of-sequence token of the JSON kind is passed in as text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError, nearest
from cornucopia.records.json_values import written
from cornucopia.records.schema import Message, Record
from cornucopia.records.turns import turn_dict
from cornucopia.tokens.chat_template import ChatTemplate
from cornucopia.tokens.figures import FigureReader, marked
from cornucopia.tokens.reasoning import opens_block, think_block
from cornucopia.tokens.segments import Segment, Template, tell_once, with_material
from cornucopia.tokens.tool_calls import ToolCallReader, call_text, tool_line

TEMPLATES = Path(__file__).parent / "templates"
_KEYS = ("prompt_input", "prompt_no_input", "response_split")
# And what of it must stand in each: {line} is the first line of a result. A model may know its tools by heart.
_TOOL_KEYS = {"prompt_tools": ("",), "tool_result": ("{content}", "{line}")}
_FIGURES = ("", "marked")


@dataclass(frozen=True)
class PromptTemplate:
    """The alpaca-lora JSON form: `prompt_input`, `prompt_no_input`, `response_split`.

    Several turns are written one after another, each as in single-turn training; a system message stands first. With
    `prompt_tools` and `tool_result` tools are shown before all turns, in one line each, calls are written as
    `<tool_call>name(key='value')</tool_call>`, and what a tool gives back stands in `tool_result`. A `prompt_tools`
    without `{tools}` is for a model that is tuned to know its tools by heart. With `figures` "marked" the model names
    the figures of questions and results by their mark, see tokens/figures.py.
    """

    name: str
    prompt_input: str
    prompt_no_input: str
    response_split: str
    prompt_tools: str = ""
    tool_result: str = ""
    figures: str = ""

    @property
    def text(self) -> dict[str, str]:
        """What decides the rendering, as cornucopia.json keeps it."""
        return {key: text for key in (*_KEYS, *_TOOL_KEYS, "figures") if (text := getattr(self, key)) or key in _KEYS}

    def calls(self, record: Record) -> ToolCallReader | None:
        """See `Template.calls`."""
        if not self.prompt_tools:
            return None
        return FigureReader("<tool_call>", record) if self.figures else ToolCallReader("<tool_call>")

    @property
    def stop_strings(self) -> list[str]:
        """Text that shows the model has begun to ask itself the next question."""
        head = self.prompt_no_input.split("{instruction}")[0].strip().splitlines()
        return [head[-1]] if head and head[-1].startswith("###") else []

    def segments(self, record: Record, *, eos: str) -> list[Segment]:
        parts: list[Segment] = []
        if self.figures and record.tools:
            record = marked(record)
        if record.tools and self.prompt_tools:
            parts.append(Segment(self.prompt_tools.replace("{tools}", "\n".join(map(tool_line, record.tools)))))
        elif record.tools:
            tell_once(
                f"模板 {self.name} 没有写工具的地方：模型看不到数据里的 tools（可用 --template fin_tools 或 chat）"
            )
        for message, material in record.turns():
            learnt = message.learnt is not False
            if message is record.messages[-1] and message.reasoning:
                opened = bool(parts) and opens_block(parts[-1].text)
                block = think_block(message.reasoning, opened=opened)
                parts.append(Segment(block, answer=True, thought=True, learnt=learnt))
            if message.role == "assistant":
                parts.append(Segment(self._said(message) + eos, answer=True, learnt=learnt))
            elif message.role == "user":
                parts.append(Segment(self._ask(message.content, material)))
            elif message.role == "tool" and self.tool_result:
                parts.append(Segment(self._given(message.content)))
            else:
                parts.append(Segment(message.content + "\n"))
        return parts

    def _given(self, content: str) -> str:
        values = {"{content}": content, "{line}": content.partition("\n")[0]}
        return re.sub(r"\{content\}|\{line\}", lambda found: values[found.group()], self.tool_result)

    def _ask(self, question: str, material: str) -> str:
        form = self.prompt_input if material else self.prompt_no_input
        if material and "{input}" not in form:
            tell_once(f"模板 {self.name} 的 prompt_input 里没有 {{input}}：有材料的问题后面另加「材料：」一节")
            question, form = with_material(question, material), self.prompt_no_input
        values = {"{instruction}": question, "{input}": material}
        return re.sub(r"\{instruction\}|\{input\}", lambda found: values[found.group()], form)

    def _said(self, message: Message) -> str:
        """The text of an answer; the tools it calls follow, as JSON where the template knows no tools."""
        calls = ""
        if message.tool_calls:
            known = bool(self.prompt_tools)
            calls = (
                "".join(map(call_text, message.tool_calls)) if known else written(turn_dict(message, "")["tool_calls"])
            )
        return "\n".join(part for part in (message.content, calls) if part)


def resolve_template(name: str | None, tokenizer: Any, stored: dict[str, str] | None = None) -> Template:
    """A template by name, by path of a JSON file, or the tokenizer's own.

    Args:
        name: "fin_template", "alpaca" ..., a JSON path, "chat", or None: the tokenizer's chat template when it has
            one, else fin_template.
        tokenizer: a Hugging Face tokenizer.
        stored: the text an adapter was trained with (ModelMeta.template_text); it wins over the file of that name.

    Raises:
        ConfigError: when there is no such template, or it lacks a key.
    """
    if name in (None, ""):
        name = "chat" if getattr(tokenizer, "chat_template", None) else "fin_template"
    assert name is not None
    if name == "chat":
        if not getattr(tokenizer, "chat_template", None):
            raise ConfigError("这个模型没有自带聊天模板", where="--template chat", fix="改用 --template fin_template")
        return ChatTemplate(tokenizer)
    if stored:
        return PromptTemplate(name=name, **stored)
    path = Path(name) if name.endswith(".json") else TEMPLATES / f"{name}.json"
    if not path.is_file():
        known = sorted(p.stem for p in TEMPLATES.glob("*.json"))
        close = nearest(name, known)
        raise ConfigError(
            "没有这个模板",
            where=name,
            found=f"现有 {'、'.join([*known, 'chat'])}",
            fix=f"最接近的是 {close}" if close else "从中选一个，或给一个 .json 模板文件的路径",
        )
    return _read(path)


def _read(path: Path) -> PromptTemplate:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
        fields = {key: str(values[key]) for key in _KEYS}
        fields |= {key: str(values[key]) for key in (*_TOOL_KEYS, "figures") if key in values}
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"模板文件应是含 {'、'.join(_KEYS)} 的 JSON", where=str(path), found=str(error)[:200]
        ) from None
    if "{instruction}" not in fields["prompt_input"] or "{instruction}" not in fields["prompt_no_input"]:
        raise ConfigError("模板里没有 {instruction}", where=str(path))
    if fields.get("figures", "") not in _FIGURES:
        raise ConfigError("模板里的 figures 只能是 marked，或不写", where=str(path), found=fields["figures"])
    for key, slots in _TOOL_KEYS.items() if set(_TOOL_KEYS) & set(fields) else ():
        if not fields.get(key) or not any(slot in fields[key] for slot in slots):
            wanted = f"，其中有 {' 或 '.join(slots)}" if all(slots) else ""
            raise ConfigError(
                f"写工具的模板要有 {key}{wanted}",
                where=str(path),
                found=fields.get(key, "没有"),
            )
    return PromptTemplate(name=path.stem if path.parent == TEMPLATES else str(path), **fields)
