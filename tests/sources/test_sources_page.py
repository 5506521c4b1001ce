"""docs/sources.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cornucopia.cli.data_read import ReadConfig
from cornucopia.factory.intake.documents import DocumentsConfig
from cornucopia.sources.kinds import REFUSED

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")


def test_the_recipe_on_the_page_is_one():
    (source,) = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.S).group(1))["sources"]
    assert source.pop("kind") == "documents" and DocumentsConfig.build(source).size == 500


def test_the_commands_on_the_page_take_their_flags():
    commands = re.findall(r"^cornucopia data read .*?(?= {2,}#|$)", PAGE, re.M)
    flags = {flag.replace("-", "_") for command in commands for flag in re.findall(r"--([a-z-]+)", command)}
    assert len(commands) == 2 and flags <= set(ReadConfig.model_fields)


def test_what_is_refused_is_named_on_the_page():
    assert all(f"`.{kind}`" in PAGE for kind in ("doc", "xls", "ppt", "pptx", "rtf", "xlsb", "ofd", "epub"))
    assert set(REFUSED) >= {"doc", "xls", "ppt", "pptx", "rtf", "xlsb", "ofd", "epub", "encrypted", "data"}
