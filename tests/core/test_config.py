"""Recipes: unknown keys, aliases, YAML that is none, values that do not fit."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.config import Config, option, read_yaml
from cornucopia.core.errors import ConfigError, CornucopiaError, UsageError
from cornucopia.training.recipe import TrainRecipe


class Sample(Config):
    rate: float = option(2e-4, "学习率", aliases=("lr", "learning-rate"), gt=0)
    count: int = option(3, "条数", ge=0)
    bits: Literal[0, 4, 8] = option(0, "位数")
    most: int | None = option(None, "上限")
    weights: list[float] = option([], "倍数")
    names: list[str] = option(["a"], "名字")
    strict: bool = option(False, "开关")
    path: str | None = option(None, "路径")


def load(tmp_path, text, overrides=None):
    file = tmp_path / "r.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Sample.load(file, overrides)


@pytest.mark.parametrize(("key", "close"), [("cout", "count"), ("rat", "rate"), ("name", "names")])
def test_an_unknown_key_names_the_nearest(tmp_path, key, close):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, f"{key}: 1\n")
    assert key in str(error.value) and f"最接近的是 {close}" in error.value.fix
    assert str(tmp_path / "r.yaml") in error.value.where


def test_an_unknown_key_on_the_command_line_is_a_usage_error():
    with pytest.raises(UsageError):
        Sample.build({"cout": 1})


@pytest.mark.parametrize(
    "text", ["lr: 1\nrate: 2\n", "lr: 1\nlearning-rate: 2\n", "learning-rate: 1\nlearning_rate: 2"]
)
def test_one_setting_by_two_names_is_refused(tmp_path, text):
    with pytest.raises(ConfigError, match="给了两次"):
        load(tmp_path, text)


def test_a_key_written_twice_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="rate 给了两次"):
        load(tmp_path, "rate: 1\nrate: 2\n")


@pytest.mark.parametrize("key", ["rate", "lr", "learning-rate", "learning_rate"])
@pytest.mark.parametrize("override", ["rate", "lr", "learning_rate"])
def test_an_override_replaces_the_files_value_whatever_its_name(tmp_path, key, override):
    assert load(tmp_path, f"{key}: 1\n", {override: "5"}).rate == 5


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, True) for word in ("true", "True", "yes", "on", "'1'", "1", "t")),
        *((word, False) for word in ("false", "False", "no", "off", "0", "'FALSE'")),
    ],
)
def test_spellings_of_true_and_false(tmp_path, word, value):
    assert load(tmp_path, f"strict: {word}\n").strict is value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("strict: 2", "应为 true 或 false"), ("strict: maybe", "应为 true 或 false"), ("count: 1.5", "应为整数"),
        ("count: [1]", "应为整数"), ("count:", "应为整数"), ("count: -1", "应不小于 0"), ("rate: x", "应为数字"),
        ("rate: {a: 1}", "应为数字"), ("rate: 0", "应大于 0"), ("rate: .nan", "应为有限的数"),
        ("rate: .inf", "应为有限的数"), ("names: 3", "应为列表"), ("path: 3", "应为文字"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_in_chinese_with_what_was_found(tmp_path, text, message):
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text)
    assert message in str(error.value) and "Input should" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [b"a: [", b"- 1\n- 2", b"just words", b"\xff\xfe\x00", b"a: 2024-13-45", b"? [a]\n: 1", b"&a [*a, *a]\n: 1",
     b"rate: !!python/object/apply:os.system ['true']", b"a: \x07"],
)  # fmt: skip
def test_what_is_not_a_recipe_is_told_so(tmp_path, text):
    with pytest.raises(ConfigError, match="配方"):
        load(tmp_path, text)


def test_an_absent_file_names_its_neighbour(tmp_path):
    (tmp_path / "quickstart.yaml").write_text("rate: 1")
    with pytest.raises(ConfigError) as error:
        read_yaml(tmp_path / "quikstart.yaml")
    assert "quickstart.yaml" in error.value.fix


def test_numbers_as_yaml_11_reads_them_and_a_byte_order_mark(tmp_path):
    config = load(tmp_path, "\ufeffrate: 2e-4\nnames: one\n")
    assert config.rate == 2e-4  # YAML 1.1 reads 2e-4 as text
    assert config.names == ["one"]


def test_a_message_of_our_own_with_braces_is_kept():
    with pytest.raises(ConfigError, match=r"不认识 \{x\}"):
        TrainRecipe.build({"report_to": ["{x}"]})


def test_the_fingerprint_depends_on_values_only():
    assert Sample.build({"lr": 1}).fingerprint() == Sample.build({"rate": "1.0"}).fingerprint()
    assert Sample.build({"lr": 1}).fingerprint() != Sample().fingerprint()
    first, second = Sample(), Sample()
    first.names.append("b")
    assert second.names == ["a"]  # a default is not shared


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text("rate: coun-[]{}#&*!|>'\"%@`\n 0129.e", max_size=60).map(str.encode)))
def test_no_file_whatever_gives_more_than_an_error(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    try:
        load(folder, text)
    except CornucopiaError as error:
        assert str(error)


@pytest.mark.parametrize("word", ["yes", "no", "on", "true", "off"])
@pytest.mark.parametrize("line", ["rate: {}", "count: {}", "most: {}", "bits: {}", "weights: [1, {}]"])
def test_yes_and_no_are_no_numbers(tmp_path, line, word):
    with pytest.raises(ConfigError, match="应为数字"):
        load(tmp_path, line.format(word))


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}\n", "\ufeff\n"])
def test_an_empty_recipe_is_an_error(tmp_path, text):
    with pytest.raises(ConfigError, match="配方是空的"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "place"),
    [("rate: 1\nnote: a: b\n", "第 2 行"), ("names: [a\n", "方括号"), ("\trate: 1\n", "制表符"), 
     ("path: *x\n", "\\* 开头"),
     ("path: 'a\n", "引号"), ("rate 1\ncount: 2\n", "冒号"), ("path: !x 1\n", "! 开头"), ("path: @x\n", "加引号"),
     ("rate: 1\n---\nrate: 2\n", "一份配方"), ("- 1\n", "列表")],
)  # fmt: skip
def test_what_is_wrong_in_a_recipe_is_told_in_chinese(tmp_path, text, place):
    with pytest.raises(ConfigError, match=place) as error:
        load(tmp_path, text)
    assert not any("a" <= letter <= "z" for letter in error.value.found)


def test_a_link_to_nothing_is_told_as_one(tmp_path):
    (tmp_path / "r.yaml").symlink_to(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match="链接") as error:
        read_yaml(tmp_path / "r.yaml")
    assert "gone.yaml" in str(error.value) and "最接近" not in str(error.value)


def test_what_is_missing_on_the_command_line_is_a_usage_error(tmp_path):
    class Needs(Config):
        file: str = option(..., "文件")
        other: int = option(1, "数")

    with pytest.raises(UsageError, match="缺少必填项"):
        Needs.load(None, {})
    (tmp_path / "r.yaml").write_text("other: 2\n")
    with pytest.raises(ConfigError, match="缺少必填项"):
        Needs.load(tmp_path / "r.yaml")


def test_the_choices_of_a_setting_are_told_without_the_empty_one():
    class Choice(Config):
        kind: Literal["", "f16", "q8_0"] = option("", "种类")

    with pytest.raises(ConfigError, match="应为 f16、q8_0 之一"):
        Choice.build({"kind": "q9"})
