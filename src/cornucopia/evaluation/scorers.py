"""What a task's YAML calls for the result of one question (`process_results`) and for the whole (`aggregation`).

Every generated task gives `extracted`: 1 where an answer could be read out of the text, else 0. An answer that could
not be read scores 0 too, so the two shares must be looked at together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from cornucopia.core.text_scores import bleu, character_f1, normalise, rouge_l, rouge_n
from cornucopia.evaluation.benchmarks.texts import NOTHING, names_of
from cornucopia.evaluation.conduct import is_proper
from cornucopia.evaluation.extract import read_labels, read_letters, read_names
from cornucopia.evaluation.final_number import final_number_is
from cornucopia.finance.score import score_numbers
from cornucopia.tokens.reasoning import split_reasoning

Row = dict[str, Any]
Scores = dict[str, Any]


def choose_letter(row: Row, results: Sequence[tuple[float, bool]]) -> Scores:
    """By likelihood, one option right: which letter is the likeliest, and how sure the model is of it."""
    place, share = _likeliest(results)
    right = float(place == row["gold"])
    return {"acc": right, "ece": [share, right]}


def choose_letters(row: Row, results: Sequence[tuple[float, bool]]) -> Scores:
    """By likelihood over every set of letters; right is only the very set."""
    place, share = _likeliest(results)
    chosen = letter_sets(row)[place]
    right = float(chosen == row["answer"])
    return {"acc": right, "ece": [share, right]}


def letter_sets(row: Row) -> list[str]:
    """Every set of a question's letters that is not empty, as text: A, AB, ABC, AC, B ..."""
    letters, masks = row["letters"], range(1, 2 ** len(row["letters"]))
    return sorted("".join(one for place, one in enumerate(letters) if mask >> place & 1) for mask in masks)


def choose_label(row: Row, results: Sequence[tuple[float, bool]]) -> Scores:
    """By likelihood over the labels, each divided by its characters, as labels differ in length."""
    longs = [
        (score / max(len(label), 1), greedy) for (score, greedy), label in zip(results, row["labels"], strict=True)
    ]
    place, share = _likeliest(longs)
    pair = [row["answer"].split("；"), [row["labels"][place]]]
    right = float(row["labels"][place] in pair[0])
    return {"acc": right, "ece": [share, right], "weighted_f1": pair, "macro_f1": pair}


def _likeliest(results: Sequence[tuple[float, bool]]) -> tuple[int, float]:
    """(place, its share of the probability of all that was offered)."""
    scores = [score for score, _ in results]
    best = max(scores)
    return scores.index(best), 1 / sum(math.exp(score - best) for score in scores)


def written_letter(row: Row, results: Sequence[str]) -> Scores:
    """In words, one option right."""
    found = read_letters(answer_of(results), row["letters"], row["options"])
    return {"acc": float(found == row["answer"]), "extracted": float(found is not None)}


def written_letters(row: Row, results: Sequence[str]) -> Scores:
    """In words, several options right; only the very set is."""
    found = read_letters(answer_of(results), row["letters"], row["options"], several=True)
    return {"acc": float(found == row["answer"]), "extracted": float(found is not None)}


def written_label(row: Row, results: Sequence[str]) -> Scores:
    """In words, one label or several."""
    wanted = row["answer"].split("；")
    found = read_labels(answer_of(results), row["labels"], several=row["several"])
    pair = [wanted, found or []]
    right = float(set(found or ()) == set(wanted))
    return {"acc": right, "weighted_f1": pair, "macro_f1": pair, "extracted": float(found is not None)}


def written_text(row: Row, results: Sequence[str]) -> Scores:
    """Against a reference text; characters are the units."""
    answer, golden = answer_of(results), row["answer"]
    return {
        "rouge_1": rouge_n(answer, golden, 1), "rouge_2": rouge_n(answer, golden, 2),
        "rouge_l": rouge_l(answer, golden), "bleu_4": bleu(answer, golden), "extracted": float(bool(answer)),
    }  # fmt: skip


def written_span(row: Row, results: Sequence[str]) -> Scores:
    """A short answer: equal to the reference, and how many characters it shares with it."""
    answer, golden = answer_of(results), row["answer"]
    same = float(normalise(answer) == normalise(golden))
    return {"exact": same, "char_f1": character_f1(answer, golden), "extracted": float(bool(answer))}


def written_names(row: Row, results: Sequence[str]) -> Scores:
    """A list of names, or 无."""
    found, wanted = read_names(answer_of(results), NOTHING), names_of(row["answer"])
    pair = [sorted(wanted), sorted(found or ())]
    right = float(found is not None and found == wanted)
    return {"entity_f1": pair, "exact": right, "extracted": float(found is not None)}


def written_number(row: Row, results: Sequence[str]) -> Scores:
    """A number with its unit: the one the answer ends at must be the reference's, at the rounding shown."""
    answer = answer_of(results)
    right = final_number_is(answer, row["answer"], row["question"])
    return {"acc": float(right is True), "extracted": float(right is not None)}


def written_calculation(row: Row, results: Sequence[str]) -> Scores:
    """A calculation that its calculator judges: every key value there, none that does not follow."""
    answer = answer_of(results)
    score = score_numbers(
        answer, question=row["question"], calculator=row["calculator"], inputs=json.loads(row["inputs"])
    )
    has_number = any(char.isdigit() for char in answer)
    return {"acc": float(score.share == 1), "extracted": float(has_number)}


def written_after_doubt(row: Row, results: Sequence[str]) -> Scores:
    """What was right before must be said again; the wrong number that the customer named may be repeated."""
    answer = answer_of(results)
    right = final_number_is(answer, row["kept"], row["question"], named=row["question"])
    return {"acc": float(right is True), "extracted": float(right is not None)}


def written_facts(row: Row, results: Sequence[str]) -> Scores:
    """A held-out question: its numbers, and its characters."""
    answer = answer_of(results)
    score = score_numbers(answer, question=row["question"], golden=row["answer"], given=row["given"])
    scores: Scores = {"char_f1": character_f1(answer, row["answer"]), "rouge_l": rouge_l(answer, row["answer"])}
    if score.share is not None:
        scores["numbers"] = score.share
    return {**scores, "extracted": float(bool(answer))}


def written_numbers(row: Row, results: Sequence[str]) -> Scores:
    """Number fidelity: what share of the wanted numbers is said, and whether no number stands there without support."""
    answer = answer_of(results)
    score = score_numbers(answer, question=row["question"], golden=row["answer"], given=row["given"])
    return {
        "numbers": score.share or 0.0, "no_stray": float(not score.strays), "extracted": float(bool(answer)),
    }  # fmt: skip


def written_conduct(row: Row, results: Sequence[str]) -> Scores:
    """Whether what must be declined is declined, and nothing is said that regulation forbids."""
    answer = answer_of(results)
    return {"acc": float(is_proper(answer)), "extracted": float(bool(answer))}


def answer_of(results: Sequence[Any]) -> str:
    """What was written after the thinking."""
    text = results[0]
    if isinstance(text, list):
        text = text[0]
    return split_reasoning(str(text), opened="</think>" in str(text) and "<think>" not in str(text))[1]
