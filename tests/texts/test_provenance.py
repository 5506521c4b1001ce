"""Where the handbook carries the bundled answers: spans that hold, and how many facts they leave out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cornucopia.records.grounding import check_answer
from cornucopia.records.locate import locate
from cornucopia.records.read import read_records
from cornucopia.sources.handbook import articles, cite, read_citation

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"qa", "conduct", "multi-turn", "paraphrase", "unseen"}


@pytest.fixture(scope="module")
def texts():
    return {article.id: article.text for article in articles(ROOT / "handbook")}


@pytest.fixture(scope="module")
def bundled():
    files = [ROOT / "instruction_data" / name for name in ("fin_data.json", "infer.json")]
    return [record for file in files for record in read_records(file, rejects=False).records]


@pytest.fixture(scope="module")
def cited(bundled):
    return [(record, *read_citation(record.span)) for record in bundled if record.span]


def quoted(texts, name, spans):
    return "\n".join(texts[name][start:end] for start, end in spans)


def test_every_span_is_whole_sentences_of_an_article(cited, texts):
    for record, name, spans in cited:
        text = texts[name]
        assert cite(name, spans) == record.span
        for start, end in spans:
            assert 0 <= start < end <= len(text), record.span
            assert start == 0 or text[start - 1] in "。！？；\n”」』）)", (record.id, text[start - 5 : start + 5])
            assert text[end - 1] in "。！？；”」』）)：|" or text[end : end + 1] in ("\n", ""), (
                record.id,
                text[end - 9 :],
            )


def test_a_record_of_an_article_cites_that_article(cited):
    assert not [record.id for record, name, _ in cited if record.extra.get("article", name) != name]


def test_most_answers_have_a_place_and_most_places_carry_every_fact(bundled, cited, texts):
    wanted = [record for record in bundled if record.kind in FACTS]
    assert all(record.kind in FACTS for record, *_ in cited)
    checks = [
        check_answer(
            record.golden,
            quoted(texts, name, spans),
            question="\n".join(m.content for m in record.messages if m.role == "user"),
        )
        for record, name, spans in cited
    ]
    assert (len(wanted), len(cited)) == (1520, 1272)
    assert sum(not one.holds for one in checks) == 135
    assert sum(len(one.missing) for one in checks) == 167
    assert sum(len(one.found) for one in checks) == 3241


def test_what_is_found_again_is_what_the_records_say(cited, texts):
    for record, name, _ in [row for row in cited if "article" in row[0].extra][::40]:
        found = locate(record.golden, texts[name], question=record.question)
        assert record.span == cite(name, found.spans), "run recipes/data/spans.py again"
