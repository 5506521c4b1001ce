"""A dialogue written as a transcript -> turns, with the places where it has to stop.

Each turn is headed 【客户】 or 【顾问】; [|Human|] and [|AI|], as in Baize's transcripts (Xu et al. 2023,
arXiv:2304.01196), are read too. A model that writes both sides forgets now and then which it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cornucopia.factory.write.likeness import Pool
from cornucopia.inference.paid.replies import declines
from cornucopia.records.schema import Message, Role

END = "【结束】"
_HEAD = re.compile(
    r"(?m)^[ \t#*>-]*(?:[【\[]\|?(?P<a>客户|用户|顾问|客服|助手|Human|AI)\|?[】\]]"
    r"|(?P<b>客户|用户|顾问|客服|助手)(?=[：:]))[*]*[：:]?[ \t]*"
)
_ROLES: dict[str, Role] = {
    "客户": "user", "用户": "user", "Human": "user",
    "顾问": "assistant", "客服": "assistant", "助手": "assistant", "AI": "assistant",
}  # fmt: skip
_BYE = re.compile(
    r"^(好的?|嗯|明白了?|知道了|清楚了|懂了|谢谢|多谢|感谢|再见|不用了|没有?(别的|其他)?(问题|疑问)了?|[，,。！!\s~您你了的啦])+$"
)
_LIKE_ADVISOR = re.compile(
    r"^(您好[，,！!]?)?(很高兴|欢迎|我来|这边|建议您|您可以|您需要|根据您)|请问您(需要|想|有什么)|为您(解答|服务|查询)"
)
_LIKE_CUSTOMER = re.compile(r"^(我(想|要|需要)(问|咨询|了解|请教|知道)|请问(你们|贵行|您们)|麻烦问)")
_DOUBLE = 0.85  # a customer who asks the same again has nothing left to ask


@dataclass(frozen=True)
class Talk:
    """A dialogue as far as it can be used, and why it stopped: end, bye, limit, repeated, declined."""

    turns: tuple[Message, ...]
    stop: str


def read_talk(text: str, most: int) -> Talk:
    """The dialogue in a transcript: customer and advisor by turns, ending with the advisor.

    Args:
        text: what the model wrote.
        most: customer's turns at most.

    Raises:
        ValueError: no turns, or the roles are swapped.
    """
    body, ended, _ = text.partition(END)
    heads = list(_HEAD.finditer(body))
    if not heads:
        raise ValueError("没有对话")
    ends = [head.start() for head in heads[1:]] + [len(body)]
    turns = [
        (_ROLES[head["a"] or head["b"]], body[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
    ]  # fmt: skip
    turns = [turn for turn in turns if turn[1]]
    while turns and turns[0][0] == "assistant":  # a greeting before anything was asked
        turns = turns[1:]
    if not turns:
        raise ValueError("没有对话")
    return usable(turns, most, "end" if ended else "limit")


def usable(turns: Sequence[tuple[Role, str]], most: int, stop: str) -> Talk:
    """The dialogue up to the first place where it has to stop.

    Args:
        turns: role and words of each, the customer first.
        most: customer's turns at most.
        stop: why it ended, if no such place is found.

    Raises:
        ValueError: the roles are swapped.
    """
    kept: list[Message] = []
    asked = Pool(_DOUBLE, details_tell=True)
    for role, text in turns:
        wanted: Role = "assistant" if len(kept) % 2 else "user"
        if role != wanted:
            raise ValueError(f"第 {len(kept) + 1} 轮应是{'顾问' if wanted == 'assistant' else '客户'}说话")
        if (_LIKE_CUSTOMER if role == "assistant" else _LIKE_ADVISOR).search(text):
            raise ValueError(f"角色说反了：{text[:40]}")
        problem = _stops(role, text, asked, len(kept) // 2, most)
        if problem:
            stop = problem
            break
        kept.append(Message(role, text))
    if len(kept) % 2:
        kept.pop()
    return Talk(tuple(kept), stop)


def _stops(role: Role, text: str, asked: Pool, rounds: int, most: int) -> str:
    if role == "assistant":
        return "declined" if declines(text) else ""
    if rounds >= most:
        return "limit"
    if _BYE.match(text):
        return "bye"
    return "" if asked.take(text)[0] else "repeated"
