"""The command line: switches, lists, aliases, unknown flags."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, CornucopiaError, UsageError
from cornucopia.core.options import parse


class Sample(Config):
    rate: float = option(2e-4, "学习率", aliases=("lr", "m"), gt=0)
    names: list[str] = option(["q", "v"], "名字")
    dry_run: bool = option(False, "只看", aliases=("dry",))
    use: bool = option(True, "载入")
    path: str | None = option(None, "路径")
    note: str = option("", "备注")


def read(*argv, positional="recipe"):
    return parse(Sample, list(argv), prog="cornucopia x", summary="测试", positional=positional)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("rate: 0.5\n", encoding="utf-8")
    return str(path)


def test_a_switch_before_the_recipe_does_not_swallow_it(recipe):
    config, word = read("--dry-run", recipe)
    assert config.dry_run and config.rate == 0.5 and word == recipe


@pytest.mark.parametrize(
    "words",
    [("--dry-run=true",), ("--dry-run", "True"), ("--dry", "yes"), ("--dry_run",), ("--no-use",)],
)
def test_spellings_of_a_switch(words):
    config, _ = read(*words)
    assert config.dry_run or not config.use


@pytest.mark.parametrize("words", [("--use", "False"), ("--use=false",), ("--use", "0"), ("--no-use",)])
def test_false_means_false(words):
    assert read(*words)[0].use is False


@pytest.mark.parametrize(
    "words",
    [("a", "b"), ("a,b",), ("[a,b]",), ("['a', 'b']",), ("a", "--names", "b"), ('["a","b"]',)],
)
def test_spellings_of_a_list(words):
    assert read("--names", *words)[0].names == ["a", "b"]


def test_the_command_line_wins_over_the_recipe(recipe):
    assert read(recipe, "--lr", "0.25")[0].rate == 0.25
    assert read("--lr", "0.25", recipe)[0].rate == 0.25
    assert read("-m", "2", recipe, "--dry-run")[0].rate == 2


def test_none_is_nothing_only_where_nothing_may_be():
    assert read("--path", "None")[0].path is None
    assert read("--note", "none")[0].note == "none"


@pytest.mark.parametrize(("flag", "close"), [("--rat", "--rate"), ("--dry-rnu", "--dry-run"), ("--pth=1", "--path")])
def test_an_unknown_flag_names_the_nearest(flag, close):
    with pytest.raises(UsageError) as error:
        read(flag)
    assert close in error.value.fix and error.value.exit_code == 2


def test_a_flag_without_its_value_is_a_usage_error():
    with pytest.raises(UsageError):
        read("--rate")


def test_a_positional_can_be_a_field():
    config, word = read("某处", positional="path")
    assert config.path == "某处" and word is None
    with pytest.raises(UsageError):
        read("一", "二", positional="path")


def test_help_shows_every_option_with_default_and_other_names(capsys):
    with pytest.raises(SystemExit) as stop:
        read("--rate", "x", "--help")
    text = capsys.readouterr().out
    assert stop.value.code == 0
    for part in (
        "--rate",
        "学习率",
        "默认 0.0002",
        "也写作 --lr",
        "--names",
        "默认 q,v",
        "--use",
        "默认 true",
        "默认不设",
    ):
        assert part in text


def test_a_wrong_value_is_a_config_error():
    with pytest.raises(ConfigError, match="应大于 0"):
        read("--rate", "-1")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(["--rate", "--names", "--dry-run", "--no-use", "-m", "--", "=", "-", "true", "1"]),
                  st.text(max_size=6)), max_size=6,
    )
)  # fmt: skip
def test_no_command_line_gives_more_than_an_error(words):
    if {"-h", "--help"} & set(words):
        return
    try:
        read(*words, positional="path")
    except CornucopiaError as error:
        assert str(error)


def test_a_word_that_is_no_boolean_does_not_replace_the_file_that_a_flag_named():
    with pytest.raises(UsageError, match="maybe 不属于任何选项"):
        read("--path", "q.json", "--use", "maybe", positional="path")


def test_a_wrong_value_names_the_help():
    with pytest.raises(ConfigError, match="cornucopia x --help"):
        read("--rate", "abc")
