"""POST /: the shapes of ChatGLM's api.py ({prompt, history}) and MOSS' moss_api_demo.py ({prompt, uid}).

ChatGLM's caller holds the history, MOSS' server holds it under the uid that it gave. Both get `response`, `history`,
`status` and `time`; a caller who sends no history gets a `uid` besides, under which the talk can go on.
"""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.core.errors import CornucopiaError
from cornucopia.inference.asking import unfit
from cornucopia.inference.engine import Engine
from cornucopia.inference.request import Sampling
from cornucopia.records.schema import Message, Record
from cornucopia.serving.answering import Answering
from cornucopia.serving.ask import Ask
from cornucopia.serving.event_response import while_there
from cornucopia.serving.house import House, id_of
from cornucopia.serving.json_response import json_response
from cornucopia.serving.problems import Problem, refused
from cornucopia.serving.sending import finish

MOST_TALKS = 1000  # held under a uid; the one that was quiet longest is forgotten
MOST_TURNS = 200
Turns = list[tuple[str, str]]


class Talks:
    """Conversations by the key of who asks and the uid."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, str], Turns] = OrderedDict()

    def get(self, key: str, uid: str) -> Turns | None:
        """The turns, or None for a uid that is not known."""
        return self._held.get((key, uid))

    def put(self, key: str, uid: str, turns: Turns) -> None:
        """Hold them, and forget the oldest talk where there are too many."""
        self._held[key, uid] = turns[-MOST_TURNS:]
        self._held.move_to_end((key, uid))
        if len(self._held) > MOST_TALKS:
            self._held.popitem(last=False)


async def older(house: House, talks: Talks, request: Request) -> Response:
    """Answer with the server's first model.

    Raises:
        Problem: it cannot be answered.
    """
    body = await house.body(request)
    prompt, key = body.get("prompt"), str(request.scope.get("cornucopia_key", ""))
    if not isinstance(prompt, str) or not prompt.strip():
        raise Problem(400, "prompt 应是不空的文字", param="prompt")
    given = body.get("history") is not None
    uid = "" if given else str(body.get("uid") or "")
    turns = _history(body["history"]) if given else talks.get(key, uid)
    if turns is None:
        uid, turns = str(uuid.uuid4()), []
    served, lease = await while_there(request, house.lease(None, request))
    try:
        record = Record(tuple(_messages(turns, prompt)))
        if why := unfit(record, served.engine.limits()):
            raise Problem(400, why)
        sampling = await served.worker.call(lambda: _sampling(body, served.model.own_sampling(), served.engine, record))
    except BaseException:
        await lease.aclose()
        raise
    answering = Answering(id_of(request), served, Ask(record, sampling), timeout=house.settings.timeout, lease=lease)
    await finish(house, request, answering)
    answer = answering.replies[0].answer
    turns = [*turns, (prompt, answer)]
    if not given:
        talks.put(key, uid, turns)
    told = {"response": answer, "history": turns, "status": 200, "time": time.strftime("%Y-%m-%d %H:%M:%S")}
    return json_response(told if given else {**told, "uid": uid})


def _history(value: Any) -> Turns:
    pairs = value if isinstance(value, list) else None
    if pairs is None or not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in pairs
    ):
        raise Problem(400, "history 应是 [[问, 答], …]", param="history")
    return [(pair[0], pair[1]) for pair in pairs]


def _messages(turns: Turns, prompt: str) -> list[Message]:
    said = [turn for asked, answer in turns for turn in (Message("user", asked), Message("assistant", answer))]
    return [*said, Message("user", prompt)]


def _sampling(body: Mapping[str, Any], common: Sampling, engine: Engine, record: Record) -> Sampling:
    """The settings; ChatGLM's max_length counts the prompt too."""
    names = ("top_p", "temperature", "top_k", "repetition_penalty", "seed")
    given = {name: body[name] for name in names if body.get(name) is not None}
    length = body.get("max_length")
    if length is not None:
        if not isinstance(length, int) or isinstance(length, bool) or length < 1:
            raise Problem(400, "max_length 应是正整数", param="max_length")
        given["max_new_tokens"] = max(1, min(length, 2**31) - engine.prompt_length(record))
    try:
        return Sampling.build({**common.model_dump(exclude_none=True), **given}, where="请求")
    except CornucopiaError as error:
        raise refused(error) from None
