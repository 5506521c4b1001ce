"""The error tree: what a user did or met that the program cannot go on from.

Only the edge (cli, serving) turns these into text; library code lets unexpected errors fly.
"""

from __future__ import annotations

import errno
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


_REASONS = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EEXIST: "同名的文件已经在那里",
    errno.EISDIR: "这是一个文件夹",
    errno.ENOTDIR: "路径里有一段是文件，不是文件夹",
    errno.ENOSPC: "磁盘满了",
    errno.EDQUOT: "超出了磁盘配额",
    errno.EROFS: "这个磁盘只能读",
    errno.EFBIG: "文件太大",
    errno.EIO: "磁盘读写出错",
    errno.EMFILE: "打开的文件太多",
    errno.ENAMETOOLONG: "名字太长",
    errno.ELOOP: "链接绕成了圈",
}


def reason(error: OSError) -> str:
    """Why the system refused, in Chinese; in the system's own words where it is not among the common reasons."""
    return _REASONS.get(error.errno or 0) or error.strerror or first_line(error)


def refused(error: OSError) -> CornucopiaError | None:
    """The same told to the user, where the system's reason is a common one about files; None for any other error."""
    if error.errno not in _REASONS:
        return None
    fix = "检查路径、权限和磁盘空间，再运行一次（训练加 --resume 接着做）"
    return CornucopiaError("读写文件没有成功", where=str(error.filename or ""), found=reason(error), fix=fix)


def first_line(error: BaseException, limit: int = 200) -> str:
    """The first line of an error's message, or its kind when it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:limit]


def nearest(word: str, choices: Iterable[str]) -> str:
    """The choice most like `word` but not `word` itself (a link to nothing is its own neighbour), or ''."""
    import difflib  # here: Ctrl-C while the program still imports is a traceback

    matches = difflib.get_close_matches(word, [choice for choice in choices if choice != word], n=1, cutoff=0.5)
    return matches[0] if matches else ""
