"""Whether the question is answered: no refusal where none is due, no echo, something to do with what was asked."""

from __future__ import annotations

import re

from cornucopia.records.quality.rule import GOOD, Finding, Said
from cornucopia.records.sameness import normalized

_REFUSAL = re.compile(
    r"(?:作为|是|只是)(?:一[个名位台种款])?(?:开源|大型?)?(?:AI|人工智能|语言模型|智能助手|虚拟助手|机器人)[^。！\n]{0,30}(?:无法|不能|没有|不会|并不|不具备|不可以|没办法)|"
    r"(?:抱歉|对不起|不好意思|遗憾)[^。！\n]{0,30}(?:不能|无法|没办法|没有办法|不会|不方便)|"
    r"我(?:无法|不能|没有办法)(?:回答|提供|给出|访问|获取|查询|确定|判断|预测|直接)|(?:无法|不能)(?:回答|提供)(?:您|你|这个|该|此)|"
    r"超出了?我的(?:能力|知识|范围)|I'?m sorry|I cannot|As an AI|I am unable",
    re.I,
)
_NOT_KNOWN = re.compile(
    r"(?:根据|从|依据)?[^。]{0,12}(?:材料|文本|上文|资料|文章|公告|原文|文中|提供的信息)[^。]{0,14}(?:没有|未|无法|不足)(?:提|说|涉|包|给|披露|以|得出|判断|确定)"
)
# What a careful assistant declines: advice on a security, promises, forecasts, private matters, unlawful help.
_TO_DECLINE = re.compile(
    r"推荐|荐股|哪[只支个].{0,6}(?:股|基金|好)|买(?:哪|什么)|该不该|要不要|能不能(?:买|涨|赚)|会(?:不会)?(?:涨|跌)|涨(?:到|多少|吗)|跌(?:到|多少|吗)|还能(?:买|涨)|"
    r"保证|保本|稳赚|内幕|内部消息|预测|走势|明天|明年|目标价|抄底|套现|洗钱|逃税|避税|漏税|偷税|黑产|绕过|规避|冒用|代办|帮我(?:查|转|操作|办|买|卖)|"
    r"密码|身份证|账号|余额|隐私|骗|伪造|虚假|诊断|最新|实时|今天|现在|目前|当前|几点|天气|股价|你[是会能有的吃叫最对在们看喜]|名字|AI|人工智能|机器人|助手"
)
_STOP = re.compile(
    r"什么|怎么样?|怎样|如何|为什么|为何|哪些|哪个|多少|请问|请|吗|呢|的|了|是|有|在|和|与|及|或|我|你|您|他|它|这|那|个|一下|介绍|解释|说明|简述|谈谈|意思|是否|可以|"
    r"[\W_\d]"
)
_PAIR = 2


def answered(said: Said) -> Finding | None:
    """Refusals, echoes and answers that share nothing with their question."""
    if not said.question and not said.material:
        return None
    question, answer = said.question, said.answer.strip()
    echo = _echo(question, answer)
    if echo:
        return echo
    refused = _refusal(said, answer)
    return refused or _off_topic(said, answer) or GOOD


def _echo(question: str, answer: str) -> Finding | None:
    """The question given back, with hardly anything to it."""
    if len(answer) > 2 * len(question) + 20:
        return None
    asked, given = normalized(question), normalized(answer)
    if len(asked) < 6 or len(given) < 6:
        return None
    if asked == given:
        return Finding(0.0, "回答就是问题")
    if asked in given and len(given) - len(asked) <= max(4, len(asked) // 10):
        return Finding(0.2, "回答只是把问题重说一遍")
    return None


def _refusal(said: Said, answer: str) -> Finding | None:
    """A refusal at the beginning, of what need not be refused."""
    head = answer[:80]
    found = _REFUSAL.search(head)
    if not found or _TO_DECLINE.search(said.question) or said.record.kind in ("conduct", "refusal"):
        return None
    if said.material and _NOT_KNOWN.search(head):
        return None
    score = 0.1 if len(answer) < 120 else 0.4
    return Finding(score, f"拒答「{' '.join(found[0].split())[:24]}」")


def _off_topic(said: Said, answer: str) -> Finding | None:
    """Not one pair of neighbouring characters of the question, and hardly a character, in an answer of some length."""
    if said.material or len(answer) < 60 or len(said.question) > 200 or said.asked.count("\n") > 2:
        return None  # an instruction on a text says little of it; a later turn takes up an earlier one
    pieces = [piece for piece in _STOP.split(said.question) if len(piece) >= _PAIR]
    pairs = {piece[n : n + _PAIR].lower() for piece in pieces for n in range(len(piece) - _PAIR + 1)}
    letters = {char for piece in pieces for char in piece.lower()}
    lowered = answer.lower()
    if len(letters) < 6 or any(pair in lowered for pair in pairs):
        return None
    share = sum(char in lowered for char in letters) / len(letters)
    return Finding(0.6, "回答和问题没有一个相同的词，可能答非所问") if share < 0.1 else None
