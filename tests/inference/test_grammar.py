import json

import pytest
from jsonschema import validate

from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.grammar import Grammars
from cornucopia.inference.providers import LOCAL, parameters
from cornucopia.records.schema import Message, Record
from tiny_models import make_tokenizer, open_engines

pytest.importorskip("llguidance")
SCHEMA = {
    "type": "object",
    "properties": {
        "名称": {"type": "string", "maxLength": 6},
        "利率": {"type": "integer", "minimum": 0, "maximum": 99},
        "类型": {"enum": ["债券", "基金"]},
    },
    "required": ["名称", "利率", "类型"],
    "additionalProperties": False,
}
TEXT = json.dumps(SCHEMA, ensure_ascii=False)


@pytest.fixture(scope="module")
def engine(tiny):
    return open_engines(tiny, [None])[0]


def asked(text):
    return Record((Message("user", text),))


@pytest.mark.parametrize("heat", [0, 1.5])
def test_answers_of_a_model_that_talks_nonsense_are_json_of_the_schema(engine, heat):
    requests = [Request(str(i), asked("问" * (i + 1))) for i in range(4)]
    sampling = Sampling(max_new_tokens=120, temperature=heat, json_schema=TEXT)
    for reply in engine.generate(requests, sampling):
        assert reply.finish_reason == "stop", reply
        validate(json.loads(reply.answer), SCHEMA)


def test_pieces_of_a_stream_are_the_same_answer(engine):
    sampling = Sampling(max_new_tokens=120, temperature=0, json_schema=TEXT)
    pieces = list(engine.stream(asked("问"), sampling))
    (reply,) = engine.generate([Request("0", asked("问"))], sampling)
    assert "".join(pieces).strip() == reply.answer


def test_without_a_schema_nothing_changes(engine):
    plain, held = Sampling(max_new_tokens=8, temperature=0), Sampling(max_new_tokens=8, temperature=0)
    held = held.model_copy(update={"json_schema": None})
    answers = [next(iter(engine.generate([Request("0", asked("问"))], s))).answer for s in (plain, held)]
    assert answers[0] == answers[1]
    assert plain.fingerprint() == Sampling(max_new_tokens=8, temperature=0).fingerprint()
    assert plain.fingerprint() != plain.model_copy(update={"json_schema": TEXT}).fingerprint()


@pytest.mark.parametrize("schema", ['{"type": "nonsense"}', '{"not": {}}', '{"pattern": "(?=x)"}'])
def test_a_schema_that_cannot_be_held_to_is_told_and_harms_no_other(engine, schema):
    (reply,) = engine.generate([Request("0", asked("问"))], Sampling(json_schema=schema))
    assert reply.finish_reason == "error" and "JSON Schema" in reply.error
    with pytest.raises(UsageError):
        Grammars(make_tokenizer(), 260).guide(schema)


@pytest.mark.parametrize("text", ["[]", "7", "{", "文字"])
def test_what_is_no_schema_is_refused_where_it_is_given(text):
    with pytest.raises(ConfigError, match="JSON"):
        Sampling.build({"json_schema": text})


def test_thoughts_come_before_the_json():
    tokenizer = make_tokenizer()
    guide = Grammars(tokenizer, 260).guide('{"type": "integer"}', thinking=True)
    import torch

    scores = torch.zeros(1, 260)
    for token in tokenizer("想一想</think>").input_ids:
        assert torch.equal(guide.allow(scores), scores)
        assert not guide.take(token)
    allowed = guide.allow(scores).isfinite()[0]
    assert allowed[tokenizer("7").input_ids[0]] and not allowed[tokenizer("a").input_ids[0]]


def test_a_service_is_asked_in_its_own_words():
    sent = parameters(Sampling(json_schema=TEXT), LOCAL)["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
