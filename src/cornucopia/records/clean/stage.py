"""The stage `clean`: every record through the rules that are switched on, in their order, until nothing changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, nearest
from cornucopia.records.clean.advertising import ADVERTISING
from cornucopia.records.clean.boilerplate import COURTESY, DISCLAIMER, SITE
from cornucopia.records.clean.characters import COMPOSED, HALF_WIDTH, SIMPLIFIED, SPACES, UNSEEN
from cornucopia.records.clean.endings import Unfinished, breaks_off, cut_back, is_echo, is_empty, is_whole, last_said
from cornucopia.records.clean.hidden import hide, is_json, show
from cornucopia.records.clean.lists import LISTS
from cornucopia.records.clean.markup import ENTITIES, TAGS, URLS
from cornucopia.records.clean.mojibake import MOJIBAKE
from cornucopia.records.clean.punctuation import REPEATS
from cornucopia.records.clean.rule import Beyond, Rule, many_screen, screen
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage
from cornucopia.records.texts import SEPARATOR, Place, change_texts, texts_of

# In the order in which they work: characters first, so that phrases are found however they were written.
RULES: tuple[Rule, ...] = (
    ENTITIES,
    TAGS,
    MOJIBAKE,
    UNSEEN,
    COMPOSED,
    HALF_WIDTH,
    SIMPLIFIED,
    URLS,
    SITE,
    DISCLAIMER,
    ADVERTISING,
    COURTESY,
    REPEATS,
    LISTS,
    SPACES,
)
# Rules on a whole record.
ENDINGS = {
    "cut_off": "答案断在半句：退回到最后一个整句，退不回就丢弃（设 cut_off: drop 一律丢弃）",
    "echo": "答案就是问题：丢弃",
    "empty": "清洗后没有内容：丢弃",
}
NAMES: dict[str, str] = {rule.name: rule.summary for rule in RULES} | ENDINGS
_ROUNDS = 10  # a text that still changes then is left as it was
_GROUP = 4  # rules looked for together
_EXAMPLES = 5  # of each rule, a shard
_SHOWN = 160  # characters of an example


class CleanConfig(Config):
    """Settings of `clean`."""

    rules: list[str] = option([], "只用这些规则（逗号分隔）；不写为全部")
    without: list[str] = option([], "不用这些规则（逗号分隔）")
    chinese: Literal["keep", "simplify"] = option("keep", "繁体字：keep 保留，simplify 转成简体（要装 opencc）")
    cut_off: Literal["back", "drop"] = option("back", "断在半句的答案：back 退回到最后一个整句，drop 丢弃")
    unfinished: Unfinished = option(
        "certain", "怎样算断在半句：certain 有明确迹象（逗号、没合上的括号、连词），any 前文有句号而末句没有也算"
    )


class Clean(Stage):
    """Mends texts and drops what cannot be mended; a record on which no rule fires is handed on as the same object.

    Raises:
        ConfigError: if a rule is named that does not exist.
    """

    name = "clean"
    summary = "清洗：乱码、网页残留、广告和联系方式、客套话、列表、断句，每条规则可开关、可计数"
    settings = CleanConfig
    version = 3

    def __init__(self, config: CleanConfig) -> None:
        super().__init__(config)
        for name in (*config.rules, *config.without):
            if name not in NAMES:
                raise ConfigError(
                    f"没有清洗规则 {name}",
                    where="clean",
                    found=name,
                    fix=f"最接近的是 {nearest(name, NAMES) or 'mojibake'}；全部：{'、'.join(NAMES)}",
                )
        on = set(config.rules or NAMES) - set(config.without)
        if config.chinese == "keep" and "simplify" not in config.rules:
            on -= {"simplify"}
        self._on = on
        self._rules = [rule for rule in RULES if rule.name in on]
        self._screen = screen(self._rules)
        self._groups = [(screen(group), group) for group in _parted(self._rules)]
        self._many = many_screen(self._rules)

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        outcome = Outcome()
        shown: Counter[str] = Counter()
        wholes = [SEPARATOR.join(texts_of(record)) for record in records]
        for record, likely in zip(records, self._many(wholes), strict=True):
            if likely or not is_whole(record):
                self._one(record, likely, outcome, shown)
            else:
                outcome.kept.append(record)
        return outcome

    def _one(self, record: Record, likely: bool, outcome: Outcome, shown: Counter[str]) -> None:
        fired: dict[str, tuple[str, str]] = {}
        cleaned = record
        if likely:
            try:
                cleaned = change_texts(record, lambda text, place: self._text(text, place, fired))
            except _Lost as lost:
                outcome.dropped.append(Dropped(record, lost.rule, lost.detail))
                return
        cleaned, dropped = self._ending(record, cleaned, fired)
        for name, (before, after) in fired.items():
            outcome.counts[name] += 1
            if shown[name] < _EXAMPLES:
                shown[name] += 1
                outcome.examples.append((name, *_difference(before, after)))
        if dropped:
            outcome.dropped.append(dropped)
        else:
            outcome.kept.append(cleaned)

    def _text(self, text: str, place: Place, fired: dict[str, tuple[str, str]]) -> str:
        """One text through the rules until none changes it; `fired` is told which did."""
        if not self._screen(text) or is_json(text):
            return text
        seen = text
        own: dict[str, tuple[str, str]] = {}
        for _ in range(_ROUNDS):
            before = seen
            hidden, spans = hide(seen)
            if own and not self._screen(hidden):
                break
            for noticed, group in self._groups:
                if noticed(hidden):
                    hidden = _mended(group, hidden, place, own)
            seen = show(hidden, spans)
            if seen == before:
                break
        else:
            return text
        for name, change in own.items():
            fired.setdefault(name, change)
        return seen

    def _ending(
        self, record: Record, cleaned: Record, fired: dict[str, tuple[str, str]]
    ) -> tuple[Record, Dropped | None]:
        """The rules on the record as a whole."""
        said = last_said(cleaned) if "cut_off" in self._on else None
        if said and not is_json(said.content) and breaks_off(hide(said.content)[0], self.config.unfinished):
            left = cut_back(said.content) if self.config.cut_off == "back" else None
            if left is None:
                return cleaned, Dropped(record, "cut_off", f"断在：…{said.content.rstrip()[-20:]}")
            fired["cut_off"] = (said.content, left)
            cleaned = replace(cleaned, messages=(*cleaned.messages[:-1], replace(said, content=left)))
        if "empty" in self._on and is_empty(cleaned):
            return cleaned, Dropped(record, "empty", "" if is_empty(record) else "去掉广告、客套等之后没有内容")
        if "echo" in self._on and is_echo(cleaned):
            return cleaned, Dropped(record, "echo", cleaned.question[:40])
        return cleaned, None


def _parted(rules: Sequence[Rule]) -> list[Sequence[Rule]]:
    """The rules in their order, a few at a time: most groups are passed by one look at the text."""
    return [rules[at : at + _GROUP] for at in range(0, len(rules), _GROUP)]


def _mended(rules: Sequence[Rule], text: str, place: Place, own: dict[str, tuple[str, str]]) -> str:
    """The text through some rules in turn; `own` is told which of them changed it."""
    for rule in rules:
        if place not in rule.places or not rule.noticed(text):
            continue
        try:
            mended = rule.mend(text)
        except Beyond as beyond:
            raise _Lost(rule.name, str(beyond)) from None
        if mended != text:
            own.setdefault(rule.name, (text, mended))
            text = mended
    return text


class _Lost(Exception):
    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(rule)
        self.rule, self.detail = rule, detail


def _difference(before: str, after: str) -> tuple[str, str]:
    """The stretch around the first change."""
    start = next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, start - 20)
    return before[start : start + _SHOWN], after[start : start + _SHOWN]
