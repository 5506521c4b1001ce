"""What a service's refusal means: is it about this one prompt, about the account, or about the service's state?

The shapes are those of OpenAI, Azure, OpenRouter, DashScope, Qianfan, Zhipu, Moonshot, DeepSeek, Spark, MiniMax, Ark.
Codes and keys decide before words do, and words of the prompt itself (which services like to repeat) decide nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["content", "account", "key", "model", "busy", "server", "forbidden", "request", "junk"]

# Codes and types of a content check, compared without marks and case; numbers: Zhipu 1301, Spark 10013/10014/10019,
# MiniMax 1026/1027.
_CONTENT_CODES = {
    "contentfilter", "contentfiltered", "contentpolicyviolation", "responsibleaipolicyviolation", "moderationblocked",
    "datainspectionfailed", "inputtextsensitivecontentdetected", "outputtextsensitivecontentdetected",
    "sensitivecontentdetected", "contentsecurity", "contentmoderation", "promptblocked", "prohibitedcontent",
    "contentexistsrisk", "safety", "1301", "10013", "10014", "10019", "1026", "1027",
}  # fmt: skip
_CONTENT_KEYS = {
    "flaggedinput", "contentfilter", "contentfilterresult", "contentfilterresults", "blockreason", "moderation",
}  # fmt: skip
_ACCOUNT_CODES = {
    "insufficientquota", "exceededcurrentquotaerror", "arrearage", "accountoverdue", "accountoverdueerror",
    "insufficientbalance", "billinghardlimitreached", "billingnotactive", "accountdeactivated", "freetieronly",
    "allocationquotafreetieronly", "1112", "1113", "1121",
}  # fmt: skip
_CONTENT_WORDS = re.compile(
    r"content[ _-]?(polic|filter|management|moderation|exists risk|security|safety)|exists risk|flagged|moderat"
    r"|high risk|inappropriate|sensitive|illegal|safety system|data.?inspection|prohibited content|usage polic"
    r"|内容(安全|审核|风险|过滤|合规|违规)|敏感|违规|不安全|不当内容|审核(不|未)|未通过.{0,6}审核|风控",
    re.IGNORECASE,
)
_ACCOUNT_WORDS = re.compile(
    r"insufficient.{0,12}(balance|credit|fund|quota)|arrear|overdue|good standing|key limit exceeded|billing"
    r"|(account|organi[sz]ation).{0,40}(suspend|disabl|deactivat|lock|banned|frozen|not active)"
    r"|(账户|账号|帐户|帐号|组织|用户).{0,20}(欠费|停用|锁定|封禁|冻结|禁用|异常|余额)|余额(不足|已)|欠费",
    re.IGNORECASE,
)
_KEY_WORDS = re.compile(
    r"api.?key|permission|access denied|not authori[sz]ed|unauthori[sz]ed|forbidden for|not allowed to|no access"
    r"|not have access|country|region|无权|没有权限|权限|未开通|未授权|密钥|鉴权|白名单",
    re.IGNORECASE,
)
_MODEL_WORDS = re.compile(
    r"model.{0,60}(not (exist|found)|does not exist|unknown|unsupported)|模型.{0,20}(不存在|未找到)", re.IGNORECASE
)
_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_STOPS = frozenset({"account", "key", "model"})
_WHAT = {
    "content": "平台的内容审核没有放行这个问题",
    "account": "账户不能用（欠费、额度用尽或被停用）",
    "key": "接口拒绝了请求",
    "model": "接口拒绝了请求",
    "busy": "接口忙（限流）",
    "server": "接口的服务器出错",
    "forbidden": "接口拒绝了请求",
    "request": "接口拒绝了请求",
    "junk": "接口的回答不是 chat/completions 的形式",
}
_FIX = {
    "content": "只有这一题受影响；改写问题，或换一个平台",
    "account": "充值或换一个账户的密钥",
    "model": "检查接口地址（常要以 /v1 结尾）和模型名",
    "busy": "降低 requests_per_minute 或稍后再运行同一命令",
    "forbidden": "密钥可能没有权限，也可能是这个问题被网站的防火墙拦下",
    "server": "稍后再运行同一命令",
    "junk": "检查接口地址（常要以 /v1 结尾）",
}


@dataclass(frozen=True)
class Refusal:
    """One refusal, judged.

    Args:
        kind: content (this prompt), account, key, model, busy, server, forbidden (a 403 that says nothing), request,
            junk (a success that holds no answer).
        message: what the service says, one line.
        status: HTTP status.
    """

    kind: Kind
    message: str
    status: int

    @property
    def what(self) -> str:
        """The sentence for the user."""
        return _WHAT[self.kind]

    @property
    def all(self) -> bool:
        """Whether the next question would meet the same."""
        return self.kind in _STOPS

    @property
    def again(self) -> bool:
        """Whether asking again may help."""
        return self.kind in ("busy", "server", "junk")

    def fix(self, key_env: str) -> str:
        """What to do about it."""
        if self.kind == "key":
            return "这个密钥没有使用此模型的权限" if self.status == 403 else f"检查密钥：环境变量 {key_env}"
        return _FIX.get(self.kind, "")


def judge(status: int, body: Any, prompt: str = "") -> Refusal:
    """What a refusal is about.

    Args:
        status: HTTP status; 200 for an error object in a success.
        body: the body's text, or what was parsed from it.
        prompt: text of the question; its words in the message are passed over.
    """
    parsed = _parsed(body)
    message = message_of(parsed)
    codes, keys = _evidence(parsed)
    words = _without(message, prompt)
    return Refusal(_kind(status, codes, keys, words), message, status)


def _kind(status: int, codes: set[str], keys: set[str], words: str) -> Kind:
    if codes & _ACCOUNT_CODES or status == 402:
        return "account"
    if status == 451 or codes & _CONTENT_CODES or keys & _CONTENT_KEYS:
        return "content"
    if _ACCOUNT_WORDS.search(words):
        return "account"
    if status == 401:
        return "key"
    if status not in (404, 429) and _CONTENT_WORDS.search(words):
        return "content"
    if status == 404 or (status in (200, 400) and _MODEL_WORDS.search(words)):
        return "model"
    if status == 403:
        return "key" if _KEY_WORDS.search(words) else "forbidden"
    if status == 429:
        return "busy"
    if status in _BUSY or status >= 500:
        return "server"
    return "junk" if status < 300 else "request"


def message_of(body: Any) -> str:
    """What an error body says: `error.message`, `message`, or its first 300 characters."""
    body = _parsed(body)
    if isinstance(body, str):
        return " ".join(body.split())[:300]
    error = body.get("error", body) if isinstance(body, dict) else body
    names = ("message", "msg", "error_msg")
    text = next((error[name] for name in names if error.get(name)), None) if isinstance(error, dict) else error
    return " ".join(str(text or body).split())[:300]


def _parsed(body: Any) -> Any:
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _evidence(body: Any) -> tuple[set[str], set[str]]:
    """(values of code and type, names of keys) anywhere in an error body, bare of marks and case."""
    codes, keys = set(), set()
    for key, value in _pairs(body, 6):
        name = _bare(key)
        if value not in (None, "", [], {}, False):
            keys.add(name)
        if name in ("code", "type", "status", "errorcode", "statuscode", "reason") and isinstance(value, str | int):
            codes.add(_bare(str(value)))
    return codes, keys


def _pairs(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        if isinstance(value, dict):
            yield str(key), item
        if depth:
            yield from _pairs(item, depth - 1)


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _without(message: str, prompt: str) -> str:
    """The message without what stands in the prompt too: four Chinese characters running, or twelve of any kind."""
    masked = list(message)
    for size in (4, 12):
        known = {prompt[start : start + size] for start in range(len(prompt) - size + 1)}
        for start in range(len(message) - size + 1):
            run = message[start : start + size]
            if run in known and (size > 4 or not any(character.isascii() for character in run)):
                masked[start : start + size] = " " * size
    return "".join(masked)
