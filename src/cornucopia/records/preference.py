"""Rows that say which answer is better: pairs and rankings in the shapes of LLaMA-Factory, TRL, BELLE and ms-swift,
and answers marked good or bad (KTO). Knows nothing of the question's own format.
"""

from __future__ import annotations

from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.records.schema import Message
from cornucopia.records.turns import kind_name, list_of, text_of, turn_of

Turns = tuple[Message, ...]
_LABELS = ("kto_tag", "label")


def pop_pair(row: dict[str, Any]) -> tuple[Turns, tuple[Turns, ...]]:
    """(chosen, rejected ones), taken out of the row; () where it has none. Either may begin with the question.

    Raises:
        DataError: an answer that is neither text nor turns.
    """
    chosen = answer_turns(row.pop("chosen"), "chosen") if _filled(row.get("chosen")) else ()
    rejected = _several(row.pop("rejected")) if _filled(row.get("rejected")) else ()
    return chosen, rejected


def answer_turns(value: Any, key: str) -> Turns:
    """An answer as turns: text, one turn, or a list of turns.

    Raises:
        DataError: if it is none of these.
    """
    if isinstance(value, str) and value.lstrip().startswith('[{"'):
        value = list_of(value, key)
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return tuple(turn_of(item, number) for number, item in enumerate(value, 1))
    if isinstance(value, dict) and ("content" in value or "value" in value):
        said = value if "role" in value or "from" in value else {"role": "assistant", **value}
        return (turn_of(said, 1),)
    return (Message("assistant", text_of(value, key)),)


def without_question(turns: Turns, asked: Turns) -> tuple[Turns, Turns]:
    """(question, answer) of turns that may begin with the question themselves.

    Args:
        turns: a chosen or rejected answer.
        asked: the question the row gives beside it, or ().

    Raises:
        DataError: if the row asks something else, or nobody answers.
    """
    start = max((n for n, turn in enumerate(turns, 1) if turn.role in ("user", "system")), default=0)
    lead, answer = turns[:start], turns[start:]
    if not answer or answer[-1].role != "assistant":
        raise DataError("chosen / rejected 里没有助手的回答", found=f"{len(turns)} 轮")
    if lead and asked and _said(lead)[-len(_said(asked)) :] != _said(asked)[-len(_said(lead)) :]:
        raise DataError("chosen / rejected 里的提问与这一行的不同", found=lead[-1].content[:40])
    return (lead if len(lead) > len(asked) else asked), answer


def pop_label(row: dict[str, Any]) -> bool | None:
    """Whether the answer was found good, where the row says it: LLaMA-Factory's and TRL's true or false.

    A class number or name under `label` is something else, and stays.
    """
    for key in _LABELS:
        value = row.get(key)
        value = value.strip().lower() if isinstance(value, str) else value
        wide = key == "kto_tag" and not isinstance(value, (list, dict))
        if isinstance(value, bool) or value in ("true", "false") or (wide and value in (0, 1, "0", "1")):
            del row[key]
            return value in (True, 1, "true", "1")
    return None


def _several(value: Any) -> tuple[Turns, ...]:
    """Rejected answers: one, or a list of answers."""
    if isinstance(value, list) and not all(isinstance(item, dict) for item in value):
        if not all(isinstance(item, (str, list)) for item in value):
            raise DataError("rejected 应是回答或回答的列表", found=kind_name(value[0]))
        return tuple(answer_turns(item, "rejected") for item in value if item)
    turns = answer_turns(value, "rejected")
    if len(turns) > 1 and all(turn.role == "assistant" for turn in turns):
        return tuple((turn,) for turn in turns)
    return (turns,)


def _filled(value: Any) -> bool:
    return value not in (None, "", [], {})


def _said(turns: Turns) -> list[tuple[str, str]]:
    return [(turn.role, turn.content.strip()) for turn in turns if turn.role != "system"]
