"""Lists in one word or several: names are parted, texts and file names are left as they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.core.lists import split_words
from cornucopia.core.options import parse


class Sample(Config):
    names: list[str] = option(["q"], "名字")
    ends: list[str] = option([], "文字", split="never")
    files: list[str] = option([], "文件", split="paths")
    weights: list[float] = option([], "倍数")
    file: str = option("", "文件")


def read(*argv):
    return parse(Sample, list(argv), prog="cornucopia x", summary="测试", positional="file")[0]


@given(st.lists(st.text(min_size=1), max_size=4))
def test_a_text_is_never_altered(texts):
    assert read(*(f"--ends={text}" for text in texts)).ends == texts
    assert Sample.build({"ends": texts}).ends == texts


@pytest.mark.parametrize(
    "text",
    ["\n", "\r\n", "\t", " ", ",", ",,", "[END]", "[]", "''", '"', "['a','b']", "a, b", "--", "---", "-", "-1", "]["],
)
def test_a_text_may_be_anything(text):
    assert read("--ends", text, "q.jsonl").ends == [text] and read("--ends", text, "q.jsonl").file == "q.jsonl"
    assert Sample.build({"ends": text}).ends == [text]  # one word in a recipe
    assert read("--ends", "甲", "--ends", text).ends == ["甲", text]


def test_what_cannot_be_kept_is_an_error():
    for words in (["--ends", ""], ["--names", "a,,b"], ["--names", ",a"]):
        with pytest.raises(ConfigError, match="是空的"):
            read(*words)
    with pytest.raises(ConfigError, match="是空的"):
        Sample.build({"names": ["a", ""]})
    with pytest.raises(UsageError, match="缺少值"):
        read("--ends")
    with pytest.raises(UsageError, match="--ends=值"):
        read("--ends", "--names", "a")
    with pytest.raises(UsageError, match="多了"):
        read("q.jsonl", "--ends", "甲", "乙")  # one text a flag: the second word is not dropped, nor taken for a file


@pytest.mark.parametrize(
    "words",
    [["a", "b"], ["a,b"], ["[a,b]"], ["[a,", "b]"], ["['a', 'b']"], ['["a","b"]'], ["a,", "b"], ["a,b,"], [" a , b "]],
)
def test_spellings_of_names(words):
    assert read("--names", *words).names == ["a", "b"]
    if len(words) == 1:
        assert Sample.build({"names": words[0]}).names == ["a", "b"]


def test_quotes_keep_a_comma_and_a_pattern_keeps_its_brackets():
    assert split_words(["'a,b',c"], "commas") == ["a,b", "c"]
    assert split_words(["[ab]*.[gs]*"], "commas") == ["[ab]*.[gs]*"]
    assert split_words(["[ab][cd]"], "commas") == ["[ab][cd]"]
    assert split_words([""], "commas") == split_words(["[]"], "commas") == []


def test_a_comma_in_a_files_name_does_not_part_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.json").write_text("[]")
    assert read("--files", "a,b.json", "c.json").files == ["a,b.json", "c.json"]
    assert read("--files", "c.json,d.json").files == ["c.json", "d.json"]
    assert Sample.build({"files": "a,b.json"}).files == ["a,b.json"]


def test_numbers_with_a_sign_are_values():
    assert read("--weights", "1.5", "-2").weights == read("--weights", "1.5,-2").weights == [1.5, -2.0]
