"""The handbook as a source: texts, passages, records with evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cornucopia.core.errors import DataError
from cornucopia.factory.intake.handbook import Handbook, HandbookConfig
from cornucopia.records.evidence import evidence_of

SOURCES = "sources:\n  - {{name: 《条例》, number: 第1号, date: 2015-02}}\n"
FRONT = "---\ntitle: {title}\ndomain: 存款\n" + SOURCES + "as_of: 2025-06\n---\n"
BODY = "本金和利息都保。\n\n## 保多少\n\n每人每家银行50万元。\n\n## 谁出钱\n\n银行交，储户不用交。\n"


@pytest.fixture
def handbook(tmp_path):
    folder = tmp_path / "handbook" / "wealth"
    folder.mkdir(parents=True)
    (folder / "01-safe.md").write_text(FRONT.format(title="存款保险") + BODY, encoding="utf-8")
    start = BODY.index("每人")
    span = f"wealth/01-safe 第{start + 1}-{start + 11}字"
    rows = [
        {"instruction": "最多赔多少？", "output": "50万元。", "span": span, "id": "a"},
        {"instruction": "要交钱吗？", "output": "不用。", "id": "b"},
    ]
    questions = tmp_path / "questions.json"
    questions.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return {"path": str(tmp_path / "handbook"), "questions": str(questions)}


def records(handbook, tmp_path, *parts, **more):
    return list(Handbook(HandbookConfig(**handbook, parts=list(parts), **more)).records(tmp_path, 0))


def test_records_carry_the_words_they_stand_on(handbook, tmp_path):
    one, other = records(handbook, tmp_path, "records")
    (evidence,) = evidence_of(one)
    assert (evidence.document, evidence.quote) == ("wealth/01-safe", "每人每家银行50万元。")
    assert BODY[evidence.start : evidence.end] == evidence.quote
    assert not evidence_of(other)


def test_text_is_one_record_an_article_and_passages_one_a_section(handbook, tmp_path):
    (whole,) = records(handbook, tmp_path, "text")
    assert whole.text == f"存款保险\n\n{BODY.strip()}" and whole.source == "《条例》（第1号，2015年）"
    assert (whole.domain, whole.as_of) == ("存款", "2025-06")
    passages = records(handbook, tmp_path, "passages")
    assert [passage.text.split("\n\n")[-1] for passage in passages] == [
        "本金和利息都保。", "每人每家银行50万元。", "银行交，储户不用交。",
    ]  # fmt: skip
    for passage in passages:
        (evidence,) = evidence_of(passage)
        assert BODY[evidence.start : evidence.end] == evidence.quote
        assert passage.text.endswith(evidence.quote)


def test_reading_gives_the_section_as_material(handbook, tmp_path):
    (only,) = records(handbook, tmp_path, "reading")
    assert only.material == "## 保多少\n\n每人每家银行50万元。" and only.golden == "50万元。"
    assert only.id == "a+" and only.passages[0].source == "存款保险（handbook/wealth/01-safe）"


def test_a_span_that_leads_nowhere_is_told(handbook, tmp_path):
    (tmp_path / "handbook" / "wealth" / "01-safe.md").write_text(FRONT.format(title="短") + "短。\n", encoding="utf-8")
    with pytest.raises(DataError, match="出处不在手册里"):
        records(handbook, tmp_path, "records")


def test_an_article_without_front_matter_is_told(handbook, tmp_path):
    (tmp_path / "handbook" / "bad.md").write_text("没有题头\n", encoding="utf-8")
    with pytest.raises(DataError, match="题头"):
        records(handbook, tmp_path, "text")


def test_the_bundled_ones(tmp_path):
    made = list(Handbook(HandbookConfig(parts=["records", "text"], wordings=2)).records(tmp_path, 1))
    again = list(Handbook(HandbookConfig(parts=["records", "text"], wordings=2)).records(tmp_path, 1))
    assert made == again
    handbook = Path(__file__).resolve().parents[3] / "handbook"
    assert sum(bool(record.text) for record in made) == len(list(handbook.glob("*/[0-9]*.md"))) >= 280
    assert len([record for record in made if "~" in record.id]) == 2 * 1280
    assert sum(bool(evidence_of(record)) for record in made if "~" not in record.id) == 1068
