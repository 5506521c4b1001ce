"""Templates: a conversation as one text, with the answers' character spans marked.

Two kinds: the original project's (alpaca-lora) JSON files, and a tokenizer's own chat template. A template knows
nothing of token ids; the end-of-sequence token of the JSON kind is passed in as text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cornucopia.core.errors import ConfigError, nearest
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.reasoning import CLOSE, opens_block, think_block

TEMPLATES = Path(__file__).parent / "templates"
_KEYS = ("prompt_input", "prompt_no_input", "response_split")


@dataclass(frozen=True)
class Segment:
    """A piece of the rendered text; `answer` marks what the assistant says (its end marker included), `thought` the
    part of it that stands before the answer proper."""

    text: str
    answer: bool = False
    thought: bool = False


class Template(Protocol):
    """How a conversation becomes text."""

    @property
    def name(self) -> str:
        """Name or path it is known by."""
        ...

    @property
    def stop_strings(self) -> list[str]:
        """Text at which an answer ends besides the end-of-sequence token."""
        ...

    def segments(self, record: Record, *, eos: str) -> list[Segment]:
        """The whole text, in order. When the last message is not the assistant's, it ends ready for the answer.

        Of reasoning only the last answer's is written: a model is not asked to read what it thought before.
        """
        ...


@dataclass(frozen=True)
class PromptTemplate:
    """The alpaca-lora JSON form: `prompt_input`, `prompt_no_input`, `response_split`.

    Several turns are written one after another, each as in single-turn training; a system message stands first.
    """

    name: str
    prompt_input: str
    prompt_no_input: str
    response_split: str

    @property
    def stop_strings(self) -> list[str]:
        """Text that shows the model has begun to ask itself the next question."""
        head = self.prompt_no_input.split("{instruction}")[0].strip().splitlines()
        return [head[-1]] if head and head[-1].startswith("###") else []

    def segments(self, record: Record, *, eos: str) -> list[Segment]:
        parts: list[Segment] = []
        for message, material in record.turns():
            if message is record.messages[-1] and message.reasoning:
                opened = bool(parts) and opens_block(parts[-1].text)
                parts.append(Segment(think_block(message.reasoning, opened=opened), answer=True, thought=True))
            if message.role == "assistant":
                parts.append(Segment(message.content + eos, answer=True))
            elif message.role == "user":
                parts.append(Segment(self._ask(message.content, material)))
            else:
                parts.append(Segment(message.content + "\n"))
        return parts

    def _ask(self, question: str, material: str) -> str:
        form = self.prompt_input if material else self.prompt_no_input
        values = {"{instruction}": question, "{input}": material}
        return re.sub(r"\{instruction\}|\{input\}", lambda found: values[found.group()], form)


class ChatTemplate:
    """The tokenizer's own chat template (jinja), as the model was trained with."""

    name = "chat"

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.stop_strings: list[str] = []

    def segments(self, record: Record, *, eos: str) -> list[Segment]:
        turns = [{"role": message.role, "content": text} for message, text in spoken(record)]
        if record.messages and record.messages[-1].reasoning:
            return self._with_thought(turns, record.messages[-1].reasoning, eos)
        return self._plain(turns, eos)

    def _with_thought(self, turns: list[dict[str, str]], reasoning: str, eos: str) -> list[Segment]:
        """The last answer with its thinking: as the template writes it, or, where it knows none, before the answer."""
        last, content = turns[-1], turns[-1]["content"]
        for fields in ({"reasoning_content": reasoning}, {"content": think_block(reasoning) + content}):
            *parts, answer = self._plain([*turns[:-1], last | fields], eos)
            after = [answer] if not answer.answer else []
            answer = parts.pop() if after else answer
            head, mark, tail = answer.text.partition(CLOSE)
            if mark and reasoning in head:
                gap = len(tail) - len(tail.lstrip())
                thought = Segment(head + mark + tail[:gap], answer=True, thought=True)
                return [*parts, thought, Segment(tail[gap:], answer=True), *after]
        raise ConfigError(
            "这个聊天模板去掉了回答前的思考过程，训练不到", where="chat_template",
            fix="改用 --template fin_template，或去掉 --reasoning-column",
        )  # fmt: skip

    def _plain(self, turns: list[dict[str, str]], eos: str) -> list[Segment]:
        if not turns or turns[-1]["role"] != "assistant":
            return [Segment(self._render(turns, True))]
        whole, parts, done = self._render(turns, False), [], 0
        for index, turn in enumerate(turns):
            if turn["role"] != "assistant":
                continue
            before, after = self._render(turns[:index], True), self._render(turns[: index + 1], False)
            if index == len(turns) - 1:
                after = whole
            if not (whole.startswith(before) and whole.startswith(after)):
                # Some templates rewrite earlier turns (dropping their reasoning): those turns are not trained.
                continue
            answer = _with_end(whole[len(before) : len(after)], turn["content"], eos if after == whole else "")
            parts += [Segment(whole[done : len(before)]), Segment(answer, answer=True)]
            done = len(before) + len(answer)
        if not parts:
            raise ConfigError(
                "这个聊天模板渲染出的对话找不到回答的位置", where="chat_template", fix="改用 --template fin_template"
            )
        return [*parts, Segment(whole[done:])] if done < len(whole) else parts

    def _render(self, turns: list[dict[str, str]], ask: bool) -> str:
        try:
            return self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=ask)
        except Exception as error:  # jinja raises whatever the template's author chose
            raise ConfigError("聊天模板不接受这段对话", where="chat_template", found=str(error)[:200]) from None


def _with_end(text: str, content: str, eos: str) -> str:
    """An answer as rendered, up to its end marker; `eos` where the template has no marker.

    The line end that many templates write after the marker is not the model's to say.
    """
    ended = text.rstrip()
    return text + eos if ended.endswith(content.rstrip()) else ended


def spoken(record: Record) -> list[tuple[Message, str]]:
    """Every turn with its text for a model without a material section of its own: instruction, then material."""
    return [(m, f"{m.content}\n\n材料：\n{material}" if material else m.content) for m, material in record.turns()]


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
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"模板文件应是含 {'、'.join(_KEYS)} 的 JSON", where=str(path), found=str(error)[:200]
        ) from None
    if "{instruction}" not in fields["prompt_input"] or "{instruction}" not in fields["prompt_no_input"]:
        raise ConfigError("模板里没有 {instruction}", where=str(path))
    if "{input}" not in fields["prompt_input"]:
        raise ConfigError(
            "模板的 prompt_input 里没有 {input}：材料到不了模型", where=str(path), fix="在 prompt_input 里写上 {input}"
        )
    return PromptTemplate(name=path.stem if path.parent == TEMPLATES else str(path), **fields)
