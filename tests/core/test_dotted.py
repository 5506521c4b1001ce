"""A setting deep within a recipe, from the command line."""

import pytest

from cornucopia.core.config import Config, option
from cornucopia.core.dotted import lay
from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.core.options import parse

RECIPE = {
    "output": {"format": "openai"},
    "steps": ["clean", {"dedup": {"threshold": 0.8, "n": 3}}],
    "sources": [{"kind": "records", "name": "a", "path": "x"}, {"kind": "crawl", "path": "y"}],
}


def test_a_setting_is_laid_over_its_place_alone():
    assert lay(RECIPE, "output.format", "text")["output"] == {"format": "text"}
    assert lay(RECIPE, "steps.dedup.threshold", "0.7")["steps"] == ["clean", {"dedup": {"threshold": "0.7", "n": 3}}]
    assert lay(RECIPE, "steps.clean.rule", "x")["steps"][0] == {"clean": {"rule": "x"}}
    assert lay(RECIPE, "steps.1.rule", "x")["steps"][0] == {"clean": {"rule": "x"}}
    assert lay(RECIPE, "sources.a.path", "z")["sources"] == [
        {**RECIPE["sources"][0], "path": "z"},
        RECIPE["sources"][1],
    ]
    assert lay(RECIPE, "sources.crawl.path", "z")["sources"][1]["path"] == "z"
    assert lay({}, "output.format", "text") == {"output": {"format": "text"}}
    assert RECIPE["output"]["format"] == "openai"


@pytest.mark.parametrize(
    "place, told", [("steps.dedupp.n", "dedup"), ("steps.9.n", "1 到 2"), ("output.format.x", "openai")]
)
def test_a_wrong_place_is_told(place, told):
    with pytest.raises(ConfigError, match=told):
        lay(RECIPE, place, "1")


class Inner(Config):
    size: int = option(1, "大小")


class Outer(Config):
    inner: Inner = option(Inner(), "里面")


def test_it_works_from_the_command_line():
    assert parse(Outer, ["--inner.size", "3"], prog="p", summary="")[0].inner.size == 3
    with pytest.raises(UsageError):
        parse(Outer, ["--iner.size", "3"], prog="p", summary="")
    with pytest.raises(ConfigError, match=r"inner\.size"):
        parse(Outer, ["--inner.size=three"], prog="p", summary="")
