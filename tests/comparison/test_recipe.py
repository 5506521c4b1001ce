"""Recipes: contestants written as words or as YAML, what is refused, what the fingerprint sees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.comparison.recipe import CompareRecipe, Contestant, check
from cornucopia.core import options
from cornucopia.core.errors import ConfigError, CornucopiaError, UsageError


def recipe_of(**values) -> CompareRecipe:
    return CompareRecipe.build({"questions": "q.json", **values})


@pytest.mark.parametrize(("text", "name", "base", "adapter", "endpoint", "model"), [
    ("基座=nano", "基座", "nano", None, "", ""),
    ("调优 = nano+runs/a/adapter", "调优", "nano", "runs/a/adapter", "", ""),
    ("D=https://api.deepseek.com#deepseek-chat", "D", "", None, "https://api.deepseek.com", "deepseek-chat"),
    ("http://127.0.0.1:8000/v1#org/m=1", "", "", None, "http://127.0.0.1:8000/v1", "org/m=1"),
    ("base_models/nano", "", "base_models/nano", None, "", ""),
])  # fmt: skip
def test_contestants_in_words(text, name, base, adapter, endpoint, model):
    found = Contestant.parse(text)
    assert (found.name, found.base, found.adapter, found.endpoint, found.model) == (
        name,
        base,
        adapter,
        endpoint,
        model,
    )


def test_a_folder_with_a_plus_in_its_name_is_a_base(tmp_path):
    folder = tmp_path / "a+b"
    folder.mkdir()
    assert Contestant.parse(f"x={folder}").base == str(folder)
    assert Contestant.parse(f"x={folder}+lora").adapter == "lora"


def test_yaml_and_flags_together(tmp_path):
    path = tmp_path / "r.yaml"
    contestants = "  - {name: 甲, base: nano, sampling: {temperature: 0.5}}\n  - 乙=nano+lora\n"
    path.write_text(f"questions: q.json\nmax_new_tokens: 99\ncontestants:\n{contestants}", encoding="utf-8")
    argv = [str(path), "--contestant", "丙=http://x/v1#m", "--limit", "3", "--temperature", "0"]
    recipe, _ = options.parse(CompareRecipe, argv, prog="cornucopia compare", summary="", positional="recipe")
    assert [contestant.name for contestant in recipe.contestants] == ["甲", "乙", "丙"] and recipe.limit == 3
    shared, own = (recipe.sampling_of(contestant) for contestant in recipe.contestants[1::-1])
    assert (shared.temperature, own.temperature, own.max_new_tokens) == (0, 0.5, 99)


def test_names_are_made_and_must_differ():
    recipe = recipe_of(contestants=["nano", "nano+runs/x/lora", "http://x/v1#m"])
    assert [contestant.name for contestant in recipe.contestants] == ["nano", "lora", "m"]
    with pytest.raises(ConfigError, match="同名"):
        recipe_of(contestants=["nano", "base_models/nano"])


@pytest.mark.parametrize(("contestants", "what"), [
    (["调优后=nano+"], "适配器是空的"), (["调优后=+lora"], "基座是空的"),
    ([], "没有选手"), (["甲="], "写法有误"), ([{"name": "甲"}], "base 或 endpoint"), ([3], "写法有误"),
    ([{"name": "甲", "base": "b", "endpoint": "http://x/v1", "model": "m"}], "base 或 endpoint"),
    (["甲=http://x/v1"], "缺少模型名"), ([{"endpoint": "x/v1", "model": "m"}], "接口地址有误"),
    (["甲=https://me:secret@x/v1#m"], "不要带密钥"), (["甲=https://x/v1?key=secret#m"], "不要带密钥"),
    ([{"base": "b", "adaptor": "x"}], "adaptor"), ([{"base": "b", "bits": 3}], "bits"),
    ([{"base": "b", "sampling": {"temprature": 1}}], "temprature"),
    ([{"base": "b", "sampling": {"top_p": 2}}], "top_p"),
    (["recipes/compare.yaml"], "写在最前面"),
    ("甲=b", "列表"), ({"甲": "b"}, "列表"),
])  # fmt: skip
def test_what_is_refused_says_so(contestants, what):
    with pytest.raises((ConfigError, UsageError), match=what) as caught:
        check(recipe_of(contestants=contestants))
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_words_are_a_contestant_or_a_clear_error(text):
    try:
        recipe_of(contestants=[text])
    except CornucopiaError as error:
        assert str(error)


def test_fingerprints_see_settings_and_files_but_not_names_or_keys(tmp_path, monkeypatch):
    def print_of(shared=None, **values):
        recipe = recipe_of(contestants=[values], **(shared or {}))
        return recipe.fingerprint_of(recipe.contestants[0])

    plain = print_of(base="b")
    assert plain == print_of(base="b", name="别名")
    assert len({plain, print_of(base="c"), print_of(base="b", adapter="l"), print_of(base="b", bits=4),
                print_of(base="b", template="t"), print_of(base="b", sampling={"top_p": 0.5}),
                print_of({"system": "s"}, base="b"), print_of({"max_new_tokens": 5}, base="b")}) == 8  # fmt: skip
    endpoint = {"endpoint": "http://x/v1", "model": "m"}
    assert print_of(**endpoint) == print_of(**endpoint, key_env="K", max_retries=1, concurrency=9)
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"x" * 5_000_000)
    before = print_of(base=str(model))
    (model / "notes.txt").write_text("别的文件")
    assert print_of(base=str(model)) == before
    (model / "model.safetensors").write_bytes(b"x" * 4_999_999 + b"y")
    assert print_of(base=str(model)) != before
    before = print_of(base=str(model))
    (model / "generation_config.json").write_text('{"temperature": 0.1}')
    assert print_of(base=str(model)) != before
