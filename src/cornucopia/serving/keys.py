"""Who may ask: keys from a file or the environment, compared in constant time, and how often each may.

Only digests of the keys are held; a key's name stands for it in logs and counts.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cornucopia.core.console import warn
from cornucopia.core.errors import ConfigError, reason

SHORTEST = 16  # characters of a key; shorter ones can be guessed
PER_MINUTE = 60.0


def read_keys(file: Path | None, env: str) -> dict[str, bytes]:
    """Name -> SHA-256 of each key.

    Raises:
        ConfigError: the file cannot be read, a key is too short, or a name is given twice.
    """
    found: dict[str, bytes] = {}
    for where, text in _sources(file, env):
        name, equals, key = text.partition("=")
        name, key = (name.strip(), key.strip()) if equals and name.strip() else ("", text.strip())
        if len(key) < SHORTEST:
            fix = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'
            raise ConfigError(f"密钥太短：至少 {SHORTEST} 个字符", where=where, found=f"{len(key)} 个字符", fix=fix)
        digest = hashlib.sha256(key.encode()).digest()
        name = name or digest.hex()[:8]
        if name in found:
            raise ConfigError("两个密钥同名", where=where, found=name, fix="每个密钥一个名字")
        found[name] = digest
    return found


def _sources(file: Path | None, env: str) -> Iterator[tuple[str, str]]:
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
            shared = file.stat().st_mode & 0o077
        except (OSError, UnicodeDecodeError) as error:
            found = reason(error) if isinstance(error, OSError) else "不是 UTF-8"
            raise ConfigError("读不了密钥文件", where=str(file), found=found) from None
        if shared and os.name == "posix":
            warn(f"别的用户也能读密钥文件：chmod 600 {file}")
        yield from ((f"{file}:{n}", line) for n, line in enumerate(lines, 1) if line.strip() and line.strip()[0] != "#")
    yield from ((f"环境变量 {env}", word) for word in os.environ.get(env, "").split(",") if word.strip())


class Keys:
    """The keys that are let in; without any, everyone is.

    Args:
        digests: see `read_keys`.
        per_minute: most requests of one key in a minute; 0 for no limit. Those without a key share one limit.
        clock: seconds.
    """

    def __init__(
        self, digests: dict[str, bytes], per_minute: float = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._digests, self._rate, self._clock = digests, per_minute / PER_MINUTE, clock
        self._most = max(1.0, per_minute)
        self._left: dict[str, tuple[float, float]] = {}  # name -> (requests left, when that was)

    @property
    def wanted(self) -> bool:
        """Whether a key is needed."""
        return bool(self._digests)

    def name_of(self, authorization: str) -> str | None:
        """The name of the key in an Authorization header; '' where none is needed, None for one that is not known."""
        if not self._digests:
            return ""
        kind, _, key = authorization.partition(" ")
        given = hashlib.sha256(key.strip().encode("utf-8", "surrogatepass")).digest()
        found = None
        for name, digest in self._digests.items():  # all of them, however early one fits: time tells nothing
            found = name if hmac.compare_digest(given, digest) else found
        return found if kind.lower() == "bearer" else None

    def wait(self, name: str) -> float:
        """Seconds that this key must wait before its next request; 0 counts the request."""
        if not self._rate:
            return 0.0
        now = self._clock()
        left, then = self._left.get(name, (self._most, now))
        left = min(self._most, left + (now - then) * self._rate)
        allowed = left >= 1
        self._left[name] = (left - 1 if allowed else left, now)
        return 0.0 if allowed else (1 - left) / self._rate
