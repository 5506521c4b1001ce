"""POST /v1/responses, OpenAI's newer path: a conversation, whole or by the id of the answer it goes on from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.core.jsonl import to_json
from cornucopia.inference.openai_batch import message_of
from cornucopia.inference.request import Reply
from cornucopia.serving.answering import Answering
from cornucopia.serving.ask import read_chat, switch
from cornucopia.serving.event_response import while_there
from cornucopia.serving.house import House, id_of
from cornucopia.serving.json_response import json_response
from cornucopia.serving.problems import Problem
from cornucopia.serving.response_written import ResponseWritten
from cornucopia.serving.sending import send

MOST_HELD, MOST_TEXT = 1000, 50_000_000  # responses, and characters of all; those that came first are forgotten
_EMPTY = ("include", "reasoning", "prompt", "conversation", "background", "max_tool_calls", "service_tier")
_IDLE = ("stream_options", "truncation", "metadata", "user", "safety_identifier", "prompt_cache_key", "verbosity")
_OWN = (*_EMPTY, *_IDLE, "input", "instructions", "previous_response_id", "store", "text", "max_output_tokens", "tools")
Turn = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """A response that may be asked for again, or gone on from: its body, and all turns up to its end."""

    body: dict[str, Any]
    turns: list[Turn]
    size: int


class Responses:
    """Those held in memory, by the key of who asked and their id."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, str], Kept] = OrderedDict()
        self._size = 0

    def get(self, key: str, id: Any) -> Kept:
        """
        Raises:
            Problem: it is not known, or no longer.
        """
        kept = self._held.get((key, id)) if isinstance(id, str) else None
        if kept is None:
            raise Problem(404, "没有这个 id 的回答：只记在内存里，久了会忘，重启也会忘", param="previous_response_id")
        return kept

    def put(self, key: str, body: dict[str, Any], turns: list[Turn]) -> None:
        """Hold one, and forget the oldest where there are too many."""
        kept = Kept(body, turns, len(to_json(turns)))
        self._held[key, body["id"]] = kept
        self._size += kept.size
        while len(self._held) > MOST_HELD or self._size > MOST_TEXT:
            self._size -= self._held.popitem(last=False)[1].size

    def drop(self, key: str, id: str) -> None:
        """
        Raises:
            Problem: it is not known.
        """
        self._size -= self.get(key, id).size
        del self._held[key, id]


async def respond(house: House, held: Responses, request: Request) -> Response:
    """Answer a conversation.

    Raises:
        Problem: it cannot be answered.
    """
    body, key = await house.body(request), _key(request)
    earlier = body.get("previous_response_id")
    turns = [*(held.get(key, earlier).turns if earlier is not None else []), *_turns(body.get("input"))]
    served, lease = await while_there(request, house.lease(body.get("model"), request))
    try:
        ask = read_chat(_chat_body(body, turns), served.model.own_sampling(), served.engine.limits())
    except BaseException:
        await lease.aclose()
        raise

    def keep(told: dict[str, Any], reply: Reply) -> None:
        if body.get("store") is not False:
            held.put(key, told, [*turns, message_of(reply)])

    answering = Answering(id_of(request), served, ask, timeout=house.settings.timeout, lease=lease)
    return await send(house, request, answering, ResponseWritten(answering, body, keep))


async def one_response(held: Responses, request: Request) -> Response:
    """Give back, or forget, a response that is held.

    Raises:
        Problem: it is not known.
    """
    id = request.path_params["id"]
    body = held.get(_key(request), id).body
    if request.method == "DELETE":
        held.drop(_key(request), id)
        return json_response({"id": id, "object": "response", "deleted": True})
    return json_response(body)


def _key(request: Request) -> str:
    return str(request.scope.get("cornucopia_key", ""))


def _chat_body(body: Mapping[str, Any], turns: list[Turn]) -> dict[str, Any]:
    """The same request as a body of /v1/chat/completions.

    Raises:
        Problem: it asks for what is not offered.
    """
    for name in _EMPTY:
        if body.get(name) not in (None, False, [], {}, "auto", "default"):
            raise Problem(400, f"不支持 {name}", param=name)
    switch(body, "store")
    left = {name: value for name, value in body.items() if name not in _OWN}
    said = body.get("instructions")
    if said is not None and not isinstance(said, str):
        raise Problem(400, "instructions 应是文字", param="instructions")
    if said and turns and turns[0].get("role") == "system" and isinstance(turns[0].get("content"), str):
        turns = [{"role": "system", "content": f"{said}\n\n{turns[0]['content']}"}, *turns[1:]]
    elif said:
        turns = [{"role": "system", "content": said}, *turns]
    chat = {**left, "messages": turns, "max_tokens": body.get("max_output_tokens"), "tools": _tools(body.get("tools"))}
    return {**chat, "response_format": _format(body.get("text"))}


def _turns(items: Any) -> list[Turn]:
    """An input's items as the turns of a chat.

    Raises:
        Problem: an item is of a kind that is not offered.
    """
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise Problem(400, "input 应是文字，或不空的列表，每一项是对象", param="input")
    turns: list[Turn] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            role = "system" if item.get("role") == "developer" else item.get("role")
            turns.append({"role": role, "content": _content(item.get("content"))})
        elif kind == "function_call":
            call = {"name": item.get("name"), "arguments": item.get("arguments")}
            called = {"id": item.get("call_id"), "type": "function", "function": call}
            if not (turns and turns[-1]["role"] == "assistant"):
                turns.append({"role": "assistant", "content": ""})
            turns[-1]["tool_calls"] = [*turns[-1].get("tool_calls", ()), called]
        elif kind == "function_call_output":
            content = _content(item.get("output"))
            turns.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": content})
        elif kind != "reasoning":  # what was thought earlier is not shown to the model again
            raise Problem(400, f"input 里不支持 {str(kind)[:40]} 这种项", param="input")
    return turns


def _content(parts: Any) -> Any:
    """An item's content as a chat's: text, or parts."""
    if not isinstance(parts, list):
        return parts
    found: list[Any] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("input_text", "output_text"):
            found.append({"type": "text", "text": part.get("text")})
        elif kind == "input_image":
            found.append({"type": "image_url", "image_url": {"url": part.get("image_url")}})
        else:
            raise Problem(400, f"input 里不支持 {str(kind)[:40]} 这种内容", param="input")
    return found


def _tools(tools: Any) -> Any:
    """Tools as a chat has them, under `function`."""
    if not isinstance(tools, list):
        return tools
    for tool in tools:
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise Problem(400, "tools 只支持 function", param="tools")
    names = ("name", "description", "parameters")
    return [{"type": "function", "function": {n: tool[n] for n in names if tool.get(n) is not None}} for tool in tools]


def _format(text: Any) -> Any:
    """`text.format` as a chat's response_format."""
    if text is None:
        return None
    wanted = text.get("format") if isinstance(text, dict) else text
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        return {"type": "json_schema", "json_schema": {"schema": wanted.get("schema")}}
    return wanted
