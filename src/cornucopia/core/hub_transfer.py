"""Brings one remote file to disk: resumable, checked, all or nothing.

Bytes go to `NAME.<id>.part` beside the target, `id` being the content's hash: a part of another version is never
continued. After a kill the next run asks only for the rest. The file takes its name only when size and hash are right.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from cornucopia.core.errors import HubError
from cornucopia.core.hub_api import RemoteFile, check_status, other_hub, retrying

if TYPE_CHECKING:
    import httpx

CHUNK = 1 << 20  # bytes


class Stopped(Exception):
    """Another file failed, or the user pressed Ctrl-C; the part stays for the next run."""


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
    digest = _sha256(target)
    return digest.hexdigest() if _matches(target, file, digest.hexdigest()) else ""


def fetch(
    web: httpx.Client,
    hub: str,
    repo: str,
    file: RemoteFile,
    target: Path,
    count: Callable[[int], None],
    stop: threading.Event,
) -> str:
    """Download `file` to `target`; returns its SHA-256.

    Args:
        count: told the bytes gained (negative when a part is thrown away).
        stop: ends the work early.

    Raises:
        HubError: if the hub refuses, the network stays down, or the content is wrong; Stopped after `stop`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(target, file)
    resumed = part.exists() and part.stat().st_size > 0
    digest = _complete(web, hub, repo, file, part, count, stop)
    if not _matches(part, file, digest) and resumed:
        # A part spoilt by a crash is worth one fresh try; a fresh download that is wrong is the source's fault.
        count(-part.stat().st_size)
        part.unlink()
        digest = _complete(web, hub, repo, file, part, count, stop)
    if not _matches(part, file, digest):
        found, want = f"{part.stat().st_size} 字节，sha256 {digest[:16]}", (file.sha256 or file.git_blob)[:16]
        part.unlink()
        raise HubError(
            "下载的内容与模型站公布的校验值不符，已删除",
            where=file.name,
            found=f"{found}（应为 {file.size} 字节，{want or '未公布'}）",
            fix=f"再运行一次；仍不符就{other_hub(hub)}",
        )
    part.replace(target)
    return digest


def _complete(
    web: httpx.Client,
    hub: str,
    repo: str,
    file: RemoteFile,
    part: Path,
    count: Callable[[int], None],
    stop: threading.Event,
) -> str:
    """Fill `part` up to the file's size, over as many requests as it takes; returns its SHA-256."""

    def size() -> int:
        return part.stat().st_size if part.exists() else 0

    digest = hashlib.sha256() if size() == 0 else _sha256(part)
    count(size())

    def attempt() -> None:
        nonlocal digest
        while file.size < 0 or size() < file.size:
            if stop.is_set():
                raise Stopped
            digest = _stream(web, hub, repo, file, part, digest, count, stop)
            if file.size < 0:
                return

    if file.size == 0:
        part.touch()
    retrying(attempt, hub, size, stop.wait)
    return digest.hexdigest()


def _stream(
    web: httpx.Client,
    hub: str,
    repo: str,
    file: RemoteFile,
    part: Path,
    digest: hashlib._Hash,
    count: Callable[[int], None],
    stop: threading.Event,
) -> hashlib._Hash:
    """One request for what `part` still lacks; returns the hash state to go on with."""
    import httpx

    have = part.stat().st_size if part.exists() else 0
    with web.stream("GET", file.url, headers={"Range": f"bytes={have}-"} if have else {}) as reply:
        whole = reply.status_code == 200 or not reply.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if reply.status_code != 416:
            check_status(reply, hub, repo)
        if have and (whole or reply.status_code == 416):
            # The server will not continue here: begin again.
            part.unlink()
            count(-have)
            digest = hashlib.sha256()
            if reply.status_code != 200:
                raise httpx.ReadError("服务器不接受续传")
        gained = 0
        with part.open("ab") as out:
            for chunk in reply.iter_raw():
                if stop.is_set():
                    raise Stopped
                out.write(chunk)
                # The part on disk and the running hash must hold the same bytes when the connection breaks.
                out.flush()
                digest.update(chunk)
                gained += len(chunk)
                count(len(chunk))
                if 0 <= file.size < out.tell():
                    return digest
    if gained == 0 and file.size > 0:
        raise httpx.ReadError("服务器没有给出数据")
    return digest


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
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while block := source.read(CHUNK):
            digest.update(block)
    return digest


def _git_blob(path: Path, size: int) -> str:
    """Git's object id: SHA-1 of "blob SIZE NUL content" (git-hash-object)."""
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as source:
        while block := source.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()
