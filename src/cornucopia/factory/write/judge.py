"""A model as judge: one score a record by a rubric, in extra["scores"]["judge"]; nothing is dropped here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cornucopia.core.config import option
from cornucopia.factory.write.marks import material_of
from cornucopia.factory.write.settings import WriteConfig
from cornucopia.factory.write.step import Forecast, WritingStage
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.asker import Prompt
from cornucopia.inference.paid.replies import unusable
from cornucopia.inference.paid.scores import Judged, read_score
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Outcome

ASPECTS = ["准确", "完整", "有依据", "合规", "清楚"]


class JudgeConfig(WriteConfig):
    """Settings of `judge`."""

    temperature: float = option(0.0, "采样温度；0 为贪心", ge=0, le=2)
    max_new_tokens: int = option(1024, "一次回答最多多少词元；会先想再答的模型要写大些", aliases=("max_tokens",), gt=0)
    aspects: list[str] = option(ASPECTS, "按哪几个方面评", min_length=1)
    samples: int = option(1, "每条评几次，取平均；大于 1 时温度要大于 0", ge=1, le=9)


class Judge(WritingStage):
    """See the module."""

    name = "judge"
    summary = "请模型按评分标准给每条打分（0 到 1），记在 scores 的 judge 里；看不懂的评语计数，不当作 0 分。"
    settings = JudgeConfig

    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """One request a record and sample."""
        return Forecast(self._prompts(records, context.seed), 120.0)

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """The same records, those that got a score with it."""
        outcome, asker = Outcome(), self.asker(context)
        replies = asker.ask(self._prompts(records, context.seed))
        for number, record in enumerate(records):
            mine = [replies[name] for n in range(self.config.samples) if (name := f"{number}/{n}") in replies]
            outcome.kept.append(self._scored(record, mine, asker.model, outcome))
        asker.settle(replies)
        return outcome

    def _prompts(self, records: Sequence[Record], seed: int) -> list[Prompt]:
        prompts = []
        for number, record in enumerate(records):
            if record.golden and record.question:
                turns = self.templates.messages(
                    "score", seed, record.id, question=record.question, answer=record.golden,
                    material=material_of(record), aspects=self.config.aspects,
                )  # fmt: skip
                prompts += [Prompt(f"{number}/{sample}", turns, sample) for sample in range(self.config.samples)]
        return prompts

    def _scored(self, record: Record, replies: list[Reply], model: str, outcome: Outcome) -> Record:
        if not replies:
            outcome.counts["no_answer_to_judge"] += 1
            return record
        judged = [one for reply in replies if (one := _judged(reply, outcome))]
        if not judged:
            return record
        outcome.counts["judged"] += 1
        score = sum(one.score for one in judged) / len(judged)
        scores = {**record.extra.get("scores", {}), self.name: round(score, 4)}
        said = {"model": model, "reason": judged[0].reason}
        return replace(record, extra={**record.extra, "scores": scores, "judged": said})


def _judged(reply: Reply, outcome: Outcome) -> Judged | None:
    rule, _ = unusable(reply)
    judged = None if rule else read_score(reply.answer)
    if judged is None:
        outcome.counts[rule or "unparsed"] += 1
    return judged
