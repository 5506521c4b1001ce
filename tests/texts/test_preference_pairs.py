"""The bundled preference pairs: the good answer is the checked one, the bad one is as long, and its fault is named."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

from cornucopia.records.overlap import overlap
from cornucopia.records.read import read_records
from cornucopia.records.sameness import normalized

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "instruction_data"
DOMAINS = {"保险", "股票", "基金", "贷款", "信用卡", "社保", "理财", "税务债券与宏观"}
FAULTS = {"数字错", "过时", "许诺", "没依据", "回避", "诱导"}
CARRIED = ("instruction", "input", "domain", "source", "as_of")  # with `output`, which becomes `chosen`
SAME_OPENING = 5
FIGURE = re.compile(r"\d+(?:\.\d+)?")


def lines_of(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines() if line.strip()]


@pytest.fixture(scope="module")
def pairs():
    return json.loads((DATA / "preference.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pair_records():
    """The same as the trainer reads them: no bad row, no note."""
    result = read_records(DATA / "preference.json", rejects=False, objective="preference")
    assert not result.rejects and not result.notes
    return result.records


@pytest.fixture(scope="module")
def answers():
    return {row["id"]: row for row in lines_of("fin_data.json")}


@pytest.fixture(scope="module")
def written(pairs):
    """Pairs made from a record of fin_data.json: all but the first 24."""
    return [pair for pair in pairs if "of" in pair]


def most_used(openings) -> list:
    return [(words, count) for words, count in Counter(openings).items() if count > SAME_OPENING]


def test_every_row_is_a_good_pair(pairs, pair_records):
    assert [record.id for record in pair_records] == [pair["id"] for pair in pairs]


def test_enough_of_every_domain_and_fault(pairs):
    domains, faults = Counter(pair["domain"] for pair in pairs), Counter(pair["fault"] for pair in pairs)
    assert set(domains) == DOMAINS and min(domains.values()) >= 65, domains
    assert set(faults) == FAULTS and min(faults.values()) >= 80 and max(faults.values()) <= 2 * min(faults.values()), (
        faults
    )
    both = Counter((pair["domain"], pair["fault"]) for pair in pairs)
    assert len(both) == len(DOMAINS) * len(FAULTS) and min(both.values()) >= 8, both.most_common()[-5:]


def test_the_good_answer_is_the_records_own_word_for_word(written, answers):
    assert len(written) >= 600
    for pair in written:
        record = answers[pair["of"]]
        assert pair["chosen"] == record["output"], pair["id"]
        assert [pair[name] for name in CARRIED] == [record[name] for name in CARRIED], pair["id"]


def test_a_record_is_used_once_and_few_are_calculations(written, answers):
    assert len({pair["of"] for pair in written}) == len(written)
    kinds = Counter(answers[pair["of"]]["kind"] for pair in written)
    assert set(kinds) <= {"qa", "conduct", "calc"} and kinds["calc"] <= 40, kinds


def test_ids_questions_and_bad_answers_are_unique(pairs):
    for name in ("id", "instruction", "rejected"):
        doubled = [text for text, count in Counter(normalized(pair[name]) for pair in pairs).items() if count > 1]
        assert not doubled, (name, doubled[:3])


def test_the_bad_answer_is_another_answer(written, answers):
    checked = {normalized(row["output"]) for row in answers.values()}
    assert not [pair["id"] for pair in written if normalized(pair["rejected"]) in checked]


def test_length_does_not_give_the_bad_answer_away(written):
    ratios = {pair["id"]: len(pair["rejected"]) / len(pair["chosen"]) for pair in written}
    assert not {name: ratio for name, ratio in ratios.items() if not 0.75 <= ratio <= 1.6}
    longer = sum(ratio >= 1 for ratio in ratios.values()) / len(ratios)
    assert 0.45 <= longer <= 0.62 and 0.95 <= median(ratios.values()) <= 1.05, longer


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_no_fault_has_a_length_of_its_own(written, fault):
    middle = median(len(pair["rejected"]) / len(pair["chosen"]) for pair in written if pair["fault"] == fault)
    assert 0.9 <= middle <= 1.15, middle


def test_bad_answers_begin_differently(pairs):
    assert not most_used(pair["rejected"][:4] for pair in pairs)
    assert not most_used(re.split(r"[，。！？：；、]", pair["rejected"])[0] for pair in pairs)


def test_a_wrong_figure_is_a_figure_and_an_evasion_gives_none(written):
    for pair in written:
        figures = set(FIGURE.findall(pair["rejected"]))
        if pair["fault"] == "数字错":
            assert figures, pair["id"]
        elif pair["fault"] == "回避":
            assert not figures & (set(FIGURE.findall(pair["chosen"])) - set(FIGURE.findall(pair["instruction"]))), pair[
                "id"
            ]


def test_no_pair_gives_a_held_out_question_away(pair_records):
    held_out = read_records(DATA / "infer.json", rejects=False, objective="sft").records
    found = overlap(pair_records, held_out, threshold=0.5)
    assert not [(pair_records[at.left].id, held_out[at.right].id) for at in found]


def test_recipes_and_guide_name_the_right_number(pairs):
    named = [ROOT / "recipes" / f"{name}.yaml" for name in ("dpo", "ipo", "simpo", "orpo", "kto")]
    for path in [*named, ROOT / "docs" / "train.md"]:
        assert re.findall(r"随项目的 (\d+) 对例子", path.read_text(encoding="utf-8")) == [str(len(pairs))], path.name
