"""An answer in the shape of /v1/responses: a body, or events that tell of its items as they grow."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cornucopia.core.jsonl import to_json
from cornucopia.inference.request import Reply
from cornucopia.serving.answering import Answering, Piece
from cornucopia.serving.chat import called

Item = dict[str, Any]
_TOLD = ("instructions", "max_output_tokens", "previous_response_id", "temperature", "top_p", "user")


class ResponseWritten:
    """See `sending.Written`.

    Args:
        answering: the answer, one.
        body: the request's.
        keep: called with the whole body and the reply once it is over.
    """

    def __init__(
        self, answering: Answering, body: Mapping[str, Any], keep: Callable[[dict[str, Any], Reply], None]
    ) -> None:
        self._answering, self._keep = answering, keep
        self._events = 0
        self._open: Item | None = None  # the item that grows
        self._items = 0  # begun
        self._head = {
            "id": f"resp_{answering.id}", "object": "response", "created_at": int(time.time()), "status": "in_progress",
            "model": answering.served.name, "output": [], "error": None, "incomplete_details": None, "usage": None,
            **{name: body.get(name) for name in _TOLD}, "metadata": body.get("metadata") or {},
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False, "tools": body.get("tools") or [],
            "tool_choice": body.get("tool_choice") or "auto", "store": body.get("store") is not False,
            "text": body.get("text") or {"format": {"type": "text"}}, "truncation": "disabled",
        }  # fmt: skip

    def whole(self) -> dict[str, Any]:
        """The body."""
        reply = called(self._answering.ask, self._answering.replies[0])
        cut = reply.finish_reason == "length"
        body = {
            **self._head, "status": "incomplete" if cut else "completed", "output": self._output(reply),
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None, "usage": _usage(reply),
        }  # fmt: skip
        self._keep(body, reply)
        return body

    def begin(self) -> str:
        """That it has begun."""
        return "".join(self._event(f"response.{word}", response=self._head) for word in ("created", "in_progress"))

    def feed(self, pieces: Sequence[Piece]) -> str:
        """Events of what is new."""
        parts: list[str] = []
        for piece in pieces:
            if piece.text and not self._answering.ask.forced:
                kind = "reasoning" if piece.thought else "message"
                parts += self._begun(kind)
                word = "reasoning_text" if piece.thought else "output_text"
                beside: dict[str, Any] = {} if piece.thought else {"logprobs": []}
                parts.append(self._event(f"response.{word}.delta", **self._place(), delta=piece.text, **beside))
        return "".join(parts)

    def end(self) -> str:
        """What is not told yet, and the whole."""
        body = self.whole()
        output = body["output"]
        parts = self._done(output) if self._open else []
        for item in output[self._items :]:
            parts += self._told(item)
        return "".join([*parts, self._event(f"response.{body['status']}", response=body)])

    def _output(self, reply: Reply) -> list[Item]:
        items = [_item("reasoning", self._id("rs"), reply.reasoning)] if reply.reasoning else []
        if reply.answer or not reply.tool_calls:
            status = "incomplete" if reply.finish_reason == "length" else "completed"
            items.append(_item("message", self._id("msg"), reply.answer) | {"status": status})
        for number, call in enumerate(reply.tool_calls):
            told = {"call_id": call.id, "name": call.name, "arguments": call.arguments, "status": "completed"}
            items.append({"type": "function_call", "id": self._id(f"fc{number}"), **told})
        return items

    def _begun(self, kind: str) -> list[str]:
        """Events that an item of this kind grows from here on, if it did not already."""
        if self._open and self._open["type"] == kind:
            return []
        parts = self._done([self._open]) if self._open else []
        item = _item(kind, self._id("rs" if kind == "reasoning" else "msg"), "") | {"status": "in_progress"}
        self._open, self._items = item, self._items + 1
        at = self._items - 1
        parts.append(self._event("response.output_item.added", output_index=at, item=item | {"content": []}))
        return [*parts, self._event("response.content_part.added", **self._place(), part=item["content"][0])]

    def _done(self, output: Sequence[Item]) -> list[str]:
        """Events that the open item is whole; its text is that of the output where it stands there."""
        assert self._open is not None
        item = next((one for one in output if one["type"] == self._open["type"]), self._open)
        part, place = item["content"][0], self._place()
        thought = item["type"] == "reasoning"
        word = "reasoning_text" if thought else "output_text"
        beside: dict[str, Any] = {} if thought else {"logprobs": []}
        self._open = None
        return [
            self._event(f"response.{word}.done", **place, text=part["text"], **beside),
            self._event("response.content_part.done", **place, part=part),
            self._event("response.output_item.done", output_index=place["output_index"], item=item),
        ]

    def _told(self, item: Item) -> list[str]:
        """All events of an item that comes at once."""
        at, self._items = self._items, self._items + 1
        if item["type"] != "function_call":  # an answer of nothing
            return [
                self._event(f"response.output_item.{word}", output_index=at, item=item) for word in ("added", "done")
            ]
        place, word = {"item_id": item["id"], "output_index": at}, "response.function_call_arguments"
        added = item | {"arguments": "", "status": "in_progress"}
        return [
            self._event("response.output_item.added", output_index=at, item=added),
            self._event(f"{word}.delta", **place, delta=item["arguments"]),
            self._event(f"{word}.done", **place, arguments=item["arguments"], name=item["name"]),
            self._event("response.output_item.done", output_index=at, item=item),
        ]

    def _place(self) -> dict[str, Any]:
        assert self._open is not None
        return {"item_id": self._open["id"], "output_index": self._items - 1, "content_index": 0}

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._answering.id}"

    def _event(self, kind: str, **rest: Any) -> str:
        told = {"type": kind, "sequence_number": self._events, **rest}
        self._events += 1
        return f"event: {kind}\ndata: {to_json(told)}\n\n"


def _item(kind: str, id: str, text: str) -> Item:
    """A message, or what was thought before it."""
    if kind == "reasoning":
        return {"type": kind, "id": id, "summary": [], "content": [{"type": "reasoning_text", "text": text}]}
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"type": kind, "id": id, "role": "assistant", "status": "completed", "content": content}


def _usage(reply: Reply) -> dict[str, Any]:
    asked, written = reply.prompt_tokens, reply.completion_tokens
    return {
        "input_tokens": asked, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": asked + written,
    }  # fmt: skip
