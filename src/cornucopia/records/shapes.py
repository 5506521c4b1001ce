"""How a row of each known shape becomes turns, passages and answers; each function pops from the row what it uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.choices import answer_key, has_options, letters_of, pop_options
from cornucopia.records.preference import Turns, answer_turns, pop_pair, without_question
from cornucopia.records.schema import Message, Passage
from cornucopia.records.turns import kind_name, list_of, text_of, turn_of, turns_of, without_thought

ANSWERS = ("output", "response", "answer", "target")
MATERIALS = ("input", "context")
# Right answers of evaluation sets; beside an answer of another name they stay what they are.
REFERENCES = ("std_answer", "standard_answer", "golden_answer", "gold_answer", "reference_answer")
_NO_MATERIAL = ("<noinput>", "nan", "null", "none")  # how alpaca's authors and spreadsheets write that there is none


@dataclass
class Parts:
    """What a format makes of a row: turns, or a plain document, and fields it decides itself."""

    messages: list[Message] = field(default_factory=list)
    text: str = ""
    passages: tuple[Passage, ...] = ()
    rejected: tuple[Turns, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)  # what the user should know of how it was read


def _lead(row: dict[str, Any]) -> list[Message]:
    """The system text and the earlier turns that a row may carry beside its question."""
    system = text_of(row.pop("system", None), "system")
    turns = [Message("system", system)] if system.strip() else []
    for number, item in enumerate(list_of(row.pop("history", None), "history"), 1):
        if isinstance(item, dict):
            turns.append(turn_of(item, number))
        elif isinstance(item, (list, tuple)) and len(item) == 2:
            question, answer = (text_of(side, f"history 第 {number} 轮") for side in item)
            turns += [Message("user", question), Message("assistant", answer)]
        else:
            raise DataError("history 的每一轮应是 [问, 答]", found=f"{kind_name(item)} {str(item)[:40]}")
    return turns


def _answered(row: dict[str, Any], asked: list[Message], passages: tuple[Passage, ...] = ()) -> Parts:
    """The question with its answer under whatever name; of a pair or ranking, the best one, and the others."""
    key = next((name for name in ANSWERS if row.get(name) not in (None, "", [])), None)
    if key is None and not row.get("chosen"):
        key = next((name for name in REFERENCES if isinstance(row.get(name), str) and row[name].strip()), None)
    value = row[key] if key else None
    if key and isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value):
        row["chosen"], *row["rejected"] = row.pop(key)
        key = None
    chosen, rejected = pop_pair(row)
    if key and not chosen:
        chosen = answer_turns(row.pop(key), key)
    for name in ANSWERS:
        if row.get(name) in (None, "", []):
            row.pop(name, None)
    if not chosen or chosen[-1].is_blank:
        row |= {"rejected": [turn.content for turns in rejected for turn in turns]} if rejected else {}
        return Parts(asked, passages=passages)
    lead, answer = without_question(chosen, tuple(asked))
    others = tuple(without_question(turns, lead)[1] for turns in rejected)
    return Parts([*lead, *answer[:-1], _thinking(row, answer[-1])], passages=passages, rejected=others)


def _thinking(row: dict[str, Any], answer: Message) -> Message:
    """The answer with the row's thinking, which is not said twice."""
    thought = text_of(row.pop("reasoning", None), "reasoning").strip()
    if not thought or answer.reasoning:
        return answer
    return replace(answer, content=without_thought(answer.content, thought), reasoning=thought)


def asked_under(key: str) -> Callable[[dict[str, Any]], Parts]:
    """A converter for `question under key, options, material, answer, system, history`."""

    def convert(row: dict[str, Any]) -> Parts:
        asked, told = row.pop(key), _instance(row)
        lead = _lead(row)
        name = next((name for name in MATERIALS if _is_material(row.get(name))), None)
        passages = _passages(row.pop(name), name) if name else ()
        if isinstance(asked, list):
            turns = turns_of(_interleaved(asked, row))
            return _answered(row, [*lead, *turns], passages)
        question = text_of(asked, key)
        if not question.strip() and passages:
            question, passages = "\n\n".join(passage.text for passage in passages), ()
        if has_options(row):
            return _chosen(row, lead, question, passages)
        parts = _answered(row, [*lead, Message("user", question)], passages)
        return replace(parts, told=told)

    return convert


def _instance(row: dict[str, Any]) -> set[str]:
    """A seed task of self-instruct gets the input and output of its first instance; what to tell of the others."""
    several = row.get("instances")
    if not isinstance(several, list) or not several or any(row.get(name) for name in (*ANSWERS, *MATERIALS)):
        return set()
    first, *others = several
    if not isinstance(first, dict) or not {"output"} <= set(first) <= {"input", "output"}:
        return set()
    row |= first
    row["instances"] = others
    if not others:
        del row["instances"]
    return {"种子任务有几个例子（instances）的，只用第一个；其余留在原处"} if others else set()


def _interleaved(asked: list[Any], row: dict[str, Any]) -> list[Any]:
    """The turns; of texts beside a list of as many answers, one after the other, without the last answer."""
    key = next((name for name in ANSWERS if row.get(name)), "")
    answers = row.get(key)
    if not isinstance(answers, list) or len(answers) != len(asked):
        return asked
    said = [text for pair in zip(asked, answers, strict=True) for text in pair]
    if not all(isinstance(text, str) for text in said):
        return asked
    row[key] = said.pop()
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]


def _is_material(value: Any) -> bool:
    return value not in (None, "", []) and not (isinstance(value, str) and value.strip().lower() in _NO_MATERIAL)


def _passages(value: Any, key: str) -> tuple[Passage, ...]:
    texts = value if isinstance(value, list) else [value]
    return tuple(Passage(text_of(text, key)) for text in texts if text not in (None, ""))


def _chosen(row: dict[str, Any], lead: list[Message], question: str, passages: tuple[Passage, ...]) -> Parts:
    """A multiple-choice question: the options are put under the question, the answer is letters."""
    options, told = pop_options(row), set[str]()
    lines = [f"{option.letter}. {option.text}" for option in options]
    if not all(option.text in question and f"{option.letter}" in question for option in options):
        question = "\n".join([question, *lines])
    turns = [*lead, Message("user", question)]
    named = answer_key(row, ANSWERS)
    if named:
        letters = letters_of(row.pop(named), options, named, told)
        turns.append(_thinking(row, Message("assistant", letters)))
    return Parts(turns, passages=passages, fields={} if row.get("kind") else {"kind": "choice"}, told=told)


def turns_under(key: str) -> Callable[[dict[str, Any]], Parts]:
    """A converter for a list of turns (role/content or from/value) under `key`."""

    def convert(row: dict[str, Any]) -> Parts:
        turns = turns_of(list_of(row.pop(key), key))
        lead = [] if turns and turns[0].role == "system" else _lead(row)
        if not turns or turns[-1].role != "assistant":
            return _answered(row, [*lead, *turns])
        chosen, rejected = pop_pair(row)
        if chosen and chosen[-1].content.strip() != turns[-1].content.strip():
            raise DataError(f"{key} 以助手的回答结尾，chosen 却是另一个回答", found=chosen[-1].content[:40])
        others = tuple(without_question(answer, tuple(turns[:-1]))[1] for answer in rejected)
        return Parts([*lead, *turns[:-1], _thinking(row, turns[-1])], rejected=others)

    return convert


def from_batch(row: dict[str, Any]) -> Parts:
    body = row.pop("body")
    if not isinstance(body, dict) or "messages" not in body:
        raise DataError("OpenAI Batch 的 body 里应有 messages", found=kind_name(body))
    parts = turns_under("messages")({"messages": body["messages"]})
    # Parameters of the request stay together: none of them is a column of the row, whatever its name.
    row["body"] = {key: value for key, value in body.items() if key != "messages"}
    parts.fields = {"id": text_of(row.pop("custom_id"), "custom_id"), "kind": "openai_batch"}
    return parts


def from_document(row: dict[str, Any]) -> Parts:
    text = text_of(row.pop("text"), "text")
    if not text.strip():
        raise DataError("text 是空的")
    return Parts(text=text)


def from_summary(row: dict[str, Any]) -> Parts:
    row["answer"] = row.pop("summary")
    return asked_under("content")(row)


def from_pair(row: dict[str, Any]) -> Parts:
    return _answered(row, _lead(row))
