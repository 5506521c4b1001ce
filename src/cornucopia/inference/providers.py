"""Known OpenAI-compatible services: where they are, which environment variable holds the key, what they accept.

Knows no HTTP. A server that is not listed (vLLM, llama.cpp, Ollama, `cornucopia serve`) gets the defaults.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from cornucopia.core.errors import ConfigError
from cornucopia.inference.engine import Sampling
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.segments import spoken


@dataclass(frozen=True)
class Provider:
    """One service.

    Args:
        name: what users call it.
        host: host of its address.
        url: its public base URL; '' for any other server.
        key_env: environment variable of the key; '' when none is needed.
        extras: sampling settings beyond OpenAI's that it understands.
        seed: whether it documents `seed`.
        length: its name for the longest answer.
        lowest: lowest temperature it takes; greedy decoding asks for this.
    """

    name: str
    host: str = ""
    url: str = ""
    key_env: str = ""
    extras: tuple[str, ...] = ()
    seed: bool = False
    length: str = "max_tokens"
    lowest: float = 0.0


LOCAL = Provider("其他服务", extras=("top_k", "min_p", "repetition_penalty"), seed=True)
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")

PROVIDERS = (
    Provider("文心 ERNIE（百度千帆）", "qianfan.baidubce.com", "https://qianfan.baidubce.com/v2", "QIANFAN_API_KEY",
             lowest=0.01),
    Provider("讯飞星火", "spark-api-open.xf-yun.com", "https://spark-api-open.xf-yun.com/v1", "SPARK_API_KEY",
             lowest=0.01),
    Provider("通义千问（阿里云百炼）", "dashscope.aliyuncs.com", "https://dashscope.aliyuncs.com/compatible-mode/v1",
             "DASHSCOPE_API_KEY", extras=("top_k", "repetition_penalty"), seed=True),
    Provider("DeepSeek", "api.deepseek.com", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    Provider("Kimi（月之暗面）", "api.moonshot.cn", "https://api.moonshot.cn/v1", "MOONSHOT_API_KEY"),
    Provider("智谱 GLM", "open.bigmodel.cn", "https://open.bigmodel.cn/api/paas/v4", "ZHIPUAI_API_KEY", lowest=0.01),
    Provider("OpenAI", "api.openai.com", "https://api.openai.com/v1", "OPENAI_API_KEY", seed=True,
             length="max_completion_tokens"),
)  # fmt: skip


def find_provider(endpoint: str) -> Provider:
    """The service at an address; LOCAL for one that is not listed.

    A key is only ever sent to the host it belongs to: an unlisted host gets none unless `key_env` names one.
    """
    host = urlsplit(endpoint).hostname or ""
    return next((provider for provider in PROVIDERS if host == provider.host), LOCAL)


def parameters(sampling: Sampling, provider: Provider) -> dict[str, object]:
    """The request's sampling fields. A setting left unset is not sent, so that the service's own default holds."""
    fields: dict[str, object] = {}
    temperature = 0.0 if sampling.do_sample is False else sampling.temperature
    if temperature is not None:
        fields["temperature"] = max(temperature, provider.lowest)
    if sampling.top_p is not None:
        fields["top_p"] = sampling.top_p
    if sampling.max_new_tokens:
        fields[provider.length] = sampling.max_new_tokens
    if sampling.stop:
        fields["stop"] = sampling.stop
    if sampling.json_schema:
        schema = {"name": "answer", "schema": json.loads(sampling.json_schema)}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    if provider.seed:
        fields["seed"] = sampling.seed
    return fields | {name: getattr(sampling, name) for name in provider.extras if getattr(sampling, name) is not None}


def check_key(endpoint: str, key_env: str | None, allowed: Iterable[str] = ()) -> None:
    """Refuse to send an environment variable where it does not belong: a recipe may come from a stranger.

    Args:
        endpoint: the address that would get it.
        key_env: name of the variable; None for the service's own.
        allowed: what the user says on the command line, each NAME=host, NAME=host:port or, to send it unencrypted,
            NAME=http://host.

    Raises:
        ConfigError: the variable is not registered for this host, or would go over plain HTTP.
    """
    provider, parts = find_provider(endpoint), urlsplit(endpoint)
    name = key_env or provider.key_env
    if not name:
        return
    hosts = [word.partition("=")[2].strip() for word in allowed if word.partition("=")[0].strip() == name]
    given = [host for host in hosts if _names(host, parts)]
    if not given and name != provider.key_env:
        raise ConfigError(
            f"不把环境变量 {name} 发给 {parts.hostname}：它不是为这个地址登记的", where=endpoint,
            fix=f"确实要发，就在命令行上写 --allow-key {name}={parts.netloc}",
        )  # fmt: skip
    if parts.scheme != "https" and parts.hostname not in THIS_MACHINE and "http://" not in "".join(given):
        raise ConfigError(
            "密钥不走没有加密的 http", where=endpoint,
            fix=f"改用 https；内网确实只有 http，就在命令行上写 --allow-key {name}=http://{parts.netloc}",
        )  # fmt: skip


def _names(host: str, parts: SplitResult) -> bool:
    """Whether what the user wrote is this host, with its port where one is written."""
    wanted = urlsplit(host if "://" in host else f"//{host}")
    return wanted.hostname == parts.hostname and (wanted.port is None or wanted.port == parts.port)


def body_of(record: Record) -> dict[str, Any]:
    """The request's messages, and the tools where the record has some."""
    messages = [_message(message, text) for message, text in spoken(record.prompt())]
    return {"messages": messages} | ({"tools": list(record.tools)} if record.tools else {})


def _message(message: Message, text: str) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in message.tool_calls
    ]
    beside = {"tool_calls": calls, "tool_call_id": message.tool_call_id, "name": message.name}
    shown: Any = text
    if message.images:
        pictures = [{"type": "image_url", "image_url": {"url": image}} for image in message.images]
        shown = [*pictures, {"type": "text", "text": text.replace("<image>", "").strip()}]
    return {"role": message.role, "content": shown} | {key: value for key, value in beside.items() if value}


def redact(text: str, key: str) -> str:
    """Text without the key, in case a server or a proxy repeats it."""
    text = text.replace(key, "***") if key else text
    return re.sub(r"(?i)(bearer\s+|sk-)[\w.*/+=-]{4,}", r"\1***", text)
