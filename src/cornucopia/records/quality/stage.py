"""Stage `score`: a number from 0 to 1 by each rule and one for all, kept with the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from pydantic import field_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import nearest
from cornucopia.records.quality.rule import Finding, answers_of
from cornucopia.records.quality.rules import RULES
from cornucopia.records.quality.staleness import older_than
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage

SCORES = "scores"  # in Record.extra: name -> number from 0 to 1
FLAWS = "flaws"  # in Record.extra: rule -> why it is below 1, in Chinese
QUALITY = "quality"  # the score that stands for all rules: their product
_EXAMPLE = 200  # characters of an example


class ScoreConfig(Config):
    """`cornucopia data score`"""

    rules: list[str] = option([], f"用哪些规则，逗号分隔，空为全部：{'、'.join(RULES)}")
    min_score: float | None = option(None, "总分（各规则得分之积）低于它的不要；不写则都留，只记分", ge=0, le=1)
    drop: list[str] = option([], "这些规则的得分低于 drop_below 的不要，逗号分隔")
    drop_below: float = option(0.5, "drop 里的规则以多少分为界", gt=0, le=1)
    oldest: str = option("", "事实核对日期（as_of）早于它的扣分：YYYY-MM 或 YYYY-MM-DD；空为不看")

    @field_validator("rules", "drop")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in RULES:
                close = nearest(name, RULES)
                raise ValueError(f"没有规则 {name}，{f'最接近的是 {close}' if close else '可用：' + '、'.join(RULES)}")
        return names


class Score(Stage):
    """Scores every record; drops only what the settings say."""

    name = "score"
    summary = "打分：长度、重复、答没答、数字、合规、过时、断尾、语言、格式各 0 到 1 分，可按分数取舍"
    settings = ScoreConfig
    version = 2

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        outcome = Outcome()
        for record in records:
            findings = judged(record, self.config.rules or list(RULES), self.config.oldest)
            flaws = {name: found.reason for name, found in findings.items() if found.score < 1}
            scores = {name: found.score for name, found in findings.items()}
            scores[QUALITY] = round(prod(scores.values()), 4)
            outcome.counts.update(list(flaws))
            _note_examples(outcome, record, flaws)
            marked = with_scores(record, scores, flaws)
            rule = self._against(scores)
            if rule:
                detail = flaws.get(rule) or "；".join(flaws.values())
                outcome.dropped.append(Dropped(marked, rule, detail))
            else:
                outcome.kept.append(marked)
        return outcome

    def _against(self, scores: dict[str, float]) -> str:
        """The rule by which the record goes, or ''."""
        named = next((name for name in self.config.drop if scores.get(name, 1) < self.config.drop_below), "")
        least = self.config.min_score
        return named or ("min_score" if least is not None and scores[QUALITY] < least else "")


def judged(record: Record, rules: Sequence[str], oldest: str = "") -> dict[str, Finding]:
    """What each rule found in the worst of the record's answers; a rule with nothing to say is left out."""
    worst: dict[str, Finding] = {}
    answers = list(answers_of(record))
    for said in answers:
        for name in rules:
            found = RULES[name].check(said)
            if found is not None and (name not in worst or found.score < worst[name].score):
                worst[name] = found
    if not answers and "answered" in rules:
        worst["answered"] = Finding(0.0, "没有回答")
    aged = older_than(record, oldest) if "staleness" in rules else None
    if aged is not None and aged.score <= worst.get("staleness", aged).score:
        worst["staleness"] = aged
    return worst


def with_scores(record: Record, scores: dict[str, float], flaws: dict[str, str] | None = None) -> Record:
    """The record with these scores beside those that it has; reasons of rules that found nothing wrong this time go."""
    extra = dict(record.extra)
    held = extra.get(SCORES)
    extra[SCORES] = {**(held if isinstance(held, dict) else {}), **scores}
    if flaws is not None:
        told = extra.pop(FLAWS, None)
        kept = {name: why for name, why in told.items() if name not in scores} if isinstance(told, dict) else {}
        extra |= {FLAWS: {**kept, **flaws}} if {**kept, **flaws} else {}
    return replace(record, extra=extra)


def _note_examples(outcome: Outcome, record: Record, flaws: dict[str, str]) -> None:
    known = {rule for rule, _, _ in outcome.examples}
    for rule, why in flaws.items():
        if rule not in known:
            outcome.examples.append((rule, (record.golden or record.text or record.question)[:_EXAMPLE], why))
