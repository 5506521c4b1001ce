"""The rewards that need nothing but the row and the answer: each from 0 to 1, None where the row has nothing to check.

What a model wrote in numbers is judged by the same checks as in a comparison (finance.score), so a reward and a report
never disagree.
"""

from __future__ import annotations

import re
from typing import Any

from cornucopia.finance.check import check_numbers
from cornucopia.finance.score import score_numbers
from cornucopia.records.episode import Episode
from cornucopia.records.grounding import check_answer
from cornucopia.records.quality.compliance import compliance
from cornucopia.records.quality.rule import Said
from cornucopia.records.schema import Record
from cornucopia.training.rewards.reward import Verdict

_BROKEN = re.compile(r"</?(?:think|tool_call|tool_response)>|\[TOOL_CALLS\]|<\|[\w ]+\|>|### (?:问题|回答|结果|工具)")
_STUTTER = re.compile(r"(.{2,20}?)\1{5,}", re.DOTALL)


def calculator(row: Record, episode: Episode, settings: Any) -> Verdict | None:
    """1 when every key value of the question's calculator is said, to the rounding shown, and no number contradicts it.

    The calculator and its inputs come with the row (`calculator`, `inputs`), or are read back from the question.
    """
    named, inputs = row.extra.get("calculator"), row.extra.get("inputs")
    verdict = check_numbers(row.question, episode.answer, calculator=named, inputs=inputs)
    if verdict.right is None:
        return None
    return Verdict(float(verdict.right), "" if verdict.right else verdict.explanation)


def numbers(row: Record, episode: Episode, settings: Any) -> Verdict | None:
    """Of the numbers of the row's own answer, how many are said, contradicted ones counted against it."""
    if not row.golden:
        return None
    score = score_numbers(episode.answer, question=row.question, golden=row.golden, given=_given(row, episode))
    return None if score.share is None else Verdict(score.share, "" if score.share == 1 else score.explanation)


def material(row: Record, episode: Episode, settings: Any) -> Verdict | None:
    """Share of the answer's facts that stand in what was given or in what tools gave back; saying none is worth 0."""
    given = _given(row, episode)
    if not (row.material or row.tools):
        return None
    grounding = check_answer(episode.answer, given, question=row.question)
    if grounding.share is None:
        return (
            Verdict(0.0, "没有说出材料里的任何事实")
            if _has_number(row.golden)
            else Verdict(float(bool(episode.answer)))
        )
    return Verdict(grounding.share, "" if grounding.share == 1 else f"出处里没有：{grounding.told()}")


def form(row: Record, episode: Episode, settings: Any) -> Verdict | None:
    """1 for an answer that is whole: not empty, not cut off, no marks left in it, no stuttering."""
    answer = episode.answer
    if episode.finish == "length":
        return Verdict(0.0, "没有说完")
    if not answer.strip():
        return Verdict(0.0, "没有回答")
    if broken := _BROKEN.search(answer):
        return Verdict(0.0, f"残缺的标记 {broken.group()}")
    return Verdict(0.0, "反复说同一句") if _STUTTER.search(answer) else Verdict(1.0)


def tool(row: Record, episode: Episode, settings: Any) -> Verdict | None:
    """Share of the calls that were carried out; 0 where tools were on offer and none was called."""
    if not row.tools:
        return None
    results = [turn.content for turn in episode.said if turn.role == "tool"]
    if not results:
        return Verdict(0.0, "没有调用工具")
    failed = [text for text in results if text.startswith("错误：")]
    return Verdict(1 - len(failed) / len(results), failed[0][:80] if failed else "")


def conduct(row: Record, episode: Episode, settings: Any) -> Verdict | None:
    """What is forbidden to say to customers; see records.quality.compliance."""
    finding = compliance(Said(row.question, row.material, episode.answer, row))
    return Verdict(finding.score, finding.reason) if finding else Verdict(1.0)


def length(row: Record, episode: Episode, settings: Any) -> Verdict | None:
    """1 up to the target, falling in a line to 0 at twice as many tokens (as DAPO's, arXiv:2503.14476)."""
    over = episode.tokens / settings.length_target - 1
    return Verdict(min(1.0, max(0.0, 1 - over)), f"{episode.tokens} 个词元" if over > 0 else "")


def _given(row: Record, episode: Episode) -> str:
    """Everything the model was given to answer from, besides the question."""
    results = [turn.content for turn in episode.said if turn.role == "tool"]
    return "\n".join(text for text in (row.material, *results) if text)


def _has_number(text: str) -> bool:
    return any(character.isdigit() for character in text)
