"""Self-instruct in Chinese: from seed tasks new tasks, each with an answer, as long as they are new.

Wang et al. 2023, "Self-Instruct", arXiv:2212.10560: a prompt shows tasks of the pool and asks for more; a task of
classification is answered label first, so that not all of its texts get the same label. A new task must differ from all
before it by ROUGE-L on characters: the word based filters of the English scripts refuse every Chinese text.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cornucopia.core.chance import chance
from cornucopia.core.config import option
from cornucopia.factory.write.likeness import Pool
from cornucopia.factory.write.marks import written
from cornucopia.factory.write.settings import WriteConfig
from cornucopia.factory.write.shapes import LabelItem, PairItem, TaskItem
from cornucopia.factory.write.step import Forecast, WritingStage
from cornucopia.inference.engine import Reply
from cornucopia.inference.paid.asker import Asker, Prompt
from cornucopia.inference.paid.replies import OVER, declines, read_item, read_items, unusable
from cornucopia.records.sameness import normalized
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stage import Context, Dropped, Outcome

KINDS = ["解释", "计算", "判断", "归类", "抽取", "摘要", "改写", "比较", "起草", "找错", "情景建议"]
_NO_TEXT = re.compile(
    r"图片|图像|图中|照片|截图|看图|视频|音频|录音|语音|附件|网址|网页|链接|上传|下载|扫描件|画(出|一)"
)
_OF_TODAY = re.compile(
    r"(今天|今日|昨天|本周|实时|最新|当前|目前|近期|最近)的?(行情|股价|价格|汇率|利率|新闻|走势|净值|指数|政策)"
)
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class InstructConfig(WriteConfig):
    """Settings of `instruct`."""

    temperature: float = option(1.0, "采样温度；0 为贪心", ge=0, le=2)
    per_seed: int = option(5, "平均每条种子写几条新任务", ge=1, le=1000)
    number: int = option(5, "一次请求写几条任务", ge=1, le=20)
    examples: int = option(6, "一次请求给模型看几条例子，其中约三分之一是新写的", ge=1, le=20)
    rounds: int = option(6, "最多几轮：每一轮的例子里有前几轮新写的", ge=1, le=100)
    alike: float = option(0.7, "与以前任何一条按字的 ROUGE-L 到这个程度就不要", gt=0, le=1)
    shortest: int = option(6, "任务至少多少字", ge=1)
    longest: int = option(300, "任务至多多少字", ge=1)
    kinds: list[str] = option(KINDS, "给模型提示的种类", min_length=1)
    keep_thoughts: bool = option(True, "模型回答前的思考留在 reasoning 里")


@dataclass(frozen=True)
class Task:
    """A task of the pool; the new ones say how alike they are to the earlier ones."""

    instruction: str
    domain: str
    kind: str
    origin: Record
    item: TaskItem | None = None
    most: float = 0.0
    nearest: str = ""
    mean: float = 0.0

    @property
    def id(self) -> str:
        """A stable name."""
        return "instruct-" + hashlib.sha256(normalized(self.instruction).encode("utf-8", "replace")).hexdigest()[:12]


@dataclass
class _Work:
    """One shard's pool."""

    seeds: list[Task]
    pool: Pool
    seed: int
    new: list[Task] = field(default_factory=list)
    outcome: Outcome = field(default_factory=Outcome)

    def drop(self, record: Record, rule: str, detail: str) -> None:
        self.outcome.dropped.append(Dropped(record, rule, detail[:200]))


class Instruct(WritingStage):
    """See the module."""

    name = "instruct"
    summary = "由种子任务写出新任务和答案（self-instruct）；与已有的按字太像的、做不了的、没写完的丢掉。"
    settings = InstructConfig

    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """The first round of tasks, and an answer for each task wanted."""
        work = self._begin(records, context.seed)
        if not work.seeds:
            return Forecast()
        wanted = self.config.per_seed * len(work.seeds)
        return Forecast(self._round(work, 0, wanted), 90.0 * self.config.number, (wanted, wanted * 320, wanted * 350))

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        """New tasks with answers; the seeds are not among them."""
        work, asker = self._begin(records, context.seed), self.asker(context)
        wanted, replies = self.config.per_seed * len(work.seeds), dict[str, Reply]()
        for number in range(self.config.rounds):
            before = len(work.new)
            if before >= wanted:
                break
            said = asker.ask(self._round(work, number, wanted - before))
            replies |= said
            for reply in said.values():
                self._gather(work, reply)
            if len(work.new) == before or any(reply.error == OVER for reply in said.values()):
                break
        work.new = work.new[:wanted]
        answers = self._answers(work, asker)
        asker.settle(replies | answers)
        return work.outcome

    def _begin(self, records: Sequence[Record], seed: int) -> _Work:
        seeds = [Task(one.question, one.domain, one.kind, one) for one in records if one.question and one.golden]
        work = _Work(seeds, Pool(self.config.alike), seed)
        for one in seeds:
            work.pool.add(one.instruction)
        for record in records:
            if not (record.question and record.golden):
                work.drop(record, "no_seed", "种子要有问题和回答")
        return work

    def _round(self, work: _Work, number: int, wanted: int) -> list[Prompt]:
        prompts = []
        for place in range(math.ceil(wanted / self.config.number) if work.seeds else 0):
            rng = chance(work.seed, "tasks", number, place)
            fresh = rng.sample(work.new, min(self.config.examples // 3, len(work.new)))
            old = rng.sample(work.seeds, min(self.config.examples - len(fresh), len(work.seeds)))
            shown = [*old, *fresh]
            rng.shuffle(shown)
            turns = self.templates.messages(
                "tasks", work.seed, f"{number}/{place}", number=self.config.number, domain=old[0].domain or "金融",
                examples=[{"instruction": task.instruction, "kind": task.kind or "问答"} for task in shown],
                kinds=self.config.kinds,
            )  # fmt: skip
            prompts.append(Prompt(f"{number}/{place}/{work.seeds.index(old[0])}", turns))
        return prompts

    def _gather(self, work: _Work, reply: Reply) -> None:
        """Let the new tasks of one reply into the pool."""
        origin = work.seeds[int(reply.id.rpartition("/")[2])].origin
        rule, detail = unusable(reply)
        if rule:
            return work.drop(origin, rule, detail)
        try:
            items, bad = read_items(reply.answer, TaskItem, 2 * self.config.number)
        except ValueError as error:
            return work.drop(origin, "bad_json", f"{error}：{reply.answer[:80]}")
        work.outcome.counts.update({"bad_item": bad} if bad else {})
        for item in items:
            task = Task(item.instruction, origin.domain, item.kind, origin, item)
            draft = _draft(task)
            if rule := self._unfit(item.instruction):
                work.drop(draft, rule, item.instruction)
                continue
            new, most, nearest, mean = work.pool.take(item.instruction)
            if new:
                work.new.append(replace(task, most=most, nearest=nearest, mean=mean))
            else:
                work.drop(draft, "alike", f"与「{nearest}」相似 {most:.2f}")
        return None

    def _unfit(self, text: str) -> str:
        if not self.config.shortest <= len(text) <= self.config.longest:
            return "length"
        if len(_CHINESE.findall(text)) * 3 < len(text):
            return "not_chinese"
        return "needs_more_than_text" if _NO_TEXT.search(text) else "needs_news" if _OF_TODAY.search(text) else ""

    def _answers(self, work: _Work, asker: Asker) -> dict[str, Reply]:
        prompts = []
        for task in work.new:
            item = task.item
            values = {"instruction": task.instruction, "kind": task.kind or "问答", "domain": task.domain or "金融"}
            if item and len(item.labels) > 1:
                turns = self.templates.messages("classify", work.seed, task.id, **values, labels=item.labels)
            else:
                turns = self.templates.messages("generate", work.seed, task.id, **values)
            prompts.append(Prompt(task.id, turns))
        replies = asker.ask(prompts)
        for task in work.new:
            self._finish(work, task, replies[task.id], asker.model)
        return replies

    def _finish(self, work: _Work, task: Task, reply: Reply, model: str) -> None:
        rule, detail = unusable(reply)
        if rule:
            return work.drop(_draft(task), rule, detail)
        try:
            pairs = self._pairs(task, reply.answer)
        except ValueError as error:
            return work.drop(_draft(task), "bad_json", f"{error}：{reply.answer[:80]}")
        thought = reply.reasoning if self.config.keep_thoughts else ""
        for number, (given, output) in enumerate(pairs):
            draft = _draft(task, given)
            if problem := _problem(task.instruction, given, output):
                work.drop(draft, problem, output)
                continue
            name = f"{task.id}-{number}" if len(pairs) > 1 else task.id
            turns = (*draft.messages, Message("assistant", output, reasoning=thought if len(pairs) == 1 else ""))
            likeness = {"most": round(task.most, 4), "nearest": task.nearest, "mean": round(task.mean, 4)}
            extra = {**written(self.name, model), "similarity": likeness, "classification": len(pairs) > 1}
            work.outcome.kept.append(replace(draft, id=name, messages=turns, extra=extra))
        return None

    def _pairs(self, task: Task, text: str) -> list[tuple[str, str]]:
        """(input, output) of a task: one, or one a label."""
        if not (task.item and len(task.item.labels) > 1):
            item = read_item(text, PairItem)
            return [(item.input.strip(), item.output)]
        items, _ = read_items(text, LabelItem, 2 * len(task.item.labels))
        good = [(item.input, item.label) for item in items if item.label in task.item.labels]
        if len({label for _, label in good}) < 2:
            raise ValueError("不到两个类别有文字")
        return good


def _problem(instruction: str, given: str, output: str) -> str:
    if declines(output):
        return "refused"
    if normalized(output) in (normalized(given), normalized(instruction)):
        return "copied"
    return ""


def _draft(task: Task, given: str = "") -> Record:
    return Record(
        (Message("user", task.instruction),), passages=(Passage(given),) if given else (), id=task.id,
        domain=task.domain, kind=task.kind,
    )  # fmt: skip
