"""The stage `redact`: what is personal in a record is replaced, the same by the same, in every text and every mark."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, nearest
from cornucopia.records.clean.hidden import is_json
from cornucopia.records.privacy.disguise import Disguise, Mode, mask
from cornucopia.records.privacy.find import KINDS, OPTIONAL, Finder
from cornucopia.records.privacy.numbers import Found
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context, Outcome, Stage
from cornucopia.records.texts import SEPARATOR, change_texts, texts_of

_ROUNDS = 5
_EXAMPLES = 5  # of each kind, a shard
_AROUND = 16  # characters of an example on each side
_LONG = re.compile(r"[0-9](?:[ -]?[0-9]){6,}")  # what no finder took for personal is not shown either
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class RedactConfig(Config):
    """Settings of `redact`."""

    kinds: list[str] = option([], f"只找这些（逗号分隔）；不写为除 {'、'.join(sorted(OPTIONAL))} 以外的全部")
    also: list[str] = option([], "另外也找这些：credit_code 统一社会信用代码，address 地址")
    without: list[str] = option([], "不找这些（逗号分隔）")
    mode: Mode = option(
        "placeholder", "换成什么：placeholder 占位符【身份证1】，mask 遮盖 110***********1234，synthetic 编造的同形假值"
    )
    everywhere: bool = option(False, "占位符不按记录编号，用带密钥的散列：同一个号在所有记录里是同一个占位符")
    key_env: str = option("", "散列的密钥所在的环境变量名；不写用运行的 seed（知道 seed 的人能试出号码）")


class Redact(Stage):
    """Replaces; it drops nothing. The report shows counts and masked examples, never a value.

    Raises:
        ConfigError: if a kind does not exist, or the key's variable is not set.
    """

    name = "redact"
    summary = "脱敏：身份证、银行卡、手机、邮箱、姓名等换成占位符、遮盖或假值，同一个号前后一致"
    settings = RedactConfig
    version = 2

    def __init__(self, config: RedactConfig) -> None:
        super().__init__(config)
        for kind in (*config.kinds, *config.also, *config.without):
            if kind not in KINDS:
                fix = f"最接近的是 {nearest(kind, KINDS) or 'id_card'}；全部：{'、'.join(KINDS)}"
                raise ConfigError(f"没有 {kind} 这一种个人信息", where="redact", found=kind, fix=fix)
        chosen = set(config.kinds or set(KINDS) - OPTIONAL) | set(config.also)
        self._finder = Finder(chosen - set(config.without))
        self._key = os.environ.get(config.key_env, "").encode() if config.key_env else b""
        if config.key_env and not self._key:
            raise ConfigError(
                f"环境变量 {config.key_env} 没有设值", where="key_env", fix=f"export {config.key_env}=一段随机文字"
            )

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        outcome = Outcome()
        key = self._key or f"cornucopia {context.seed}".encode()
        shown: Counter[str] = Counter()
        wholes = [SEPARATOR.join((*texts_of(record), *_marks(record))) for record in records]
        for record, likely in zip(records, self._finder.likely_of(wholes), strict=True):
            outcome.kept.append(self._one(record, key, outcome, shown) if likely else record)
        return outcome

    def _one(self, record: Record, key: bytes, outcome: Outcome, shown: Counter[str]) -> Record:
        texts = [*texts_of(record), *_marks(record)]
        disguise = Disguise(self.config.mode, key, self.config.everywhere, texts)
        seen: Counter[str] = Counter()
        for _ in range(_ROUNDS):
            known: dict[str, Found] = {}
            likely = self._finder.likely
            found_in = {text: self._finder.find(text) for text in dict.fromkeys(texts) if likely(text)}
            for text, all_found in found_in.items():
                for found in all_found:
                    known.setdefault(text[found.start : found.end], found)
            if not known:
                break
            again = _mentions(known, found_in, set(texts))

            def change(text: str, _: object = None, again: re.Pattern[str] | None = again) -> str:
                spans = _with_mentions(text, found_in.get(text, []), known, again)  # noqa: B023
                if not spans:
                    return text
                for found in spans:
                    seen[found.kind] += 1
                    if shown[found.kind] < _EXAMPLES:
                        shown[found.kind] += 1
                        outcome.examples.append((found.kind, *_masked(text, spans, found, disguise)))
                return _replaced(text, spans, disguise)

            record = _everywhere(record, change)
            texts = [*texts_of(record), *_marks(record)]
        for kind in seen:
            outcome.counts[kind] += 1
        return record


def _mentions(known: dict[str, Found], found_in: dict[str, list[Found]], texts: set[str]) -> re.Pattern[str] | None:
    """What was found by its label in one place is found in the others without it; None where it stands in no other."""
    worth = [text for text, found in known.items() if len(text) >= (2 if found.kind == "name" else 5)]
    places = Counter(text[found.start : found.end] for text, all_found in found_in.items() for found in all_found)
    if all(sum(text.count(value) for text in texts) == places[value] for value in worth):
        return None
    return re.compile("|".join(map(re.escape, sorted(worth, key=len, reverse=True))))


def _with_mentions(
    text: str, spans: list[Found], known: dict[str, Found], again: re.Pattern[str] | None
) -> list[Found]:
    if again is None:
        return spans
    spans = list(spans)
    for match in again.finditer(text):
        start, end = match.span()
        number = text[start:end].isascii()
        if number and (
            (text[start - 1 : start].isalnum() and text[start - 1].isascii())
            or (text[end : end + 1].isalnum() and text[end].isascii())
        ):
            continue
        if not any(start < old.end and old.start < end for old in spans):
            first = known[match.group()]
            spans.append(Found(start, end, first.kind, first.value))
    return sorted(spans, key=lambda found: found.start)


def _replaced(text: str, spans: list[Found], disguise: Disguise) -> str:
    """In JSON a number that becomes a text gets the quotes that it needs."""
    strings = [match.span() for match in _STRING.finditer(text)] if is_json(text) else None
    pieces, at = [], 0
    for found in spans:
        instead = disguise.instead(found, text[found.start : found.end])
        if strings is not None and not any(start < found.start < end for start, end in strings):
            instead = json.dumps(instead, ensure_ascii=False)
        pieces += [text[at : found.start], instead]
        at = found.end
    return "".join((*pieces, text[at:]))


def _masked(text: str, spans: list[Found], one: Found, disguise: Disguise) -> tuple[str, str]:
    """(before with every value masked, after), around one of them."""
    before, after = "", ""
    at = max(0, one.start - _AROUND)
    stop = min(len(text), one.end + _AROUND)
    for found in spans:
        if found.end <= at or found.start >= stop:
            continue
        between = _LONG.sub("*******", text[at : found.start])
        original = text[found.start : found.end]
        before += between + mask(original, found.kind)
        after += between + disguise.instead(found, original)
        at = found.end
    rest = _LONG.sub("*******", text[at:stop])
    return before + rest, after + rest


def _marks(record: Record) -> list[str]:
    """The texts that are no turns: calls of tools, names of speakers, sources, keys without a field."""
    marks: list[str] = [record.source, record.span] if record.source or record.span else []
    if record.extra:
        _strings(record.extra, marks)
    for message in record.messages:
        marks += [call.arguments for call in message.tool_calls]
        if message.name:
            marks.append(message.name)
        if message.extra:
            _strings(message.extra, marks)
    return marks


def _strings(value: Any, into: list[str]) -> None:
    if isinstance(value, str):
        into.append(value)
    elif isinstance(value, dict):
        for item in value.values():
            _strings(item, into)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _strings(item, into)


def _everywhere(record: Record, change: Callable[..., str]) -> Record:
    record = change_texts(record, change)
    messages = tuple(_message(message, change) for message in record.messages)
    return replace(
        record,
        messages=messages,
        source=change(record.source),
        span=change(record.span),
        extra=_deep(record.extra, change),
    )


def _message(message: Message, change: Callable[..., str]) -> Message:
    if not (message.tool_calls or message.name or message.extra):
        return message
    calls = tuple(replace(call, arguments=change(call.arguments)) for call in message.tool_calls)
    return replace(message, tool_calls=calls, name=change(message.name), extra=_deep(message.extra, change))


def _deep(value: Any, change: Callable[..., str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _deep(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_deep(item, change) for item in value]
    return value
