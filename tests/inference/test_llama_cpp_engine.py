import json

import pytest
from jsonschema import validate

from cornucopia.core.errors import CornucopiaError
from cornucopia.export.run import ExportOptions, export
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.open_engine import kind_of, open_engine
from cornucopia.inference.spec import EngineSpec
from cornucopia.records.schema import Message, Record
from tiny_models import open_engines

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
ASKED = Record((Message("user", "Rate 3.5%?"),))
GREEDY = Sampling(max_new_tokens=8)


@pytest.fixture(scope="module")
def file(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    export(ExportOptions(base=str(tiny), out=str(out), gguf="f32"))
    return out


@pytest.fixture(scope="module")
def engine(file):
    made = open_engine(EngineSpec(base=str(file), device="cpu", concurrency=2))
    yield made
    made.server.close()


def answer(engine, sampling, record=ASKED):
    (reply,) = engine.generate([Request("0", record)], sampling)
    return reply


def test_a_file_answers_as_the_model_it_was_made_of_does(engine, tiny):
    theirs, ours = answer(engine, GREEDY), answer(open_engines(tiny, [None], dtype="float32")[0], GREEDY)
    assert theirs.answer[:4] == ours.answer[:4] != "" and theirs.prompt_tokens == ours.prompt_tokens
    assert engine.prompt_length(ASKED) == theirs.prompt_tokens
    assert engine.limits().context == 512 and engine.limits().schemas


def test_settings_left_open_are_greedy(engine):
    first, again = answer(engine, GREEDY), answer(engine, GREEDY)
    assert first.answer == again.answer and first.finish_reason == "length"
    hot = [answer(engine, Sampling(max_new_tokens=8, temperature=1.5, seed=seed)).answer for seed in (1, 1, 2)]
    assert hot[0] == hot[1] != hot[2]


def test_answers_are_held_to_a_schema_and_a_stream_says_the_same(engine):
    schema = {"type": "object", "properties": {"kind": {"enum": ["债", "基"]}}, "required": ["kind"]}
    schema["additionalProperties"] = False
    sampling = Sampling(max_new_tokens=200, json_schema=json.dumps(schema))
    reply = answer(engine, sampling)
    assert reply.finish_reason == "stop" and "".join(engine.stream(ASKED, sampling)).strip() == reply.answer
    validate(json.loads(reply.answer), schema)


def test_what_decides_the_answers_is_told(engine, file):
    told = engine.describe(GREEDY)
    assert (
        told["engine"] == "llama.cpp"
        and told["files"][0].startswith("tiny.gguf:")
        and str(file.parent) not in str(told)
    )
    spec = EngineSpec(base=str(file))
    assert kind_of(spec).identity(spec)["files"] and kind_of(spec).together(spec) == kind_of(spec).together(spec)


@pytest.mark.parametrize(("more", "said"), [
    ({"base": "nowhere.gguf"}, "找不到"), ({"template": "alpaca"}, "template"), ({"bits": 4}, "bits"),
    ({"adapter": "somewhere"}, "GGUF 文件"),
])  # fmt: skip
def test_what_a_file_cannot_do_is_told(file, more, said):
    with pytest.raises(CornucopiaError, match=said):
        open_engine(EngineSpec.build({"base": str(file), **more}))


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(CornucopiaError, match=r"llama\.cpp"):
        open_engine(EngineSpec(base=str(tmp_path / "bad.gguf"), device="cpu"))
