"""Connections to allowed hosts at public IP addresses only, checked where the connection is made.

The name is looked up once and the connection goes to the address that was checked, so that a name server that answers
differently the second time (DNS rebinding) changes nothing. TLS still verifies the certificate against the name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import cache
from typing import Any

import httpcore
import httpx

Resolve = Callable[[str, int], Awaitable[list[str]]]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address


class Refused(Exception):
    """A connection that must not be made; the message says why, in Chinese."""


async def look_up(host: str, port: int) -> list[str]:
    """The IP addresses of a name, as the system has them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def is_public(text: str) -> bool:
    """Whether an IP address is one of the open Internet, whatever form of IPv6 an IPv4 address hides in."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


class _Backend(httpcore.AsyncNetworkBackend):
    """Looks up, checks, connects."""

    def __init__(self, serves: Callable[[str, int], bool], private: bool, resolve: Resolve) -> None:
        self._serves, self._private, self._resolve = serves, private, resolve
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if not self._serves(host, port):
            raise Refused(f"{host}:{port} 不在允许范围")
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"名字查不到：{host}") from error
        hidden = [address for address in found if not is_public(address)]
        if hidden and not self._private:
            raise Refused(f"{host} 指向内网地址 {hidden[0]}；确实要抓内网加 --allow-private")
        for address in found[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        if not found:
            raise httpcore.ConnectError(f"名字没有地址：{host}")
        return await self._inner.connect_tcp(found[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


@cache
def _tls() -> ssl.SSLContext:
    """Certificates as SSL_CERT_FILE or certifi has them: read once, which takes a tenth of a second."""
    return httpx.create_ssl_context()


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport whose connections are checked.

    Args:
        serves: whether a connection to host and port may be made at all.
        private: whether addresses that are not public may be connected to.
        connections: how many may be open.
        resolve: how names are looked up.

    Raises, when a request is sent: Refused, or httpcore's exceptions.
    """

    def __init__(
        self, serves: Callable[[str, int], bool], *, private: bool, connections: int, resolve: Resolve = look_up
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(),
            max_connections=connections,
            keepalive_expiry=30,
            network_backend=_Backend(serves, private, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        answer = await self._pool.handle_async_request(asked)
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()
