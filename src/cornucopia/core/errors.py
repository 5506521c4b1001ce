"""The error tree: what a user did or met that the program cannot go on from.

Only the edge (cli, serving) turns these into text; library code lets unexpected errors fly.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CornucopiaError(Exception):
    """A problem told in four parts, in Chinese, for the user.

    Args:
        what: what went wrong, one sentence.
        where: file, line, key or address it concerns.
        found: what was found instead of what was expected.
        fix: the next command or edit that helps.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", found: str = "", fix: str = "") -> None:
        self.what, self.where, self.found, self.fix = what, str(where), str(found), fix
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [self.what]
        parts += [f"位置：{self.where}"] if self.where else []
        parts += [f"实际：{self.found}"] if self.found else []
        parts += [f"办法：{self.fix}"] if self.fix else []
        return "\n  ".join(parts)


class UsageError(CornucopiaError):
    """The command line itself is wrong (unknown flag, missing argument)."""

    exit_code = 2


class ConfigError(CornucopiaError):
    """A recipe or option value is wrong."""


class DataError(CornucopiaError):
    """Input data cannot be used."""


class ModelError(CornucopiaError):
    """A model or adapter folder cannot be used."""


class HubError(CornucopiaError):
    """A model hub could not be reached or refused."""


class EndpointError(CornucopiaError):
    """An OpenAI-compatible endpoint failed."""


class Interrupted(CornucopiaError):
    """Ctrl-C, after state was saved."""

    exit_code = 130


def first_line(error: BaseException, limit: int = 200) -> str:
    """The first line of an error's message, or its kind when it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:limit]


def nearest(word: str, choices: Iterable[str]) -> str:
    """The choice most like `word`, or '' when none is close."""
    matches = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    return matches[0] if matches else ""
