"""A tokenizer's own chat template (jinja): where in what it writes the answers stand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cached_property
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message, Record
from cornucopia.records.turns import turn_dict
from cornucopia.tokens.reasoning import CLOSE, OPEN, opens_block, think_block
from cornucopia.tokens.segments import Segment, spoken, tell_once
from cornucopia.tokens.tool_calls import ToolCallReader

_PROBE = "shown_tool"  # of this name is the tool by which a template shows whether it writes tools


class ChatTemplate:
    """The tokenizer's own chat template (jinja), as the model was trained with.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template.
        empty_thought: what becomes of the empty <think> block that some templates (Qwen3's) write before an answer
            without reasoning: "learn" it as a part of the answer, or only "read" it.
    """

    name = "chat"

    def __init__(self, tokenizer: Any, empty_thought: str = "learn") -> None:
        self._tokenizer, self._empty_thought = tokenizer, empty_thought
        self.stop_strings: list[str] = []

    def __repr__(self) -> str:
        return f"ChatTemplate(empty_thought={self._empty_thought!r})"

    def calls(self, record: Record) -> ToolCallReader | None:
        """See `Template.calls`; the same for all records."""
        return self._calls

    @cached_property
    def _calls(self) -> ToolCallReader | None:
        """A tool on offer is looked for in what the template writes."""
        function = {"name": _PROBE, "description": "", "parameters": {"type": "object", "properties": {}}}
        asked = [{"role": "user", "content": "?"}]
        try:
            shown = self._tokenizer.apply_chat_template(
                asked, tools=[{"type": "function", "function": function}], tokenize=False, add_generation_prompt=True
            )
        except Exception:  # jinja raises whatever the template's author chose
            return None
        template = self._tokenizer.chat_template
        text = template if isinstance(template, str) else "\n".join(map(str, template.values()))
        return ToolCallReader(text) if _PROBE in shown else None

    def segments(self, record: Record, *, eos: str) -> list[Segment]:
        chat = _Chat(self._tokenizer, record, eos)
        try:
            parts = chat.segments()
        except DataError as error:
            raise DataError(error.what, where=record.origin, found=error.found, fix=error.fix) from None
        return parts if self._empty_thought == "learn" else [piece for part in parts for piece in _emptied(part)]


_EMPTY = re.compile(rf"{OPEN}\s*{CLOSE}\s*")


def _emptied(part: Segment) -> list[Segment]:
    """An answer with its empty thought apart, not learnt."""
    block = _EMPTY.match(part.text) if part.answer else None
    if block is None:
        return [part]
    return [Segment(block.group(), True, True, learnt=False), replace(part, text=part.text[block.end() :])]


class _Chat:
    """One conversation written by a chat template.

    Args:
        tokenizer: has the template.
        record: the conversation.
        eos: written after the last answer where the template has no end marker.
    """

    def __init__(self, tokenizer: Any, record: Record, eos: str) -> None:
        self._tokenizer, self._record, self._eos = tokenizer, record, eos
        self._tools = [dict(tool) for tool in record.tools] or None
        self._turns = [_turn(message, text) for message, text in spoken(record)]
        self._names = (eos, *tokenizer.all_special_tokens) if eos else tuple(tokenizer.all_special_tokens)

    def segments(self) -> list[Segment]:
        """See `Template.segments`."""
        last = self._record.messages[-1] if self._record.messages else None
        if last is None or last.role != "assistant":
            asked = self._render(self._turns, True)
            self._tell_lost(asked)
            return [Segment(asked)]
        opened = self._opened(last)
        parts = opened or (self._with_thought(last) if last.reasoning else self._plain(self._turns))
        self._tell_lost("".join(part.text for part in parts))
        return parts

    def _opened(self, last: Message) -> list[Segment] | None:
        """Where the prompt opens a thought and the template leaves it out of a finished conversation (DeepSeek-R1's
        distillates, QwQ): the prompt, what is thought (perhaps nothing), the answer."""
        before, whole = self._render(self._turns[:-1], True), self._render(self._turns, False)
        if not opens_block(before) or whole.startswith(before):
            return None
        base = before[: before.rindex(OPEN)]
        if not whole.startswith(base) or OPEN in whole[len(base) :]:
            return None
        learnt = last.learnt is not False
        answer = self._with_end(whole[len(base) :], len(self._turns) - 1, True)
        thought = Segment(think_block(last.reasoning, opened=True), answer=True, thought=True, learnt=learnt)
        rest = whole[len(base) + len(answer) :]
        parts = [Segment(before), thought, Segment(answer, answer=True, learnt=learnt)]
        return [*parts, Segment(rest)] if rest else parts

    def _with_thought(self, last: Message) -> list[Segment]:
        """The last answer with its thinking: as the template writes it, or, where it knows none, before the answer."""
        turn = self._turns[-1]
        block = think_block(last.reasoning) + turn["content"]
        for fields in ({"reasoning_content": last.reasoning}, {"content": block}):
            *parts, answer = self._plain([*self._turns[:-1], turn | fields])
            after = [answer] if not answer.answer else []
            answer = parts.pop() if after else answer
            head, mark, tail = answer.text.partition(CLOSE)
            if mark and last.reasoning in head:
                gap = len(tail) - len(tail.lstrip())
                thought = replace(answer, text=head + mark + tail[:gap], thought=True)
                return [*parts, thought, replace(answer, text=tail[gap:]), *after]
        raise DataError(
            "这个聊天模板去掉了回答前的思考过程，训练不到",
            fix="改用 --template fin_template，或去掉 --reasoning-column",
        )

    def _plain(self, turns: list[dict[str, Any]]) -> list[Segment]:
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
            answer = self._with_end(whole[len(before) : len(after)], index, after == whole)
            learnt = self._record.messages[index].learnt is not False
            parts += [Segment(whole[done : len(before)]), Segment(answer, answer=True, learnt=learnt)]
            done = len(before) + len(answer)
        if not parts:
            raise DataError("这个聊天模板渲染出的对话找不到回答的位置", fix="改用 --template fin_template")
        return [*parts, Segment(whole[done:])] if done < len(whole) else parts

    def _with_end(self, text: str, index: int, last: bool) -> str:
        """An answer as rendered, up to its end marker; `eos` where the template has no marker.

        The line end that many templates write after the marker is not the model's to say.
        """
        ended, turn = text.rstrip(), self._turns[index]
        content = turn["content"].rstrip()
        marked = ended.endswith(self._names) if turn.get("tool_calls") else not ended.endswith(content)
        return ended if marked else text + (self._eos if last else "")

    def _tell_lost(self, whole: str) -> None:
        """Tell once what the template leaves out."""
        if self._tools and not any(str(name) in whole for name in self._tool_names()):
            tell_once("这个聊天模板不理会 tools：数据里的工具模型看不到")
        for turn in self._turns:
            if turn["role"] == "system" and turn["content"].strip() not in whole:
                tell_once("这个聊天模板不写系统提示：数据里的 system 模型看不到")

    def _tool_names(self) -> list[Any]:
        return [tool.get("function", tool).get("name") for tool in self._tools or ()]

    def _render(self, turns: list[dict[str, Any]], ask: bool) -> str:
        try:
            return self._tokenizer.apply_chat_template(
                turns, tools=self._tools, tokenize=False, add_generation_prompt=ask
            )
        except Exception as error:  # jinja raises whatever the template's author chose
            raise DataError("聊天模板不接受这段对话", found=str(error)[:200]) from None


def _turn(message: Message, text: str) -> dict[str, Any]:
    """A turn as chat templates take it: the arguments of a call are an object."""
    turn: dict[str, Any] = {"role": message.role, "content": text}
    turn |= {key: value for key in ("tool_call_id", "name") if (value := getattr(message, key))}
    if message.tool_calls:
        turn["tool_calls"] = turn_dict(message, text)["tool_calls"]
        for call in turn["tool_calls"]:
            call["function"]["arguments"] = _arguments(call["function"]["arguments"])
    return turn


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
