"""Rules on the form of an answer: length, repetition, its end, its languages, marks that do not belong there."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter

from cornucopia.records.clean.endings import breaks_off
from cornucopia.records.privacy.disguise import PLACEHOLDER
from cornucopia.records.quality.rule import GOOD, Finding, Said, ramp, snippet

_SHORT_ASKED = re.compile(
    r"选择|选项|判断|分类|类别|哪[一个类种项些]|是否|情感|情绪|正面|负面|积极|消极|标签|关系|实体|抽取|提取|几|多少|对错|真假|[A-D][.、．]|标题|改写|翻译|"
    r"什么时候|是谁|代码|一个词|一句话|吗[？?]?\s*$"
)
_LEAST, _MOST = 12, 6000  # characters of an answer that is neither short nor long
_GRAM = 10
_STUTTER = re.compile(r"([^\W\d_]{1,4}?)\1{4,}")  # 的的的的的; lines of dashes and zeros are no stutter
_END = frozenset("。！？!?.…”’」』）)】]》>~～；;:：`$|*_\"'％%")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]{2,}")
_STRANGE = re.compile(r"[\u3040-\u30ff\uac00-\ud7af\u0400-\u04ff\u0e00-\u0e7f\u0600-\u06ff]")
_WANTS_OTHER = re.compile(
    r"英文|英语|英译|翻译|译成|中译|日语|日文|韩|俄语|法语|德语|西班牙|代码|编程|函数|日本|韩国|俄罗斯|泰国|歌|程序|SQL|Python|公式|[Ee]nglish|[Tt]ranslat"
)
_LEFTOVERS = re.compile(
    r"<\|[a-z_]+\|>|\[/?INST\]|<</?SYS>>|###\s*(?:Response|Instruction|Input|指令|回答|问题)\s*[:：]|</?s>|<unk>"
    r"|(?:^|\n)\s*(?:Human|Assistant|User|AI|用户|助手|客服)\s*[:：]\s*\S|\{\{[^{}\n]{1,40}\}\}|\{%|undefined|\bNaN\b"
)
_TAG = re.compile(
    r"</?(?:div|span|p|br|a|table|tr|td|li|ul|font|strong|img|script|style)\b[^<>\n]{0,200}>|&(?:nbsp|amp|lt|gt|quot|#\d+);",
    re.I,
)
_BLANK_SLOT = re.compile(
    r"[\[【（(](?:您的?|客户|贵|对方)?(?:公司名称?|姓名|名字|日期|金额|产品名称?|此处|插入|填写|待补充|占位)[^\]】）)\n]{0,10}[\]】）)]|(?<![A-Za-z\d])[Xx]{3,}(?![A-Za-z\d])|TODO"
)
_PLACES_ASKED = re.compile(
    r"模板|范文|合同|协议|邮件|信函|通知|公告|文案|写一[封篇份]|草拟|起草|样本|示例|[Xx]{3}|脚本|话术|对话|聊天|剧本|故事"
)
_BOLD, _POWER = re.compile(r"\*\*"), re.compile(r"[\w)]\s*\*\*\s*[\w(-]")  # 2**3 is a power
_WANTS_JSON = re.compile(r"(?:输出|返回|格式|用|以|按|为)[^。\n]{0,8}JSON|JSON[^。\n]{0,6}(?:格式|输出|返回)", re.I)


def length(said: Said) -> Finding | None:
    """Too short to say anything, or too long to be one answer; a short answer to a short question is right."""
    size = len(said.answer.strip())
    if size > _MOST and said.question:
        return Finding(ramp(size, _MOST * 4, _MOST), f"回答 {size} 字")
    if size >= _LEAST or (said.question and (said.record.kind or said.material or _SHORT_ASKED.search(said.question))):
        return GOOD
    return Finding(round(0.3 + 0.7 * ramp(size, 1, _LEAST), 3), f"只有 {size} 字")


def repetition(said: Said) -> Finding | None:
    """How much of the text stands in it already (characters in 10-grams seen before); a stutter of one word."""
    text = said.prose
    stutter = _STUTTER.search(text)
    if stutter and len(stutter[0]) >= 6 and stutter[0] not in said.asked:
        return Finding(0.1, f"反复说「{stutter[1]}」")
    words = "".join(re.findall(r"[^\W_]+", text))  # with their numbers, the lines of a schedule differ
    if len(words) < 60:
        return GOOD
    lines = [line.strip() for line in re.split(r"[\n。！？；]", text) if len(line.strip()) >= 12]
    twice = sum(len(line) * (count - 1) for line, count in Counter(lines).items())
    grams = [words[n : n + _GRAM] for n in range(len(words) - _GRAM + 1)]
    share = max(1 - len(set(grams)) / len(grams), twice / len(text))
    score = ramp(share, 0.7, 0.25)
    return GOOD if score == 1 else Finding(round(score, 3), f"{share:.0%} 的文字是重复的")


def ending(said: Said) -> Finding | None:
    """Whether the answer breaks off."""
    text = said.answer.rstrip()
    if not said.record.complete or (not said.question and not said.record.messages):
        return None
    if text.count("```") % 2:
        return Finding(0.3, "代码段没有收尾")
    if len(text) < 30 or text[-1] in _END or unicodedata.category(text[-1]) == "So":
        return GOOD
    if said.prose.rstrip()[-1:] != text[-1]:  # it ends with code or an address
        return GOOD
    last = text.rsplit("\n", 1)[-1]
    if text[-1] in "，、," or breaks_off(said.prose, "certain"):
        return Finding(0.1, f"断在「{last[-12:]}」")
    return Finding(0.6, f"没有句号，末尾是「{last[-12:]}」") if breaks_off(said.prose, "any") else GOOD


def language(said: Said) -> Finding | None:
    """A Chinese question is answered in Chinese, without letters of other scripts between."""
    text = said.prose
    strange = [char for char in _STRANGE.findall(text) if char not in said.asked and char not in "ー・"]
    letters = sum(map(len, _LATIN.findall(text)))
    chinese = len(_CHINESE.findall(text))
    if _WANTS_OTHER.search(said.question + said.record.domain):
        return None
    if len(strange) >= 2:
        share = len(strange) / max(1, chinese + letters + len(strange))
        return Finding(round(0.4 * (1 - share), 3), f"夹着别的文字「{''.join(strange[:8])}」")
    asked = _CHINESE.search(said.question)
    if asked and letters > 40 and letters > 8 * chinese and not _LATIN.search(said.question + said.material):
        return Finding(0.3, f"中文问题，回答 {letters} 个字母、{chinese} 个汉字")
    return GOOD


def layout(said: Said) -> Finding | None:
    """Marks that do not belong in an answer: template tokens, HTML, empty slots, JSON that is none."""
    text = said.answer
    plain = said.prose
    script = _PLACES_ASKED.search(said.question)
    found = _LEFTOVERS.search(plain)
    if found and not script and found[0].strip() not in said.asked:
        return Finding(0.2, f"残留的标记「{snippet(plain, *found.span(), 4)}」")
    tags = [tag[0] for tag in _TAG.finditer(plain) if tag[0] not in said.asked]
    if tags and not _WANTS_OTHER.search(said.question) and "html" not in said.asked.lower():
        return Finding(0.4 if len(tags) > 2 else 0.6, f"残留的网页标记「{tags[0][:20]}」")
    slot = next((slot for slot in _BLANK_SLOT.finditer(plain) if not PLACEHOLDER.fullmatch(slot[0])), None)
    if slot and not script and slot[0] not in said.asked:
        return Finding(0.5, f"没有填的空「{slot[0][:12]}」")
    if _WANTS_JSON.search(said.question) and not _is_json(text):
        return Finding(0.4, "要求 JSON，回答读不出 JSON")
    if len(_BOLD.findall(_POWER.sub("", plain))) % 2:
        return Finding(0.7, "加粗的 ** 不成对")
    return GOOD


def _is_json(text: str) -> bool:
    body = re.sub(r"^.*?```(?:json)?\s*|```.*$", "", text, flags=re.S) if "```" in text else text
    begin = min((at for at in (body.find("{"), body.find("[")) if at >= 0), default=-1)
    try:
        json.JSONDecoder(strict=False).raw_decode(body[begin:] if begin >= 0 else body)
        return begin >= 0
    except (ValueError, RecursionError):
        return False
