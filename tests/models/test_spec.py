"""One ModelSpec: names, what wins as the template, and what cannot be resolved."""

import json
import shutil

import pytest

from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.models.meta import ModelMeta, write_meta
from cornucopia.models.spec import ModelSpec, resolve
from tiny_models import make_model


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("spec") / "small")


@pytest.fixture
def tuned(small, tmp_path):
    """A fully tuned model's folder."""
    folder = shutil.copytree(small, tmp_path / "tuned")
    text = {
        "prompt_input": "问{instruction}据{input}",
        "prompt_no_input": "问{instruction}答",
        "response_split": "答",
    }
    write_meta(folder, ModelMeta(template="我的模板", template_text=text))
    return folder


def _adapter(folder, template):
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "adapter_model.safetensors").write_bytes(b"")
    write_meta(folder, ModelMeta(template=template))
    return folder


@pytest.mark.parametrize("name", ["base", "base_model", "base-model", "model", "m", "model_name_or_path"])
def test_every_name_the_commands_have_used_means_the_base(name):
    assert ModelSpec.build({name: "x"}).base == "x"


def test_a_tuned_folder_keeps_its_template(tuned):
    resolved = resolve(ModelSpec(base=str(tuned)))
    assert (resolved.template.name, resolved.template_source) == ("我的模板", "folder")
    assert resolved.template.prompt_no_input == "问{instruction}答"


def test_what_is_given_wins_over_the_adapter_and_the_adapter_over_the_folder(tuned, tmp_path):
    adapter = _adapter(tmp_path / "adapter", "alpaca")
    on_top = resolve(ModelSpec(base=str(tuned), adapter=str(adapter)))
    assert (on_top.template.name, on_top.template_source) == ("alpaca", "adapter")
    given = resolve(ModelSpec(base=str(tuned), adapter=str(adapter), template="fin_template"))
    assert (given.template.name, given.template_source) == ("fin_template", "given")


def test_without_any_word_on_it_the_tokenizer_decides(small, tmp_path):
    assert resolve(ModelSpec(base=str(small))).template_source == "default"
    chatty = shutil.copytree(small, tmp_path / "chatty")
    config = json.loads((chatty / "tokenizer_config.json").read_text())
    config["chat_template"] = "{% for m in messages %}{{ m.content }}{% endfor %}"
    (chatty / "tokenizer_config.json").write_text(json.dumps(config))
    resolved = resolve(ModelSpec(base=str(chatty)))
    assert (resolved.template.name, resolved.template_source) == ("chat", "tokenizer")


def test_what_decides_the_answers_is_described_without_a_path(small):
    described = resolve(ModelSpec(base=str(small), dtype="float32", load_8bit=True)).describe()
    assert described["base"] == "small" and described["bits"] == 8 and described["dtype"] == "float32"
    assert len(described["base_fingerprint"]) == 32 and str(small.parent) not in json.dumps(described)


@pytest.mark.parametrize(
    ("values", "told"),
    [({"bits": 4, "load_8bit": True}, "矛盾"), ({"quant_type": "fp8"}, "bits: 8"), ({"bits": 3}, "bits")],
)
def test_settings_that_contradict_each_other(values, told):
    with pytest.raises(ConfigError, match=told):
        ModelSpec.build(values)


def test_an_adapter_given_as_the_base_and_a_model_as_the_adapter(small, tmp_path):
    adapter = _adapter(tmp_path / "adapter", "alpaca")
    with pytest.raises(ModelError, match=f"--adapter {adapter}"):
        resolve(ModelSpec(base=str(adapter)))
    with pytest.raises(ModelError, match=f"--model {small}"):
        resolve(ModelSpec(base=str(small), adapter=str(small)))


def test_another_revision_than_the_one_on_disk_is_refused(small, tmp_path):
    folder = shutil.copytree(small, tmp_path / "pulled")
    with pytest.raises(ModelError, match="不知道版本"):
        resolve(ModelSpec(base=str(folder), revision="v2"))
    marker = {"hub": "hf", "repo": "owner/some", "revision": "abc123", "requested": "v1", "files": []}
    (folder / ".cornucopia-download.json").write_text(json.dumps(marker))
    assert resolve(ModelSpec(base=str(folder), revision="v1")).folder == folder
    assert resolve(ModelSpec(base=str(folder), revision="abc123")).folder == folder
    with pytest.raises(ModelError, match=r"models pull owner/some --revision v2"):
        resolve(ModelSpec(base=str(folder), revision="v2"))
