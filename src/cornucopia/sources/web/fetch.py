"""One request and its whole answer, within limits of size and time. Knows nothing of robots, rates and retries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from cornucopia.core.version import __version__
from cornucopia.sources.web.connect import GuardedTransport, Refused, Resolve, look_up
from cornucopia.sources.web.inflate import Broken, Inflater, TooLarge

ROBOT = "CornucopiaBot"  # the name that robots.txt may address
_ACCEPT = "text/html,application/xhtml+xml,application/pdf,application/xml;q=0.9,*/*;q=0.5"
PASSING = frozenset((408, 425, 429, 500, 502, 503, 504))  # statuses that another time may differ


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        address: that was asked.
        status: of HTTP; 0 where there was no answer.
        headers: names in lower case.
        body: opened.
        problem: '', timeout, connection, broken, too_large, type or refused.
        detail: of the problem, in Chinese.
    """

    address: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    problem: str = ""
    detail: str = ""

    @property
    def may_pass(self) -> bool:
        """Whether asking again later may give another answer."""
        return self.problem in ("timeout", "connection", "broken") or self.status in PASSING


class Fetcher:
    """Asks for addresses, one attempt each, following nothing.

    Args:
        serves: whether a connection to host and port may be made at all.
        contact: an e-mail or web address in the user agent, for whoever runs the site; '' for none.
        private: whether private and loopback IP addresses may be connected to.
        read_seconds: the longest wait for the next bytes.
        total_seconds: the longest time for one answer.
        most_bytes: the largest opened body.
        connections: at a time.
        resolve: how names are looked up.
    """

    def __init__(
        self,
        serves: Callable[[str, int], bool],
        *,
        contact: str = "",
        private: bool = False,
        read_seconds: float = 20,
        total_seconds: float = 120,
        most_bytes: int = 20_000_000,
        connections: int = 8,
        resolve: Resolve = look_up,
    ) -> None:
        agent = f"{ROBOT}/{__version__}" + (f" (+{contact})" if contact else "")
        self._total, self._most = total_seconds, most_bytes
        self._client = httpx.AsyncClient(
            transport=GuardedTransport(serves, private=private, connections=connections, resolve=resolve),
            headers={
                "User-Agent": agent.encode("ascii", "ignore").decode(),
                "Accept": _ACCEPT,
                "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5",
                "Accept-Encoding": "gzip, deflate",
            },
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(read_seconds, pool=None),
            trust_env=False,
        )

    async def get(
        self,
        address: str,
        headers: Mapping[str, str] | None = None,
        wants: Callable[[str, Mapping[str, str]], bool] | None = None,
    ) -> Answer:
        """GET.

        Args:
            address: normalised.
            headers: more of them (If-None-Match ...).
            wants: looks at address and headers of a 200 answer; False leaves the body unread.
        """
        try:
            async with asyncio.timeout(self._total):
                return await self._get(address, headers, wants)
        except TimeoutError:
            return Answer(address, problem="timeout", detail=f"{self._total:g} 秒没有收完")
        except httpcore.TimeoutException as error:
            where = "连接" if isinstance(error, httpcore.ConnectTimeout) else "等下一段内容"
            return Answer(address, problem="timeout", detail=f"{where}超时")
        except Refused as error:
            return Answer(address, problem="refused", detail=str(error))
        except (httpcore.ConnectError, OSError) as error:
            return Answer(address, problem="connection", detail=f"连不上：{str(error)[:120]}")
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            return Answer(address, problem="broken", detail=f"回答在中间断了或不合 HTTP：{str(error)[:120]}")

    async def _get(self, address: str, headers: Mapping[str, str] | None, wants: Any) -> Answer:
        async with self._client.stream("GET", address, headers=dict(headers or {})) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            status = response.status_code
            if status != 200:
                return Answer(address, status, found)
            if wants and not wants(address, found):
                detail = found.get("content-type", "")[:80] or "没有写类型"
                return Answer(address, status, found, problem="type", detail=detail)
            length = found.get("content-length", "")
            if length.isdecimal() and int(length) > self._most:
                return self._too_large(address, found)
            try:
                inflater = Inflater(found.get("content-encoding", ""), self._most)
                async for part in response.aiter_raw():
                    inflater.feed(part)
                return Answer(address, status, found, inflater.body())
            except TooLarge:
                return self._too_large(address, found)
            except Broken as error:
                return Answer(address, status, found, problem="broken", detail=str(error))

    def _too_large(self, address: str, headers: Mapping[str, str]) -> Answer:
        return Answer(address, 200, headers, problem="too_large", detail=f"超过 {self._most / 1e6:g} MB")

    async def close(self) -> None:
        await self._client.aclose()
