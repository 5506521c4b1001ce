"""The catalogue parses, points somewhere, and names lead where they should; local folders are described truly."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core import hub_api
from cornucopia.core.errors import HubError
from cornucopia.models import catalogue, local


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("CORNUCOPIA_HUB", "USE_MODELSCOPE_HUB", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_a_licence_is_named_as_the_hub_names_it():
    known = {
        "Apache-2.0": "apache-2.0",
        "MIT": "mit",
        "随 Llama 2 社区许可": "llama2",
        "Llama 3.2 社区许可": "llama3.2",
    }
    assert {text: catalogue.hub_licence(text) for text in known} == known
    assert {catalogue.hub_licence(text) for text in ("LLaMA 非商用许可", "Qwen Research（非商用）", "")} == {"other"}


def test_every_entry_is_whole():
    entries = catalogue.entries()
    names = [name.lower() for entry in entries for name in {entry.name, *entry.aliases}]
    assert len(names) == len(set(names)) and len(entries) > 30
    for entry in entries:
        assert entry.hf or entry.modelscope
        assert entry.note and ("/" not in entry.name or entry.gone)
        assert not entry.gone or catalogue.find(entry.replaced_by)
        assert entry.kind != "adapter" or catalogue.find(entry.base)
        assert entry.gone or entry.kind == "adapter" or (entry.licence and entry.parameters and entry.parameters < 15)


def test_memory_grows_with_the_model_and_shrinks_with_the_bits():
    need = catalogue.find("llama-7b").memory
    assert need.infer4 < need.qlora < need.infer < need.lora < 24
    assert catalogue.find("Qwen2.5-14B").memory.qlora < 24 < catalogue.find("Qwen2.5-14B").memory.infer


def test_shapes_count_to_the_published_parameters():
    shaped = [entry for entry in catalogue.entries() if entry.shape]
    assert len(shaped) > 30
    for entry in shaped:
        assert entry.shape.parameters == pytest.approx(entry.parameters * 1e9, rel=0.015), entry.name
    seven = catalogue.find("qwen2.5-7b").shape
    assert (seven.layers, seven.hidden, seven.kv, seven.tied) == (28, 3584, 512, False)
    assert catalogue.find("Fin-Alpaca-LoRA-7B-Meta").shape is None


@pytest.mark.parametrize(
    ("name", "site", "expected"),
    [
        ("llama-7b", "", ("huggyllama/llama-7b", "hf", "llama-7b-hf")),
        ("decapoda-research/llama-7b-hf", "", ("huggyllama/llama-7b", "hf", "llama-7b-hf")),
        (
            "Linly-Chinese-LLaMA-7B",
            "mirror",
            ("P01son/Linly-Chinese-LLaMA-7b-hf", "mirror", "Linly-Chinese-LLaMA-7b-hf"),
        ),
        ("qwen3-4b", "modelscope", ("Qwen/Qwen3-4B", "modelscope", "Qwen3-4B")),
        ("ms:ZhipuAI/GLM-4-9B-0414", "", ("ZhipuAI/GLM-4-9B-0414", "modelscope", "GLM-4-9B-0414")),
        ("yahma/llama-7b-hf", "", ("yahma/llama-7b-hf", "hf", "llama-7b-hf")),
        ("some/thing", "", ("some/thing", "hf", "thing")),
        ("ms:some/thing", "", ("some/thing", "modelscope", "thing")),
    ],
)
def test_names_lead_to_repositories(name, site, expected):
    source = catalogue.resolve(name, site)
    assert (source.repo, source.hub, source.folder) == expected


def test_gone_model_says_what_takes_its_place(capsys):
    catalogue.resolve("decapoda-research/llama-7b-hf")
    assert "huggyllama/llama-7b" in capsys.readouterr().err


def test_hub_chosen_by_environment_but_never_against_the_catalogue(monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_HUB", "modelscope")
    assert catalogue.resolve("qwen3-4b").hub == "modelscope"
    assert catalogue.resolve("linly").hub == "hf"
    assert catalogue.resolve("base_models/llama-7b-hf") == catalogue.resolve("llama-7b-hf")
    with pytest.raises(HubError, match="--hub hf"):
        catalogue.resolve("linly", "modelscope")
    monkeypatch.setenv("CORNUCOPIA_HUB", "nowhere")
    with pytest.raises(HubError, match="CORNUCOPIA_HUB"):
        hub_api.default_hub()


def test_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(HubError, match=r"Qwen2\.5-7B"):
        catalogue.resolve("qwen2.5-7")


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_name_resolves_or_is_refused(name):
    try:
        source = catalogue.resolve(name)
    except HubError:
        return
    assert source.repo.count("/") == 1


def safetensors(shape=(3, 4), cut=0):
    size = 4 * shape[0] * shape[1]
    tensor = {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}
    head = json.dumps({"__metadata__": {"format": "pt"}, "w": tensor})
    data = struct.pack("<Q", len(head)) + head.encode() + bytes(size)
    return data[: len(data) - cut]


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_HOME", str(tmp_path))
    return tmp_path


def make(folder, **files):
    folder.mkdir(parents=True)
    files.setdefault("config.json", b'{"architectures": ["LlamaForCausalLM"]}')
    files.setdefault("tokenizer.json", b"{}")
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_local_models_are_listed_with_what_is_wrong(home):
    models = home / "base_models"
    make(models / "nano", **{"model.safetensors": safetensors()})
    make(models / "cut", **{"model.safetensors": safetensors(cut=1)})
    make(models / "half", **{"model.safetensors.abc.part": b"x"})
    index = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}).encode()
    make(models / "shards", **{"model.safetensors.index.json": index, "model-1.safetensors": safetensors()})
    make(models / "bad", **{"model.safetensors": b"<html>", "config.json": b"[oops"})
    (models / "empty").mkdir()
    found = {model.folder.name: model for model in local.list_models()}
    assert next(iter(found)) == "nano" and set(found) == {"nano", "cut", "half", "shards", "bad"}
    assert found["nano"].bundled and found["nano"].parameters == 12 and found["nano"].problem == ""
    assert found["nano"].architecture == "LlamaForCausalLM"
    assert found["cut"].problem == found["bad"].problem == "权重文件损坏或被截断"
    assert found["half"].problem == "下载未完成" and found["shards"].problem == "缺 1/2 个权重分片"


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        ("nanoo", ["nano"]),
        ("base_models/Nano", ["nano"]),
        ("Qwen3-4", ["cornucopia models pull Qwen3-4B"]),
        ("my-finance-basee", ["my-finance-base"]),
        ("llama-7b", ["cornucopia models pull llama-7b-hf"]),
        ("decapoda-research/llama-7b-hf", ["cornucopia models pull llama-7b-hf"]),
        ("someone/thing", ["cornucopia models pull someone/thing"]),
        ("./here/there", ["核对路径"]),
        ("zzzzzz", ["cornucopia models list --all"]),
    ],
)
def test_model_that_is_not_here_names_the_nearest_first(home, asked, answers):
    make(home / "base_models" / "nano", **{"model.safetensors": safetensors()})
    make(home / "base_models" / "my-finance-base")
    advice = local.how_to_get(asked)
    assert all(answer in advice for answer in answers)
    assert asked == "someone/thing" or not advice.endswith(f"pull {asked}")


def test_adapters_are_found_with_their_base(home):
    config = json.dumps({"base_model_name_or_path": "base_models/nano", "peft_type": "LORA", "r": 8}).encode()
    for place in ("runs/demo", "runs/demo/checkpoint-32", "base_models/Fin-LoRA"):
        (home / place).mkdir(parents=True)
        (home / place / "adapter_config.json").write_bytes(config)
    (home / "runs/demo/adapter_model.safetensors").write_bytes(safetensors())
    found = {one.folder.name: one for one in local.list_adapters()}
    assert set(found) == {"demo", "Fin-LoRA"}
    assert (found["demo"].base, found["demo"].rank, found["demo"].problem) == ("base_models/nano", 8, "")
    assert found["Fin-LoRA"].problem == "缺 adapter_model.safetensors" and local.list_models() == []


def nested(inner):
    keys = st.sampled_from(["w", "shape", "data_offsets", "__metadata__"])
    return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)


def framed(value):
    text = json.dumps(value).encode()
    return struct.pack("<Q", len(text)) + text


HEADERS = st.recursive(st.none() | st.integers() | st.text(max_size=5), nested, max_leaves=8).map(framed)


@given(st.binary(max_size=200) | HEADERS)
@settings(max_examples=300, deadline=None)
def test_spoilt_weight_header_never_raises(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "spoilt.safetensors"
    path.write_bytes(data)
    local.read_header(path)
    local._parameters(path)
