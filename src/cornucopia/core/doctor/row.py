"""What a check says: how it stands, what was found, what to do; and a subprocess in which a crash is only an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

GOOD, WARN, BAD = "正常", "注意", "不行"
PATIENCE = 120.0  # seconds for one subprocess; the first import of torch from a cold disk is slow


@dataclass(frozen=True)
class Row:
    """One line of the check-up; `fix` is the exact command, or '' when nothing needs doing."""

    status: str
    found: str
    fix: str = ""


def try_code(code: str) -> tuple[bool, str]:
    """Run Python code in a process of its own, which reads and writes UTF-8 whatever the system's encoding is.

    Returns:
        Whether it ended well, and its output (or the last line of its error).
    """
    try:
        done = subprocess.run(
            [sys.executable, "-"], input=code.encode(), env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            capture_output=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, f"{type(error).__name__}"
    text = (done.stdout if done.returncode == 0 else done.stderr or done.stdout).decode(errors="replace").strip()
    last = text.splitlines()[-1] if text else f"退出码 {done.returncode}"
    return done.returncode == 0, last if done.returncode == 0 else last[:200]
