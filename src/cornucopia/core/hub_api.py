"""What a repository on a model hub holds: Hugging Face (or a mirror of it) and ModelScope, by their REST interfaces.

Asks and reads only; knows nothing of what the files mean, nor how they are fetched (hub_transfer.py) or kept (hub.py).
Environment variables are read at call time, so that a user may set them in the program or the shell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import quote, urlencode

import pydantic

from cornucopia.core import hub_patience
from cornucopia.core.errors import HubError
from cornucopia.core.hub_patience import Refused, Unfit
from cornucopia.core.version import __version__

if TYPE_CHECKING:
    import httpx

HUBS = ("hf", "mirror", "modelscope")
OFFICIAL = "https://huggingface.co"
MIRROR = "https://hf-mirror.com"
MODELSCOPE = "https://www.modelscope.cn"
READ_TIMEOUT = 15.0  # seconds without a byte
LISTING_NAME = "文件清单"
LISTING_LIMIT = 64_000_000  # bytes
_TRUE = ("1", "true", "yes", "on")
Reply = TypeVar("Reply", bound=pydantic.BaseModel)


class RepoMissing(HubError):
    """The hub says that the repository does not exist (or is private)."""


RepoKind = Literal["models", "datasets"]


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


class _Lfs(pydantic.BaseModel):
    sha256: str = ""
    size: int


class _HfFile(pydantic.BaseModel):
    rfilename: str
    size: int | None = None
    blobId: str | None = None
    lfs: _Lfs | None = None


class _HfReply(pydantic.BaseModel):
    sha: str | None = None
    siblings: list[_HfFile] = []


class _ModelScopeFile(pydantic.BaseModel):
    Path: str
    Type: str = "blob"
    Size: int = -1
    Sha256: str | None = None


class _ModelScopeFiles(pydantic.BaseModel):
    Files: list[_ModelScopeFile] | None = None


class _ModelScopeReply(pydantic.BaseModel):
    Code: int | None = None
    Success: bool = True
    Message: str | None = None
    Data: _ModelScopeFiles | None = None


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
    names = ("MODELSCOPE_API_TOKEN",) if hub == "modelscope" else ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
    given = next((os.environ[name].strip() for name in names if os.environ.get(name, "").strip()), "")
    # A token kept on disk was given to the official site; a mirror is another party and gets only an explicit HF_TOKEN.
    if given or hub == "modelscope" or endpoint(hub) != OFFICIAL:
        return given
    from huggingface_hub import get_token

    return get_token() or ""


@contextmanager
def client(hub: str) -> Iterator[httpx.Client]:
    """An HTTP client that follows a few redirects and honours the proxy variables."""
    import httpx

    if not endpoint(hub).startswith(("http://", "https://")):
        name = "MODELSCOPE_ENDPOINT" if hub == "modelscope" else "HF_ENDPOINT"
        fix = f"地址要以 https:// 开头，如 export HF_ENDPOINT={MIRROR}"
        raise HubError("模型站的地址写得不对", where=f"环境变量 {name}", found=endpoint(hub), fix=fix)
    timeout = httpx.Timeout(READ_TIMEOUT, connect=15.0)
    try:
        made = httpx.Client(headers=headers(hub), follow_redirects=True, max_redirects=5, timeout=timeout)
    except (ImportError, ValueError) as error:
        raise HubError(
            "代理设置用不了",
            where="环境变量 ALL_PROXY / HTTPS_PROXY",
            found=str(error).split(".")[0],
            fix="socks 代理先装：pip install 'httpx[socks]'；或改用 http:// 代理",
        ) from None
    with made:
        yield made


def list_files(web: httpx.Client, hub: str, repo: str, revision: str | None, kind: RepoKind = "models") -> Listing:
    """Files of `repo` at `revision` (None: the hub's default branch); `kind`: of models or of data sets.

    Raises:
        RepoMissing: if there is no such repository; HubError for any other refusal or failure.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]*[\w-]", repo) or ".." in repo:
        raise HubError("仓库名应是「组织/名字」", found=repo, fix="例：cornucopia models pull Qwen/Qwen3-0.6B")
    return (_list_modelscope if hub == "modelscope" else _list_hf)(web, hub, repo, revision, kind)


def _list_hf(web: httpx.Client, hub: str, repo: str, revision: str | None, kind: RepoKind) -> Listing:
    base = endpoint(hub)
    wanted = quote(revision or "main", safe="")
    reply = _ask(web, hub, repo, f"{base}/api/{kind}/{repo}/revision/{wanted}?blobs=true", _HfReply)
    commit = reply.sha or revision or "main"
    home = f"{base}/{repo}" if kind == "models" else f"{base}/datasets/{repo}"
    files = [_hf_file(item, f"{home}/resolve/{quote(commit, safe='')}") for item in reply.siblings]
    return Listing(hub, repo, commit, files)


def _hf_file(item: _HfFile, base: str) -> RemoteFile:
    url = f"{base}/{quote(item.rfilename)}"
    if item.lfs:
        return RemoteFile(item.rfilename, item.lfs.size, url, sha256=item.lfs.sha256)
    return RemoteFile(item.rfilename, -1 if item.size is None else item.size, url, git_blob=item.blobId or "")


def _list_modelscope(web: httpx.Client, hub: str, repo: str, revision: str | None, kind: RepoKind) -> Listing:
    base = f"{endpoint(hub)}/api/v1/{kind}/{repo}/repo"
    wanted = revision or "master"
    asked = {"Recursive": "true", "Revision": wanted}
    if kind == "datasets":
        asked |= {"PageNumber": "1", "PageSize": "3000"}  # the most that one page holds
    listed = "files" if kind == "models" else "tree"
    reply = _ask(web, hub, repo, f"{base}/{listed}?{urlencode(asked)}", _ModelScopeReply)
    if reply.Code not in (200, None) or not reply.Success:
        raise _missing(hub, repo, reply.Message or f"Code {reply.Code}")
    files = []
    for item in (reply.Data and reply.Data.Files) or []:
        if item.Type != "tree":
            url = f"{base}?{urlencode({'Revision': wanted, 'FilePath': item.Path})}"
            files.append(RemoteFile(item.Path, item.Size, url, sha256=item.Sha256 or ""))
    return Listing(hub, repo, wanted, files)


def _ask(web: httpx.Client, hub: str, repo: str, url: str, shape: type[Reply]) -> Reply:
    def ask() -> Reply:
        with web.stream("GET", url, headers={"Accept": "application/json"}) as reply:
            check_status(reply, hub, repo, LISTING_NAME)
            body = hub_patience.read(reply, LISTING_LIMIT)
            try:
                return shape.model_validate_json(body)
            except pydantic.ValidationError as error:
                is_json = error.errors()[0]["type"] != "json_invalid"
                raise Unfit(f"{what_came(reply, body)}，应为{'文件清单的' if is_json else ' '}JSON") from None

    return hub_patience.retrying(ask, LISTING_NAME, endpoint(hub), other_hub(hub))


def what_came(reply: httpx.Response, body: bytes | None = None) -> str:
    """An answer that is not what was asked for, in words: its type, length, and the title if it is a web page.

    Args:
        body: as far as it is known; the first of it is read otherwise.
    """
    if body is None:
        body = hub_patience.first_bytes(reply)
    length = reply.headers.get("Content-Length", "")
    size = int(length) if re.fullmatch(r"\d{1,18}", length) else len(body)
    kind = reply.headers.get("Content-Type", "").split(";")[0].strip() or "没有写类型的内容"
    title = re.search(r"<title[^>]*>\s*([^<]{1,60})", body[:20_000].decode("utf-8", "replace"), re.IGNORECASE)
    page = f"（网页「{title.group(1).strip()}」，像是要先登录网络，或被代理拦下）" if title else ""
    return f"{kind}，{size:,} 字节{page}"


def check_status(reply: httpx.Response, hub: str, repo: str, name: str) -> None:
    """Nothing for a good reply.

    Args:
        name: the file asked for, or LISTING_NAME.

    Raises:
        RepoMissing, HubError: told in Chinese; Refused or Unfit for what is worth another try.
    """
    if reply.status_code < 300:
        return
    code, found = reply.headers.get("X-Error-Code", ""), f"HTTP {reply.status_code}"
    if reply.status_code in (408, 429) or reply.status_code >= 500:
        raise Refused(found, reply.headers.get("Retry-After", ""))
    if reply.status_code < 400:
        raise Unfit(f"{found}，{what_came(reply)}")
    if code == "RevisionNotFound":
        raise HubError("仓库里没有这个版本", where=repo, found=found, fix="去掉 --revision，用默认分支")
    if code == "EntryNotFound":
        raise HubError("仓库里没有这个文件", where=str(reply.url), fix="稍后重试，或换 --revision")
    if reply.status_code == 401 and "invalid" in reply.headers.get("X-Error-Message", "").lower():
        raise HubError("模型站不认这个令牌", where=hub, found=found, fix="检查 HF_TOKEN，或 hf auth login 重新登录")
    # The hub itself decides who may have a file; what answers after it has sent us on is storage, or a proxy's page.
    page = "html" in reply.headers.get("Content-Type", "") and reply.status_code != 404
    own = bool(code) or not (reply.history or page)
    if code == "GatedRepo" or (own and reply.status_code == 403 and hub != "modelscope"):
        raise _gated(hub, repo, found)
    if own and reply.status_code in (401, 403, 404) and name == LISTING_NAME:
        raise _missing(hub, repo, found)
    raise Unfit(f"{plain_address(reply)} 回答 {found}，{what_came(reply)}")


def plain_address(reply: httpx.Response) -> str:
    """Where a reply came from; a signed query is a secret and left out."""
    return str(reply.url.copy_with(query=None))


def _gated(hub: str, repo: str, found: str) -> HubError:
    page = f"{OFFICIAL}/{repo}"
    steps = f"登录并打开 {page} 接受许可，再 export HF_TOKEN=hf_...（Settings 里的 Access Token），然后运行同一条命令"
    return HubError("这个模型要先同意许可才能下载", where=page, found=found, fix=f"{steps}；已同意过就{other_hub(hub)}")


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
    return "换一个站：--hub modelscope" + ("" if hub == "mirror" else f"，或 --hub mirror（即 HF_ENDPOINT={MIRROR}）")
