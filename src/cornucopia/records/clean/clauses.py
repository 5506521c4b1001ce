"""Taking clauses out of a text so that what is left still reads as sentences."""

from __future__ import annotations

import re
from collections.abc import Callable

_SENTENCE = re.compile(r"[^。！？!?;；\n]*(?:[。！？!?;；]+[”’」』）)\]】]*|\n+|$)")
_CLAUSE = re.compile(r"(?:[^，,]|,(?=\d))*(?:[，,]|$)")
_BRACKETS = re.compile(r"[（(【\[]([^（()）【】\[\]\n]{2,120})[）)】\]]")
_LONGEST = 400  # characters: a longer stretch without a full stop is no sentence, it is left alone

# A clause that only leads to the one after it, and one that only follows it.
_LEADS = re.compile(
    r"(?:如果?|如需|若|要是|假如|想要?|需要|有需要|有(?:任何|其他|不懂|什么|疑问|兴趣)|欢迎|具体|详细|详情|更多|感兴趣|另外|最后|"
    r"以上(?:是|就是|回答|内容)|尊敬的|亲爱的|您好|你好|hi|也?可以|建议您?(?:直接)?(?:联系|找|加)|还有(?:疑问|问题|不)|"
    r"请?关注[^，,]{0,10}公众号|我是|现在)"
    r"[^，,]{0,24}[，,]?",
    re.IGNORECASE,
)
_FOLLOWS = re.compile(
    r"(?:我(?:会|将|来|可以|们会|们将)?[^，,。]{0,6}(?:为您|给您|帮您|协助您|在线|帮您?|发您?|发给您)|为您|给您|帮您|全程|随时(?:为您|在线|欢迎)|"
    r"(?:7|七)[x×*X](?:24|二十四)|(?:联系|找|咨询)我|国企|上市券商|24小时|一对一|1对1|免费|备注|注明|名额有限|先到先得|竭诚|祝您?|谢谢|期待|不(?:对[^，,]{1,4})?构成|使用前|投资者?需|请(?:读者|投资者|谨慎)|手把手|专业|"
    r"通过后|领取|享受?|低佣|长期|非诚勿扰|欢迎|"
    r"(?:或者?|也可以?|亦可|还可以?)(?:直接|随时)?(?:拨打|致电|来电|打?电话|联系|咨询|添加|扫)(?![^，,]*(?<!\d)(?:95|12|400|800)\d))"
    r"[^，,]{0,24}[，,。！!]?"
)


def without_clauses(text: str, bad: Callable[[str], object], spared: Callable[[str], object]) -> str:
    """The text without the clauses that are bad.

    Args:
        text: of any length.
        bad: whether a clause (or a sentence whose clauses are bad only together) goes.
        spared: whether a sentence stays whatever stands in it.
    """
    text = _BRACKETS.sub(lambda found: "" if bad(found[1]) and not spared(found[1]) else found[0], text)
    kept = []
    for found in _SENTENCE.finditer(text):
        sentence = found.group()
        if len(sentence) > _LONGEST or not bad(sentence) or spared(sentence):
            kept.append(sentence)
        else:
            kept.append(_without(sentence, bad))
    return "".join(kept)


def _without(sentence: str, bad: Callable[[str], object]) -> str:
    body = sentence.rstrip("。！？!?;；\n”’」』）)]】")
    end = sentence[len(body) :]
    newline = "\n" * end.count("\n")
    clauses = [clause for clause in _CLAUSE.findall(body) if clause]
    gone = [bool(bad(clause)) for clause in clauses]
    if not any(gone):  # bad only as a whole
        return newline
    for index in range(len(clauses) - 1, 0, -1):
        if gone[index] and not gone[index - 1] and _LEADS.fullmatch(clauses[index - 1].strip()):
            gone[index - 1] = True
    for index in range(1, len(clauses)):
        if gone[index - 1] and _FOLLOWS.fullmatch(clauses[index].strip()):
            gone[index] = True
    left = "".join(clause for clause, out in zip(clauses, gone, strict=True) if not out)
    if not left.strip(" ，,、") or _unbalanced(left) != _unbalanced(body):
        return newline
    return left.rstrip("，, ") + (end or ("。" if gone[-1] else ""))


def _unbalanced(text: str) -> tuple[int, int]:
    return (
        sum(text.count(char) for char in "（(【[“") - sum(text.count(char) for char in "）)】]”"),
        text.count('"') % 2,
    )
