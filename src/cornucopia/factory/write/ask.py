"""Questions from documents, each answer standing on quotations that are found in the document, or thrown away.

Two rounds, all requests of a shard under way together: first questions from a context (a passage, neighbouring
passages, the whole document) with the quotations that answer them; then each question alone with just the passages that
its quotations stand in. What one asks and another, who sees less, can answer is answerable.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import model_validator

from cornucopia.core.chance import chance, pick
from cornucopia.core.config import option
from cornucopia.factory.write.answering import Answered, check_answer
from cornucopia.factory.write.likeness import Pool
from cornucopia.factory.write.marks import written
from cornucopia.factory.write.pieces import Context as Material
from cornucopia.factory.write.pieces import Piece, context_of, documents_of
from cornucopia.factory.write.settings import WriteConfig, shares
from cornucopia.factory.write.shapes import AnswerItem, QuestionItem
from cornucopia.factory.write.step import Forecast, WritingStage
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.asker import Prompt
from cornucopia.inference.paid.replies import read_item, read_items, unusable
from cornucopia.records.evidence import KEY, Evidence
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stage import Context, Dropped, Outcome

LEVELS = ("passage", "neighbours", "document")
READERS = ("customer", "clerk", "examiner")
FORMS = ("how", "whether", "compute", "compare", "case")
ANSWERS = ("brief", "steps", "reasons")
_POINTING = re.compile(
    r"(根据|依据|按照|结合|阅读)?(上述|上文|本文|文中|该文|下文|以上|前述|所给|给定|给出的?)(的|之)?(材料|资料|内容|段落|文本|文字|文档|规定|条款|片段|表格?)?"
    r"|(这|该|本|此)(段|篇|份|则)(材料|资料|内容|段落|文本|文字|文档|话|文件|表)|(根据|依据)(材料|资料|文档|原文|段落)|材料\s*\[?\d|原文"
)


class AskConfig(WriteConfig):
    """Settings of `ask`."""

    questions: int = option(3, "每段材料出几个问题", ge=1, le=20)
    levels: list[str] = option(
        ["passage=0.6", "neighbours=0.3", "document=0.1"],
        "问题的层次各占多少：passage 一段之内，neighbours 跨相邻几段，document 跨全文；写成 名=份额",
    )
    readers: list[str] = option(
        ["customer=0.5", "clerk=0.3", "examiner=0.2"], "替谁问各占多少：customer 客户，clerk 柜员，examiner 出题人"
    )
    forms: list[str] = option(
        ["how=0.3", "whether=0.25", "compute=0.15", "compare=0.1", "case=0.2"],
        "问法各占多少：how 怎么办，whether 能不能，compute 算多少，compare 有何不同，case 具体情形",
    )
    answers: list[str] = option(
        ["brief=0.4", "reasons=0.35", "steps=0.25"], "答法各占多少：brief 一两句，reasons 结论加依据，steps 分步"
    )
    document_chars: int = option(12000, "跨全文的问题最多给模型看多少字", ge=500)
    alike: float = option(0.8, "同一份文件里，两个问题按字这么相似就只留前一个（数字不同、一个说不的不算）", gt=0, le=1)
    with_material: bool = option(False, "记录里带上材料（阅读理解）；否则只有问题和回答")
    check_facts: bool = option(
        True, "回答里的数、日期、法规名、引语要在材料或问题里有（算出来的数要有对的算式），否则丢掉"
    )
    keep_thoughts: bool = option(True, "模型回答前的思考留在 reasoning 里")

    @model_validator(mode="after")
    def _check_shares(self) -> Self:
        for name, known in (("levels", LEVELS), ("readers", READERS), ("forms", FORMS), ("answers", ANSWERS)):
            shares(getattr(self, name), known, name)
        return self


@dataclass(frozen=True)
class Topic:
    """One context to ask about: what the request of the first round is made of."""

    id: str
    material: Material
    origin: Record
    level: str
    reader: str
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """One question that may be answered: with what it needs to be."""

    id: str
    topic: Topic
    text: str
    form: str
    answer_form: str
    quotes: tuple[Evidence, ...]
    material: Material

    @property
    def level(self) -> str:
        """The level asked for, where the quotations stand in more than one passage; `passage` otherwise."""
        return self.topic.level if len(self.material.pieces) > 1 else "passage"


@dataclass
class _Work:
    """What becomes of a shard."""

    seed: int
    outcome: Outcome = field(default_factory=Outcome)

    def drop(self, record: Record, rule: str, detail: str = "") -> None:
        self.outcome.dropped.append(Dropped(record, rule, detail[:200]))


class Ask(WritingStage):
    """See the module."""

    name = "ask"
    summary = "从文件里出题：模型按材料写出问题和回答，回答的依据必须是材料里找得到的原话，找不到就丢掉。"
    settings = AskConfig

    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """One request a topic, and one a question."""
        topics = self._topics(records, context.seed)
        prompts = [self._ask(topic, context.seed) for topic in topics]
        number = len(topics) * self.config.questions
        needed = sum(min(len(topic.material.text), 1500) for topic in topics) * self.config.questions
        return Forecast(prompts, 120.0 * self.config.questions, (number, number * 350 + needed * 0.8, number * 350))

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """Questions and answers in place of the documents' passages; what is a question already goes through."""
        work, asker = _Work(context.seed), self.asker(context)
        for record in records:
            if record.messages:
                work.outcome.kept.append(record)
            elif not (record.text.strip() or record.material.strip()):
                work.drop(record, "no_material")
        topics = self._topics(records, context.seed)
        replies = asker.ask([self._ask(topic, context.seed) for topic in topics])
        questions = [one for topic in topics for one in self._questions(topic, replies[topic.id], work)]
        questions = self._without_doubles(questions, work)
        answers = asker.ask([self._answer(question, context.seed) for question in questions])
        for question in questions:
            self._finish(question, answers[question.id], asker.model, work)
        asker.settle(replies | answers)
        return work.outcome

    def _topics(self, records: Sequence[Record], seed: int) -> list[Topic]:
        topics, config = [], self.config
        tables = {
            name: shares(getattr(config, name), known, name)
            for name, known in (("levels", LEVELS), ("readers", READERS), ("forms", FORMS))
        }
        used: Counter[str] = Counter()
        for document, pieces in documents_of(record for record in records if not record.messages).items():
            for at, piece in enumerate(pieces):
                rng = chance(seed, document, piece.places[0].page, piece.places[0].start, piece.id)
                level, reader = pick(tables["levels"], rng), pick(tables["readers"], rng)
                forms = tuple(pick(tables["forms"], rng) for _ in range(config.questions))
                material = context_of(pieces, at, level, config.document_chars)
                level = level if len(pieces) > 1 else "passage"
                used[piece.id] += 1
                name = piece.id if used[piece.id] == 1 else f"{piece.id}~{used[piece.id]}"
                topics.append(Topic(name, material, piece.record, level, reader, forms))
        return topics

    def _ask(self, topic: Topic, seed: int) -> Prompt:
        turns = self.templates.messages(
            "questions", seed, topic.id, pieces=_shown(topic.material.pieces), level=topic.level, reader=topic.reader,
            forms=list(dict.fromkeys(topic.forms)), number=len(topic.forms),
        )  # fmt: skip
        return Prompt(topic.id, turns)

    def _questions(self, topic: Topic, reply: Reply, work: _Work) -> list[Question]:
        rule, detail = unusable(reply)
        if rule:
            work.drop(topic.origin, rule, detail)
            return []
        try:
            items, bad = read_items(reply.answer, QuestionItem, len(topic.forms))
        except ValueError as error:
            work.drop(topic.origin, "bad_json", f"{error}：{reply.answer[:80]}")
            return []
        work.outcome.counts.update({"bad_item": bad} if bad else {})
        source, answer_forms = topic.material.source, shares(self.config.answers, ANSWERS, "answers")
        questions = []
        for number, item in enumerate(items, 1):
            name = f"{topic.id}?{number}"
            found = [source.find(quote) for quote in item.quotes]
            draft = self._draft(name, topic, item.question)
            if missing := next((quote for quote, places in zip(item.quotes, found, strict=True) if not places), None):
                work.drop(draft, "quote_not_found", missing)
            elif not self.config.with_material and _POINTING.search(item.question):
                work.drop(draft, "points_at_text", item.question)
            else:
                places = tuple(dict.fromkeys(place for quote in found for place in quote))
                form = item.form if item.form in FORMS else topic.forms[min(number, len(topic.forms)) - 1]
                answer_form = pick(answer_forms, chance(work.seed, "answer", name))
                needed = topic.material.needed(places)
                questions.append(Question(name, topic, item.question.strip(), form, answer_form, places, needed))
        return questions

    def _without_doubles(self, questions: list[Question], work: _Work) -> list[Question]:
        pools: dict[str, Pool] = {}
        kept = []
        for question in questions:
            document = question.quotes[0].document
            pool = pools.setdefault(document, Pool(self.config.alike, details_tell=True))
            new, similarity, most, _ = pool.take(question.text)
            if new:
                kept.append(question)
            else:
                draft = self._draft(question.id, question.topic, question.text)
                work.drop(draft, "alike", f"与「{most}」相似 {similarity:.2f}")
        return kept

    def _answer(self, question: Question, seed: int) -> Prompt:
        turns = self.templates.messages(
            "answers", seed, question.id, pieces=_shown(question.material.pieces), question=question.text,
            form=question.form, answer_form=question.answer_form, reader=question.topic.reader,
        )  # fmt: skip
        return Prompt(question.id, turns)

    def _finish(self, question: Question, reply: Reply, model: str, work: _Work) -> None:
        draft = self._draft(question.id, question.topic, question.text)
        rule, detail = unusable(reply)
        if rule:
            return work.drop(draft, rule, detail)
        try:
            item = read_item(reply.answer, AnswerItem)
        except ValueError as error:
            return work.drop(draft, "bad_json", f"{error}：{reply.answer[:80]}")
        answered = check_answer(question.text, item, question.material, self.config.check_facts)
        if not isinstance(answered, Answered):
            return work.drop(draft, *answered)
        thought = reply.reasoning if self.config.keep_thoughts else ""
        work.outcome.kept.append(self._record(question, draft, answered, thought, model))
        return None

    def _draft(self, name: str, topic: Topic, text: str) -> Record:
        """A record with the question alone, and what the document's record says of where it comes from."""
        origin = topic.origin
        return Record(
            (Message("user", text),), id=name, domain=origin.domain, kind="qa", source=origin.source,
            licence=origin.licence, as_of=origin.as_of, origin=origin.origin,
        )  # fmt: skip

    def _record(self, question: Question, draft: Record, answered: Answered, thought: str, model: str) -> Record:
        extra: dict[str, Any] = {
            KEY: [place.to_dict() for place in answered.places],
            **written(self.name, model),
            "level": question.level, "reader": question.topic.reader, "form": question.form,
            "answer_form": question.answer_form,
        }  # fmt: skip
        passages = tuple(Passage(piece.text, _source(piece)) for piece in question.material.pieces)
        return replace(
            draft, messages=(*draft.messages, Message("assistant", answered.text, reasoning=thought)),
            passages=passages if self.config.with_material else (),
            span="；".join(place.span for place in answered.places), extra=extra,
        )  # fmt: skip


def _source(piece: Piece) -> str:
    return next((p.source for p in piece.record.passages if p.text == piece.text), "") or piece.record.source


def _shown(pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    return [{"number": n, "text": piece.text.strip(), "source": _source(piece)} for n, piece in enumerate(pieces, 1)]
