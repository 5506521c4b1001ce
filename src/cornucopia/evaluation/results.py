"""What an evaluation gave: a TaskResult for each model and task, made of the harness's samples. Knows no report."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from cornucopia.evaluation import aggregates
from cornucopia.evaluation.statistics import Interval, difference, estimate
from cornucopia.inference.engine import Reply

OVER_ALL: dict[str, Callable[[Sequence[Any]], float]] = {
    "weighted_f1": aggregates.weighted_f1,
    "macro_f1": aggregates.macro_f1,
    "entity_f1": aggregates.entity_f1,
    "ece": aggregates.expected_calibration_error,
}
LEADS = ("acc", "weighted_f1", "entity_f1", "rouge_l", "numbers", "char_f1")
NAMES = {
    "acc": "正确率", "weighted_f1": "加权F1", "macro_f1": "宏平均F1", "entity_f1": "实体F1", "ece": "校准误差",
    "rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2", "rouge_l": "ROUGE-L", "bleu_4": "BLEU-4", "char_f1": "字符F1",
    "exact": "完全相同", "numbers": "数字正确率", "no_stray": "没有无依据的数字",
    "robust": "换序都对", "extracted": "读得出答案",
}  # fmt: skip
FIRST = {
    "finre": "weighted_f1", "finfe": "weighted_f1", "finne": "weighted_f1", "finnl": "weighted_f1",
    "cfbenchmark_labels": "weighted_f1", "finance_qa": "char_f1", "number_fidelity": "numbers",
}  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One question.

    Args:
        key: its id, with the rotation of its options where there are several.
        id: of the question.
        category: for the bars.
        question, golden, answer: texts; by likelihood the answer is the option chosen.
        scores: what the scorer gave.
        finish: how the answer ended; "" by likelihood.
    """

    key: str
    id: str
    category: str
    question: str
    golden: str
    answer: str
    scores: dict[str, Any]
    finish: str = ""


@dataclass
class TaskResult:
    """One model on one task.

    Args:
        task, benchmark: names; benchmark is '' for a task of the user's own.
        items: the questions, in their order.
        prompt_hash: of every prompt as it was given to the model, and of the way it was asked.
        asked_hash: of the questions alone: two results with another one are not comparable.
        fewshot, seed: as run.
        tokens, seconds: of all that was asked, prompts included; time as it passed, loading not counted.
        memory, card_memory: the most that was taken meanwhile, in bytes; 0 where it is not known.
        cut: questions whose prompt was longer than the context.
        problem: why there is no result, or ''.
        contaminated: ids of questions that the training data holds.
    """

    task: str
    benchmark: str
    items: list[Item] = field(default_factory=list)
    prompt_hash: str = ""
    asked_hash: str = ""
    fewshot: int = 0
    seed: int = 0
    tokens: int = 0
    seconds: float = 0.0
    memory: int = 0
    card_memory: int = 0
    cut: int = 0
    problem: str = ""
    contaminated: frozenset[str] = frozenset()

    @property
    def metrics(self) -> list[str]:
        """Names of what was measured, the leading one first."""
        found = list(dict.fromkeys(name for item in self.items for name in item.scores))
        first = FIRST.get(self.benchmark) or next((name for name in LEADS if name in found), "")
        return [*([first] if first in found else []), *(name for name in found if name != first)]

    @property
    def lead(self) -> str:
        """The metric shown in the table."""
        return next(iter(self.metrics), "")

    @property
    def rotations(self) -> bool:
        """Whether questions were asked in several orders of their options."""
        return len({item.id for item in self.items}) < len(self.items)

    def values(self, metric: str, keep: Callable[[Item], bool] = lambda item: True) -> list[Any]:
        """The metric of each question, of one asked several times its mean."""
        kept = [item for item in self.items if metric in item.scores and keep(item)]
        if not self.rotations or metric in OVER_ALL:
            return [item.scores[metric] for item in kept]
        groups: dict[str, list[float]] = {}
        for item in kept:
            groups.setdefault(item.id, []).append(item.scores[metric])
        return [sum(group) / len(group) for group in groups.values()]

    def score(self, metric: str = "", keep: Callable[[Item], bool] = lambda item: True) -> Interval | None:
        """A metric with its interval; None where no question has it."""
        values = self.values(metric or self.lead, keep)
        return estimate(values, OVER_ALL.get(metric or self.lead)) if values else None

    def clean_score(self) -> Interval | None:
        """The leading metric without the questions that the training data holds; None where it holds none."""
        return self.score(keep=lambda item: item.id not in self.contaminated) if self.contaminated else None

    def robust(self) -> Interval | None:
        """The share of questions right in every order of their options."""
        if not self.rotations or "acc" not in self.metrics:
            return None
        groups: dict[str, bool] = {}
        for item in self.items:
            groups[item.id] = groups.get(item.id, True) and item.scores["acc"] == 1
        return estimate([float(right) for right in groups.values()])

    def share(self, finish: str) -> float | None:
        """Share of generated answers that ended so: "length" is cut off, "error" is none at all."""
        ended = [item.finish for item in self.items if item.finish]
        return ended.count(finish) / len(ended) if ended else None

    @property
    def unextracted(self) -> float | None:
        """Share of generated answers out of which none could be read."""
        values = [item.scores["extracted"] for item in self.items if "extracted" in item.scores]
        return 1 - sum(values) / len(values) if values else None

    def by_category(self) -> dict[str, tuple[Interval, int]]:
        """The leading metric of each category, and its questions; empty where there is but one."""
        names = sorted({item.category for item in self.items})
        found = {}
        for name in names if len(names) > 1 else ():
            score = self.score(keep=lambda item, name=name: item.category == name)  # type: ignore[misc]
            if score:
                found[name] = (score, sum(item.category == name for item in self.items))
        return found

    def summary(self) -> dict[str, Any]:
        """Everything but the questions, JSON-ready."""
        scores = {}
        for metric in self.metrics:
            found = self.score(metric)
            scores[metric] = asdict(found) if found else None
        clean, robust = self.clean_score(), self.robust()
        return {
            "task": self.task, "benchmark": self.benchmark, "problem": self.problem, "questions": len(self.items),
            "metric": self.lead, "scores": scores, "unextracted": self.unextracted, "truncated": self.share("length"),
            "failed": self.share("error"), "prompts_cut": self.cut, "robust": asdict(robust) if robust else None,
            "contaminated": len(self.contaminated), "clean": asdict(clean) if clean else None,
            "categories": {name: {**asdict(score), "count": n} for name, (score, n) in self.by_category().items()},
            "fewshot": self.fewshot, "seed": self.seed, "prompt_hash": self.prompt_hash, "asked_hash": self.asked_hash,
            "tokens": self.tokens, "seconds": round(self.seconds, 3), "memory": self.memory,
            "card_memory": self.card_memory,
        }  # fmt: skip

    def against(self, other: TaskResult) -> Interval | None:
        """This score minus another's, over the questions of both; None where they cannot be compared."""
        if self.problem or other.problem or self.asked_hash != other.asked_hash or self.lead != other.lead:
            return None
        return difference(self.values(self.lead), other.values(self.lead), OVER_ALL.get(self.lead))


def task_result(
    task: str, benchmark: str, samples: Sequence[Mapping[str, Any]], replies: Mapping[str, Reply], cut: set[str]
) -> TaskResult:
    """The result of one task.

    Args:
        samples: as the harness logs them.
        replies: how generated answers ended, by prompt.
        cut: prompts longer than the context.
    """
    result = TaskResult(task, benchmark)
    prompts, asked = hashlib.sha256(), hashlib.sha256()
    for sample in samples:
        doc, prompt = sample["doc"], sample["arguments"][0][0]
        result.items.append(_item(sample, doc, replies.get(prompt)))
        result.cut += prompt in cut
        prompts.update(repr([argument[:2] for argument in sample["arguments"]]).encode("utf-8", "surrogatepass"))
        asked.update(str(sample["doc_hash"]).encode())
    result.prompt_hash, result.asked_hash = prompts.hexdigest()[:16], asked.hexdigest()[:16]
    return result


def _item(sample: Mapping[str, Any], doc: Mapping[str, Any], reply: Reply | None) -> Item:
    identity = str(doc.get("id", sample["doc_id"]))
    key = f"{identity}#{doc['rotation']}" if "rotation" in doc else identity
    question = str(doc.get("question", sample["arguments"][0][0]))
    if doc.get("choices"):
        question = f"{question}\n{doc['choices']}"
    return Item(
        key, identity, str(doc.get("category", "")), question, str(doc.get("answer", sample["target"])),
        _answer(sample), {name: sample[name] for name in sample["metrics"]}, reply.finish_reason if reply else "",
    )  # fmt: skip


def _answer(sample: Mapping[str, Any]) -> str:
    """What was written, or the likeliest continuation."""
    first = sample["filtered_resps"][0]
    if isinstance(first, str):
        return first
    scores = [float(response[0]) for response in sample["filtered_resps"]]
    return str(sample["arguments"][scores.index(max(scores))][1]).strip()
