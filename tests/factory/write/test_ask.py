"""Questions from documents against a scripted server: evidence to the page and character, and what is thrown away."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.factory.write.ask import Ask, AskConfig
from cornucopia.records.evidence import evidence_of
from cornucopia.records.schema import Record
from servers import chat_server
from writing_fakes import PAGES, document, good_author, pair, said, settings, stage_run


def ask(server, tmp_path, records=None, **more):
    stage = Ask(AskConfig.build(settings(server.url, tmp_path, levels=["passage"], **more)))
    return stage_run(stage, document() if records is None else records, tmp_path / "run")


def rules(outcome):
    return Counter(one.rule for one in outcome.dropped)


def test_every_answer_cites_the_page_and_characters_where_its_words_stand(tmp_path):
    with chat_server(answer=good_author) as server:
        outcome = ask(server, tmp_path)
    assert len(outcome.kept) == 6
    for record in outcome.kept:
        (place,) = evidence_of(record)
        assert PAGES[place.page][place.start : place.end] == place.quote
        assert place.quote in record.golden
        assert record.span == place.span and f"第{place.page}页" in record.span
        assert (record.source, record.licence, record.as_of, record.domain) == (
            "个人贷款办法",
            "内部",
            "2026-05",
            "贷款",
        )
    assert not outcome.dropped
    assert len({record.id for record in outcome.kept}) == 6


def test_a_question_is_answered_from_just_the_passage_it_needs(tmp_path):
    with chat_server(answer=good_author) as server:
        stage = Ask(AskConfig.build(settings(server.url, tmp_path, levels=["document"], questions=20)))
        outcome = stage_run(stage, document(), tmp_path / "run")
        answering = [said(body) for body in server.requests if "answerable" in said(body)]
    assert {record.extra["level"] for record in outcome.kept} == {"passage"}  # whatever was asked for
    for prompt in answering:
        assert sum(page[:12] in prompt for page in PAGES.values()) == 1


def test_words_that_the_document_has_not_are_thrown_away(tmp_path):
    def author(body):
        items = (
            json.loads(good_author(body).strip("`").removeprefix("json")) if "answerable" not in said(body) else None
        )
        if items is None:
            return json.dumps({"answer": "年利率为3.85%。", "quotes": ["年利率为3.85%"]}, ensure_ascii=False)
        items[0]["quotes"] = ["本行不收取任何费用"]
        return json.dumps(items, ensure_ascii=False)

    with chat_server(answer=author) as server:
        outcome = ask(server, tmp_path)
    assert not outcome.kept
    assert rules(outcome) == {"quote_not_found": 6}


def test_an_answer_with_a_number_of_its_own_is_thrown_away(tmp_path):
    def author(body):
        text = good_author(body)
        return text.replace("规定是：", "一般30天批下来。规定是：") if "answerable" in said(body) else text

    with chat_server(answer=author) as server:
        outcome = ask(server, tmp_path)
        loose = ask(server, tmp_path / "loose", check_facts=False)
    assert rules(outcome) == {"fact_not_found": 6}
    assert len(loose.kept) == 6


def test_questions_that_point_at_a_text_nobody_sees_and_doubles_go(tmp_path):
    def author(body):
        if "answerable" in said(body):
            return good_author(body)
        quote = "单户授信额度最高50万元"
        asked = [
            "根据上述材料，利率是多少？",
            "个人贷款的年利率为多少？",
            "个人贷款的年利率是多少？",
            "贷款额度50万元的上限适用于谁？",
        ]
        return json.dumps([{"question": one, "quotes": [quote]} for one in asked], ensure_ascii=False)

    with chat_server(answer=author) as server:
        outcome = ask(server, tmp_path, document()[1:2], questions=4)
    assert rules(outcome)["points_at_text"] == 1 and rules(outcome)["alike"] == 1


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (("[{\"question\": \"额度最高多少", "length"), "cut_off"),
        ("[{\"question\": \"额度最高是多少？\", \"quotes\": [\"单户授", "bad_json"),
        ("今天天气不错。", "bad_json"),
        ("[1, 2, 3]", "bad_json"),
        ("很抱歉，我无法回答这个问题。", "refused"),
        ((400, {}, {"error": {"code": "content_filter", "message": "blocked"}}), "blocked"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_dropped_with_its_reason(tmp_path, text, rule):
    with chat_server(answer=lambda body: text) as server:
        outcome = ask(server, tmp_path)
    assert not outcome.kept and rules(outcome) == {rule: 3}


def test_shares_choose_levels_and_readers_whatever_the_order_of_work(tmp_path):
    pages = {
        number: f"第{number}条 本行第{number}类客户每月可以免费转账{number}次，超过的每笔收2元。"
        for number in range(1, 201)
    }
    stage = Ask(AskConfig.build(settings("http://127.0.0.1:9/v1", tmp_path, levels=["passage=0.7", "document=0.3"])))
    records = document(pages=pages)
    topics = stage._topics(records, 42)
    levels = Counter(topic.level for topic in topics)
    assert 40 <= levels["document"] <= 80 and levels["neighbours"] == 0
    again = {topic.origin.id: (topic.level, topic.reader, topic.forms) for topic in stage._topics(records[::-1], 42)}
    assert again == {topic.origin.id: (topic.level, topic.reader, topic.forms) for topic in topics}


def test_plain_text_and_passages_without_places_are_asked_about_too(tmp_path):
    with chat_server(answer=good_author) as server:
        texts = [document()[0].__class__(text=PAGES[2], id="a.txt", source="利率说明")]
        outcome = ask(server, tmp_path, texts)
    (place, _) = [evidence_of(record)[0] for record in outcome.kept]
    assert place.document == "利率说明" and PAGES[2][place.start : place.end] == place.quote


def test_pieces_whose_records_share_an_id_keep_their_own_answers(tmp_path):
    with chat_server(answer=good_author) as server:
        outcome = ask(server, tmp_path, [replace(record, id="") for record in document()])
    assert len(outcome.kept) == len({record.id for record in outcome.kept}) == 6


def test_shares_that_cannot_be_read_are_refused():
    for words in (["段内=1"], ["passage=x"], ["passage=0"]):
        with pytest.raises(ConfigError, match="levels"):
            AskConfig.build({"base": "x", "levels": words})


def test_the_material_goes_along_when_asked_for(tmp_path):
    with chat_server(answer=good_author) as server:
        outcome = ask(server, tmp_path, with_material=True)
    assert all(record.passages[0].text in PAGES.values() for record in outcome.kept)


def test_what_is_a_question_already_goes_through_and_what_is_nothing_is_told(tmp_path):
    with chat_server(answer=good_author) as server:
        given = [pair("甲？", "乙。", id="q"), *document(), Record(id="空")]
        outcome = ask(server, tmp_path, given)
    assert outcome.kept[0] == given[0] and len(outcome.kept) == 7
    assert [(one.record.id, one.rule) for one in outcome.dropped] == [("空", "no_material")]
