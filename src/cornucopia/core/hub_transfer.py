"""Brings remote files to disk: resumable, checked, all or nothing.

Bytes go to `NAME.<id>.part` beside the target, `id` being the content's hash: a part of another version is never
continued. After a kill the next run asks only for the rest. The file takes its name only when size and hash are right.

huggingface_hub 2.4's own transfer was measured against the same faults: it drops a file's part when the process dies,
takes content of the right size with a wrong SHA-256, never ends on a byte every five seconds, sleeps through a
Retry-After of an hour, needs HEAD requests, and does not speak to ModelScope.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from cornucopia.core import hub_patience
from cornucopia.core.errors import HubError
from cornucopia.core.hub_api import Listing, RemoteFile, check_status, endpoint, other_hub, plain_address, what_came
from cornucopia.core.hub_patience import LEAST, Crew, Pace, Stopped, Unfit

if TYPE_CHECKING:
    import httpx

CHUNK = 1 << 20  # bytes
UNKNOWN_LIMIT = 100_000_000  # bytes taken of a file whose size nobody tells


def safe_path(folder: Path, name: str) -> Path:
    """Where `name`, which a stranger chose, goes below `folder`.

    Raises:
        HubError: if it would leave the folder (`..`, absolute, backslash, drive) or is not a plain name.
    """
    parts = name.split("/")
    plain = all(part and not part.startswith("~") and not part.endswith((" ", ".")) for part in parts)
    found = repr(name)[:120]
    if not plain or re.search(r"[\\:*?\"<>|\x00-\x1f\x7f]", name) or PurePosixPath(name).is_absolute():
        raise HubError("仓库里有不安全的文件名，已拒绝下载", where=str(folder), found=found, fix="换一个来源")
    path = folder.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise HubError("文件名经软链接指向目录之外，已拒绝下载", where=str(folder), found=found, fix="换一个 --dir")
    return path


def part_path(target: Path, file: RemoteFile) -> Path:
    """The part file of `file`; its name changes with the content."""
    mark = file.sha256 or file.git_blob or hashlib.sha256(f"{file.url} {file.size}".encode()).hexdigest()
    return target.with_name(f"{target.name}.{mark[:12]}.part")


def present(target: Path, file: RemoteFile) -> str:
    """SHA-256 of `target` if it is already `file`, else ''. A git-lfs pointer or a truncated file is not."""
    if not target.is_file() or target.stat().st_size != file.size:
        return ""
    digest = _sha256(target).hexdigest()
    return digest if _matches(target, file, digest) else ""


@dataclass
class Transfer:
    """Files of one repository on their way to disk.

    Args:
        web: client of the hub.
        listing: the repository.
        count: told the bytes gained (negative when a part is thrown away).
        crew: whose threads call `fetch`.
    """

    web: httpx.Client
    listing: Listing
    count: Callable[[int], None]
    crew: Crew
    _whole: set[str] = field(default_factory=set)  # files for which the server refused a range

    def fetch(self, file: RemoteFile, target: Path) -> str:
        """Download `file` to `target`; returns its SHA-256.

        Raises:
            HubError: if the hub refuses, the network stays down, or the content is wrong; Stopped with the crew.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(part_path(target, file))
        self.count(part.size)
        resumed = part.size > 0
        self._complete(file, part)
        if not _matches(part.path, file, part.sha256) and resumed:
            # A part spoilt by a crash is worth one fresh try; a fresh download that is wrong is the source's fault.
            self.count(-part.size)
            part.cut(0)
            self._complete(file, part)
        if not _matches(part.path, file, part.sha256):
            part.path.unlink()
            raise self._wrong(file, part)
        part.path.replace(target)
        return part.sha256

    def _complete(self, file: RemoteFile, part: _Part) -> None:
        """Fill `part` up to the file's size, over as many requests as it takes."""

        def attempt() -> None:
            if file.size < 0:
                part.cut(0)  # nobody can tell what would be left
                self._stream(file, part)
            while part.size < file.size:
                had = part.size
                self._stream(file, part)
                if part.size < file.size and part.size - had < LEAST:
                    raise Unfit(f"只来了 {part.size - had:,} 字节")

        hub = self.listing.hub
        part.path.touch()
        hub_patience.retrying(
            attempt, file.name, endpoint(hub), other_hub(hub), lambda: part.size, file.size, self.crew.stop.wait
        )

    def _stream(self, file: RemoteFile, part: _Part) -> None:
        """One request for what `part` still lacks."""
        if self.crew.stop.is_set():
            raise Stopped
        self.crew.beat()
        ask = {"Range": f"bytes={part.size}-"} if part.size and file.name not in self._whole else {}
        with self.web.stream("GET", file.url, headers=ask) as reply:
            if reply.status_code == 416:
                self._whole.add(file.name)
                raise Unfit("HTTP 416：服务器不接受续传")
            check_status(reply, self.listing.hub, self.listing.repo, file.name)
            start = self._accept(reply, file, part.size)
            had = part.size
            with part.path.open("ab") as out:
                self._pour(reply, file, part, out, part.size - start)
        if part.size < file.size and reply.status_code == 200 and "Content-Length" not in reply.headers:
            # It ended in good order and too early: this was something else than the file.
            came = part.size - had
            self.count(-came)
            part.cut(had)
            raise Unfit(f"{_kind(reply)}，{came:,} 字节就完了")

    def _accept(self, reply: httpx.Response, file: RemoteFile, have: int) -> int:
        """The offset in the file at which the answer begins; 0 for a server that ignores ranges.

        Raises:
            Unfit: if this cannot be the file: another length, another offset, a web page.
        """
        encoded = reply.headers.get("Content-Encoding", "identity") != "identity"
        if reply.status_code == 206 and not encoded:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", ""))
            if span and int(span[1]) <= have and (span[2] == "*" or file.size < 0 or int(span[2]) == file.size):
                return int(span[1])
        elif reply.status_code == 200:
            length = "" if encoded else reply.headers.get("Content-Length", "")
            page = "html" in _kind(reply) and not file.name.endswith((".html", ".htm", ".md"))
            known = length.isdecimal() and file.size >= 0
            if (known and int(length) == file.size) or not (known or page):
                return 0
        else:
            self._whole.add(file.name)
        offset = reply.headers.get("Content-Range", "")
        raise Unfit(f"{plain_address(reply)} 给的 {what_came(reply)}{offset and f'（{offset}）'}")

    def _pour(self, reply: httpx.Response, file: RemoteFile, part: _Part, out: BinaryIO, skip: int) -> None:
        """Write the answer's body, less its first `skip` bytes, which `part` has already."""
        pace, limit = Pace(), file.size if file.size >= 0 else UNKNOWN_LIMIT
        for block in reply.iter_bytes():
            if self.crew.stop.is_set():
                raise Stopped
            self.crew.beat()
            pace.add(len(block))
            fresh = block[skip:]
            skip -= min(skip, len(block))
            part.add(out, fresh)
            self.count(len(fresh))
            if part.size > limit:
                return

    def _wrong(self, file: RemoteFile, part: _Part) -> HubError:
        found, want = f"{part.size:,} 字节，sha256 {part.sha256[:16]}", (file.sha256 or file.git_blob)[:16]
        return HubError(
            "下载的内容与模型站公布的校验值不符，已删除",
            where=file.name,
            found=f"{found}（应为 {file.size:,} 字节，{want or '未公布'}）",
            fix=f"再运行一次；仍不符就{other_hub(self.listing.hub)}",
        )


class _Part:
    """A file on its way: the bytes on disk and their running hash, always of the same bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._load()

    def _load(self) -> None:
        self.size = self.path.stat().st_size if self.path.exists() else 0
        self._digest = _sha256(self.path) if self.size else hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def add(self, out: BinaryIO, data: bytes) -> None:
        out.write(data)
        out.flush()
        self._digest.update(data)
        self.size += len(data)

    def cut(self, size: int) -> None:
        with self.path.open("r+b") as file:
            file.truncate(size)
        self._load()


def _kind(reply: httpx.Response) -> str:
    return reply.headers.get("Content-Type", "").split(";")[0].strip() or "没有写类型的内容"


def _matches(path: Path, file: RemoteFile, sha256: str) -> bool:
    size = path.stat().st_size
    if 0 <= file.size != size:
        return False
    if file.sha256:
        return sha256.lower() == file.sha256.lower()
    if re.fullmatch(r"[0-9a-f]{40}", file.git_blob):
        return _git_blob(path, size) == file.git_blob
    return True


def _sha256(path: Path) -> hashlib._Hash:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256")


def _git_blob(path: Path, size: int) -> str:
    """Git's object id: SHA-1 of "blob SIZE NUL content" (git-hash-object)."""
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as source:
        while block := source.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()
