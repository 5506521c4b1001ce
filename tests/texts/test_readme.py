"""README.md and README.en.md: every command parses, every path exists, both say the same."""

from __future__ import annotations

import re
import shlex
import stat
from pathlib import Path

import pytest

from cornucopia.cli.main import COMMANDS, _dispatch
from cornucopia.core.config import Config
from cornucopia.core.errors import CornucopiaError

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("README.md", "README.en.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s#]+)")
PLACE = re.compile(
    r"(?:\./)?((?:\.ci|base_models|benchmarks|docs|handbook|instruction_data|recipes|scripts|src|tests)/[\w./-]*)"
)
DOWNLOADED = re.compile(r"base_models/(?!nano\b|load\.sh)")  # made by models pull, not in the repository
OPERATORS = ("&&", "||", ";", "|")
OWN_FILE = "我的"  # 我的数据.json: the reader's, not ours


class Parsed(Exception):
    """Raised in place of the command's work, once its flags and values are valid."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def shell_commands(text: str) -> list[list[str]]:
    """Words of each command in the bash fences; comments are dropped, `\\` joins lines, variables in front left out."""
    found = []
    for language, body in FENCE.findall(text):
        if language not in ("bash", "sh"):
            continue
        for line in body.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.wordchars += "=+@:,#%~"
            lexer.whitespace_split = True
            lexer.commenters = ""
            found += split_commands(without_comment(list(lexer)))
    return found


def without_comment(words: list[str]) -> list[str]:
    end = next((index for index, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:end]


def split_commands(words: list[str]) -> list[list[str]]:
    commands: list[list[str]] = [[]]
    for word in words:
        if word in OPERATORS:
            commands.append([])
        elif commands[-1] or not re.match(r"\w+=", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def ours(commands: list[list[str]]) -> list[list[str]]:
    return [words for words in commands if Path(words[0]).name == "cornucopia"]


def check(words: list[str], monkeypatch) -> None:
    """Run one command up to the point where its settings are valid."""

    def load(cls, path, overrides=None):
        if path is None or OWN_FILE not in str(path):
            real(cls, path, overrides)
        raise Parsed

    real = Config.load.__func__
    monkeypatch.setattr(Config, "load", classmethod(load))
    monkeypatch.chdir(ROOT)
    try:
        assert _dispatch(words[1:]) == 0, words
    except Parsed:
        pass
    except SystemExit as stop:
        assert not stop.code, words
    finally:
        monkeypatch.undo()


@pytest.mark.parametrize("name", NAMES)
def test_every_command_parses(name, monkeypatch, capsys):
    commands = ours(shell_commands(text_of(name)))
    assert {"train", "infer", "chat", "compare", "models"} <= {words[1] for words in commands}
    assert all(words[1].startswith("-") or words[1] in COMMANDS for words in commands)
    for words in commands:
        try:
            check(words, monkeypatch)
        except CornucopiaError as error:
            pytest.fail(f"{name}: {' '.join(words)}\n{error}")


@pytest.mark.parametrize(
    "line", ["cornucopia train --no-such-flag 1", "cornucopia trian", "cornucopia train recipes/absent.yaml",
             "cornucopia models pul x", "cornucopia train --lora_r many"],
)  # fmt: skip
def test_a_wrong_command_is_found(line, monkeypatch):
    with pytest.raises(CornucopiaError):
        check(shell_commands(f"```bash\n{line}   # 注释 --x\n```\n")[0], monkeypatch)


def test_commands_are_cut_out_of_a_block():
    first = "A=1 cornucopia infer a.json && cornucopia chat -q '问 什么'  # 注"
    assert shell_commands(f"```bash\n{first}\ncornucopia train \\\n  --lora_r 8\n```\n") == [
        ["cornucopia", "infer", "a.json"],
        ["cornucopia", "chat", "-q", "问 什么"],
        ["cornucopia", "train", "--lora_r", "8"],
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_script_named_can_be_run(name):
    for words in shell_commands(text_of(name)):
        if words[0] == "bash" or words[0].startswith("./"):
            path = ROOT / (words[1] if words[0] == "bash" else words[0])
            assert path.is_file(), words
            assert words[0] == "bash" or path.stat().st_mode & stat.S_IXUSR, f"{path} is not executable"


@pytest.mark.parametrize("name", NAMES)
def test_every_path_exists(name):
    text = text_of(name)
    links = [link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:")]
    places = [place.rstrip(".") for place in PLACE.findall(re.sub(r"https?://\S+", "", text))]
    missing = [place for place in (*links, *places) if not DOWNLOADED.match(place) and not (ROOT / place).exists()]
    assert not missing


def skeleton(text: str) -> tuple[list[int], list[tuple[str, list[str]]]]:
    """Levels of the headings in order, and the code blocks without their (translated) comments."""
    blocks = []
    for language, body in FENCE.findall(text):
        lines = [re.sub(r"(^|\s+)#\s.*$", "", line).rstrip() for line in body.splitlines()]
        blocks.append((language, [line for line in lines if line]))
    return [len(mark) for mark in re.findall(r"^(#+) ", FENCE.sub("", text), re.M)], blocks


def test_the_english_page_mirrors_the_chinese_one():
    chinese, english = (skeleton(text_of(name)) for name in NAMES)
    assert english == chinese


def test_the_promises_of_the_first_screen():
    text = text_of("README.md")
    for line in ("bash scripts/quickstart.sh", "bash scripts/test.sh", "bash ./base_models/load.sh",
                 "./scripts/finetune.sh", "./scripts/infer.sh", "./scripts/comparison_test.sh"):  # fmt: skip
        assert line in text
