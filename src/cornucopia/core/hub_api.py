"""What a repository on a model hub holds: Hugging Face (or a mirror of it) and ModelScope, by their REST interfaces.

Asks and reads only; knows nothing of what the files mean, nor how they are fetched (hub_transfer.py) or kept (hub.py).
Environment variables are read at call time, so that a user may set them in the program or the shell.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

from cornucopia import __version__
from cornucopia.core.errors import HubError

if TYPE_CHECKING:
    import httpx

HUBS = ("hf", "mirror", "modelscope")
OFFICIAL = "https://huggingface.co"
MIRROR = "https://hf-mirror.com"
MODELSCOPE = "https://www.modelscope.cn"
ATTEMPTS = 4  # tries without any progress before giving up
FIRST_WAIT = 1.0  # seconds before the second try; doubled each time
_TRUE = ("1", "true", "yes", "on")
T = TypeVar("T")


class RepoMissing(HubError):
    """The hub says that the repository does not exist (or is private)."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a repository: `sha256` for large files, `git_blob` (SHA-1 of git) for small ones, '' if unknown."""

    name: str
    size: int
    url: str
    sha256: str = ""
    git_blob: str = ""


@dataclass(frozen=True)
class Listing:
    """A repository at one revision; `revision` is the commit where the hub tells it."""

    hub: str
    repo: str
    revision: str
    files: list[RemoteFile]


def default_hub() -> str:
    """CORNUCOPIA_HUB, else ModelScope when USE_MODELSCOPE_HUB is set, else Hugging Face."""
    chosen = os.environ.get("CORNUCOPIA_HUB", "").lower()
    if chosen and chosen not in HUBS:
        raise HubError("不认识的模型站", where="环境变量 CORNUCOPIA_HUB", found=chosen, fix=f"可用：{'、'.join(HUBS)}")
    return chosen or ("modelscope" if os.environ.get("USE_MODELSCOPE_HUB", "").lower() in _TRUE else "hf")


def endpoint(hub: str) -> str:
    """Address of a hub, without a trailing slash."""
    if hub == "modelscope":
        domain = os.environ.get("MODELSCOPE_DOMAIN", "")
        address = os.environ.get("MODELSCOPE_ENDPOINT", "") or (f"https://{domain}" if domain else MODELSCOPE)
    else:
        address = os.environ.get("HF_ENDPOINT", "").rstrip("/")
        if hub == "mirror" and address in ("", OFFICIAL):
            address = MIRROR
    return (address or OFFICIAL).rstrip("/")


def offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in _TRUE


def headers(hub: str) -> dict[str, str]:
    """Request headers for the hub itself; httpx drops Authorization and Cookie when it is sent on to another host."""
    values = {"User-Agent": f"cornucopia/{__version__}", "Accept-Encoding": "identity"}
    token = _token(hub)
    if token:
        values["Authorization"] = f"Bearer {token}"
    if token and hub == "modelscope":
        values["Cookie"] = f"m_session_id={token}"
    return values


def _token(hub: str) -> str:
    if hub == "modelscope":
        return os.environ.get("MODELSCOPE_API_TOKEN", "").strip()
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(name, "").strip():
            return os.environ[name].strip()
    # A token kept on disk was given to the official site; a mirror is another party and gets only an explicit HF_TOKEN.
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    kept = Path(os.environ.get("HF_TOKEN_PATH") or home / "token")
    return kept.read_text(encoding="utf-8").strip() if endpoint(hub) == OFFICIAL and kept.is_file() else ""


@contextmanager
def client(hub: str) -> Iterator[httpx.Client]:
    """An HTTP client that follows redirects and honours the proxy variables."""
    import httpx

    try:
        made = httpx.Client(headers=headers(hub), follow_redirects=True, timeout=httpx.Timeout(20.0, connect=15.0))
    except (ImportError, ValueError) as error:
        raise HubError(
            "代理设置用不了",
            where="环境变量 ALL_PROXY / HTTPS_PROXY",
            found=str(error).split(".")[0],
            fix="socks 代理先装：pip install 'httpx[socks]'；或改用 http:// 代理",
        ) from None
    with made:
        yield made


def list_files(web: httpx.Client, hub: str, repo: str, revision: str | None) -> Listing:
    """Files of `repo` at `revision` (None: the hub's default branch).

    Raises:
        RepoMissing: if there is no such repository; HubError for any other refusal or failure.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*[\w-]", repo) or ".." in repo:
        raise HubError("仓库名应是「组织/名字」", found=repo, fix="例：cornucopia models pull Qwen/Qwen3-0.6B")
    return (_list_modelscope if hub == "modelscope" else _list_hf)(web, hub, repo, revision)


def _list_hf(web: httpx.Client, hub: str, repo: str, revision: str | None) -> Listing:
    base = endpoint(hub)
    wanted = quote(revision or "main", safe="")
    data = _get_json(web, hub, repo, f"{base}/api/models/{repo}/revision/{wanted}?blobs=true")
    commit = str(data.get("sha") or revision or "main")
    files = [_hf_file(item, f"{base}/{repo}/resolve/{quote(commit, safe='')}") for item in data.get("siblings") or []]
    return Listing(hub, repo, commit, files)


def _hf_file(item: dict[str, Any], base: str) -> RemoteFile:
    name, lfs = str(item.get("rfilename", "")), item.get("lfs") or {}
    size = lfs.get("size", item.get("size"))
    return RemoteFile(
        name,
        int(size if size is not None else -1),
        f"{base}/{quote(name)}",
        sha256=str(lfs.get("sha256") or ""),
        git_blob="" if lfs else str(item.get("blobId") or ""),
    )


def _list_modelscope(web: httpx.Client, hub: str, repo: str, revision: str | None) -> Listing:
    base = f"{endpoint(hub)}/api/v1/models/{repo}/repo"
    wanted = revision or "master"
    data = _get_json(web, hub, repo, f"{base}/files?{urlencode({'Recursive': 'true', 'Revision': wanted})}")
    if data.get("Code") not in (200, None) or data.get("Success") is False:
        raise _missing(hub, repo, str(data.get("Message", "")))
    files = []
    for item in (data.get("Data") or {}).get("Files") or []:
        if item.get("Type") == "tree":
            continue
        name = str(item.get("Path") or item.get("Name") or "")
        url = f"{base}?{urlencode({'Revision': wanted, 'FilePath': name})}"
        files.append(RemoteFile(name, int(item.get("Size", -1)), url, sha256=str(item.get("Sha256") or "")))
    return Listing(hub, repo, wanted, files)


def _get_json(web: httpx.Client, hub: str, repo: str, url: str) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        reply = web.get(url, headers={"Accept": "application/json"})
        check_status(reply, hub, repo)
        try:
            data = reply.json()
        except ValueError:
            found = reply.text[:80].replace("\n", " ")
            raise HubError("模型站的回答不是 JSON", where=url, found=found, fix=other_hub(hub)) from None
        if not isinstance(data, dict):
            raise HubError("模型站的回答看不懂", where=url, found=type(data).__name__, fix=other_hub(hub))
        return data

    return retrying(ask, hub, lambda: 0)


def check_status(reply: httpx.Response, hub: str, repo: str) -> None:
    """Nothing for a good reply.

    Raises:
        RepoMissing, HubError: told in Chinese; Busy for what is worth another try.
    """
    if reply.status_code < 400:
        return
    code, found = reply.headers.get("X-Error-Code", ""), f"HTTP {reply.status_code}"
    if reply.status_code == 429 or reply.status_code >= 500:
        raise Busy(found, reply.headers.get("Retry-After", ""))
    if code == "GatedRepo" or (reply.status_code == 403 and hub != "modelscope"):
        raise _gated(repo, found)
    if code == "RevisionNotFound":
        raise HubError("仓库里没有这个版本", where=repo, found=found, fix="去掉 --revision，用默认分支")
    if code == "EntryNotFound":
        raise HubError("仓库里没有这个文件", where=str(reply.url), fix="稍后重试，或换 --revision")
    if reply.status_code in (401, 403, 404):
        raise _missing(hub, repo, found)
    address = str(reply.url.copy_with(query=None))  # a signed query is a secret
    raise HubError("模型站拒绝了请求", where=address, found=found, fix=other_hub(hub))


def _gated(repo: str, found: str) -> HubError:
    page = f"{OFFICIAL}/{repo}"
    steps = f"登录并打开 {page} 接受许可，再 export HF_TOKEN=hf_...（Settings 里的 Access Token），然后运行同一条命令"
    return HubError("这个模型要先同意许可才能下载", where=page, found=found, fix=steps)


def _missing(hub: str, repo: str, found: str) -> RepoMissing:
    return RepoMissing(
        "仓库不存在、已下架，或是私有的",
        where=f"{endpoint(hub)}/{repo}",
        found=found,
        fix=f"{other_hub(hub)}；私有仓库先 export HF_TOKEN=hf_...；目录见 cornucopia models list --all",
    )


def other_hub(hub: str) -> str:
    """What to try when `hub` does not answer."""
    if hub == "modelscope":
        return "换一个站：--hub hf 或 --hub mirror"
    return "换一个站：--hub modelscope" + (
        "" if hub == "mirror" else "，或 --hub mirror（即 HF_ENDPOINT=https://hf-mirror.com）"
    )


class Busy(Exception):
    """The hub asked to come back later."""

    def __init__(self, reason: str, after: str = "") -> None:
        super().__init__(reason)
        self.after = min(float(after), 60.0) if re.fullmatch(r"\d{1,9}", after) else 0.0


def retrying(
    work: Callable[[], T], hub: str, progress: Callable[[], int], pause: Callable[[float], object] | None = None
) -> T:
    """`work()`, again after a network failure, waiting longer each time.

    Args:
        work: what to do; raises httpx.TransportError or Busy when it is worth another try.
        hub: named in the error.
        progress: a number that grows as work advances; while it grows, tries are not counted.
        pause: waits that many seconds (time.sleep unless given).

    Raises:
        HubError: after ATTEMPTS tries without progress.
    """
    import httpx

    tries, seen = 0, progress()
    while True:
        try:
            return work()
        except (httpx.TransportError, Busy) as error:
            now = progress()
            tries, seen = (1 if now > seen else tries + 1), now
            if tries >= ATTEMPTS:
                raise HubError(
                    "连不上模型站",
                    where=endpoint(hub),
                    found=str(error) or type(error).__name__,
                    fix=f"{other_hub(hub)}；已下载的部分会保留，再运行同一条命令即可续传",
                ) from None
            (pause or time.sleep)(max(FIRST_WAIT * 2 ** (tries - 1), getattr(error, "after", 0.0)))
