"""What a record may be learnt for. A row that was made for one objective is never taken for another in silence.

Objectives: `sft` (the answers are demonstrations), `pretrain` (all text is learnt), `preference` (one answer rather
than others), `kto` (answers marked good or bad; the answers
of a pair are one of each), `reinforce` (questions that the model answers itself; an answer of the row is what it is
judged by).
"""

from __future__ import annotations

import re

from cornucopia.core.errors import UsageError
from cornucopia.records.schema import Record
from cornucopia.records.turns import said_of_learning

OBJECTIVES = ("sft", "pretrain", "preference", "kto", "reinforce")
CHOSEN_LEARNT = "有偏好数据（chosen / rejected）：只学 chosen，rejected 不用；要两边都学请用偏好训练"
_MEDIA = re.compile(r"<(image|video|audio)>")
_MEDIA_KEYS = ("images", "image", "videos", "video", "audios", "audio")


def fits(record: Record, objective: str) -> str:
    """'' when the record may be learnt for the objective; else why not and what it is for, in Chinese.

    Raises:
        UsageError: if there is no such objective.
    """
    if objective not in OBJECTIVES:
        raise UsageError("没有这个训练目标", found=objective, fix="可用：" + "、".join(OBJECTIVES))
    media = _media(record)
    if media:
        return f"含{media}：这是多模态数据，要用能读它的多模态训练，这里只学文字"
    if objective == "pretrain":
        return "标了 label: false（KTO 的坏回答），不能当文档学" if record.label is False else ""
    if objective == "kto":
        told = record.label is not None or record.rejected
        return "" if told and record.answer else "没有 label（KTO 要标明回答是好是坏），也没有 chosen 和 rejected"
    if objective == "reinforce":
        return "" if record.question.strip() else "没有问题（强化训练让模型自己回答）"
    if objective == "preference":
        return "" if record.rejected and record.answer else "没有 chosen 和 rejected（偏好训练要成对的回答）"
    return _demonstration(record)


def note(record: Record, objective: str) -> str:
    """What the user should be told once of records like this that do fit, or ''."""
    return CHOSEN_LEARNT if objective == "sft" and record.rejected else ""


def _demonstration(record: Record) -> str:
    if record.text:
        return ""
    if record.label is False:
        return "标了 label: false（KTO 数据里的坏回答），不能当示范来学；要用它请做 KTO 训练"
    if not record.answer:
        return "没有答案（训练需要答案）"
    hidden = _hidden(record)
    if hidden:
        return f"整行标了不学（{hidden}）"
    answers = [message for message in record.messages if message.role == "assistant"]
    return "" if any(m.learnt is not False for m in answers) else "每一轮回答都标了不学（weight / loss / train）"


def _hidden(record: Record) -> str:
    """The row's own mark that nothing of it is to be learnt, or ''.

    A number counts under `weight` alone: under other names (`loss`) it may be a figure of the matter itself.
    """
    marks = {key: value for key, value in record.extra.items() if isinstance(value, (bool, str)) or key == "weight"}
    return next((key for key, learnt in said_of_learning(marks).items() if not learnt), "")


def _media(record: Record) -> str:
    """Which medium beside text the record holds, in Chinese."""
    names = {"image": "图片", "video": "视频", "audio": "音频"}
    if any(message.images for message in record.messages):
        return names["image"]
    held = next((key for key in _MEDIA_KEYS if record.extra.get(key)), "")
    marks = [_MEDIA.search(message.content) for message in record.messages if message.role == "user"]
    found = held.rstrip("s") or next((mark.group(1) for mark in marks if mark), "")
    return names[found] + ("" if held else f"（<{found}>）") if found else ""
