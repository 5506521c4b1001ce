"""The crawl itself: asks for each address that waits in the store, at each host's pace, and keeps what comes.

Redirects are addresses like others: they pass the allow-list, robots.txt and the host's pace before they are asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from cornucopia.sources.web.address import host_of, normalise, origin_of
from cornucopia.sources.web.connect import Resolve, look_up
from cornucopia.sources.web.fetch import Answer, Fetcher
from cornucopia.sources.web.hosts import Host, retry_after
from cornucopia.sources.web.links import read_links
from cornucopia.sources.web.media import media_of, wants
from cornucopia.sources.web.robots import Robots, ask_robots
from cornucopia.sources.web.settings import CrawlSettings
from cornucopia.sources.web.sitemap import read_sitemap
from cornucopia.sources.web.store import Known, Store, Stored
from cornucopia.sources.web.tree import decode_page, parse_html

HOPS = 10  # redirects one after another
BACKOFF = 1.0  # seconds before the first retry, doubled for each further one
OnStep = Callable[[Known, str, int], None]


class _Later(Exception):
    """Not to be had in this run: the address goes on waiting."""


def crawl(
    settings: CrawlSettings, folder: str | Path, on_step: OnStep | None = None, *, resolve: Resolve = look_up
) -> dict[str, str]:
    """Crawl into a folder, or go on where an earlier run stopped; asks nothing where nothing is left to ask.

    Args:
        settings: where and how.
        folder: of the store.
        on_step: called with each address that is finished, why its host is closed (or ''), and how many wait.
        resolve: how names are looked up.

    Returns:
        host -> why it was left before its addresses were done, in Chinese.

    Raises:
        ConfigError: the settings make no sense.
        DataError: the folder cannot be used.
    """
    scope = settings.scope()
    with Store(folder) as store:
        run = _Run(settings, store, on_step)
        waiting = run.prepare()
        if waiting and run.has_budget():
            fetcher = Fetcher(
                scope.serves,
                contact=settings.contact,
                private=settings.allow_private,
                read_seconds=settings.read_seconds,
                total_seconds=settings.total_seconds,
                most_bytes=int(settings.max_mb * 1e6),
                connections=settings.concurrency,
                resolve=resolve,
            )
            asyncio.run(run.all(waiting, fetcher))
        return {name: host.closed for name, host in run.hosts.items() if host.closed}


class _Run:
    """One run over a store."""

    def __init__(self, settings: CrawlSettings, store: Store, on_step: OnStep | None) -> None:
        self.settings, self.store, self.on_step = settings, store, on_step
        self.scope = settings.scope()
        self.hosts: dict[str, Host] = {}
        self._running = 0

    def prepare(self) -> list[Known]:
        """Judge what the store knows by this run's settings; returns what is to be asked for."""
        store, settings = self.store, self.settings
        starts = [Known(address, kind="sitemap" if _is_sitemap(address) else "page") for address in settings.starts()]
        store.reopen(robots=False)
        store.add(map(self.judged, starts))
        if settings.refresh != "none" and not store.waiting():
            store.reopen(robots=True)
            store.again(failed_only=settings.refresh == "errors")
        judged = [self.judged(one) for one in store.waiting()]
        store.refuse(one for one in judged if one.state == "refused")
        self._taken = store.taken()
        return [one for one in judged if one.state == "waiting"]

    def has_budget(self) -> bool:
        return self._taken + self._running < self.settings.pages

    def judged(self, one: Known) -> Known:
        """The address, refused where the settings do not want it."""
        if one.kind == "sitemap":
            inside = self.scope.serves_origin(one.address) and not (one.chain and self.scope.refusal(one.address))
            why = "" if inside else "outside"
        else:
            why = self.scope.refusal(one.address, start=not one.depth) or (
                "depth" if one.depth > self.settings.depth else ""
            )
        return replace(one, state="refused", reason=why) if why else one

    async def all(self, waiting: list[Known], fetcher: Fetcher) -> None:
        """Ask until nothing waits."""
        self._fetcher, self._slots = fetcher, asyncio.Semaphore(self.settings.concurrency)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._enqueue(waiting)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            await fetcher.close()

    def _enqueue(self, many: Iterable[Known]) -> None:
        for one in many:
            name = host_of(one.address)
            if name not in self.hosts:
                self.hosts[name] = Host(self.settings.rate)
            self.hosts[name].push(one)
        for host in self.hosts.values():
            while host.workers < min(self.settings.per_host, host.waiting) and not host.closed and self.has_budget():
                host.workers += 1
                self._tasks.create_task(self._work(host))

    async def _work(self, host: Host) -> None:
        try:
            while self.has_budget() and (one := host.pop()):
                self._running += 1
                try:
                    done, found = await self._visit(host, one)
                    self._taken += (done.state, done.kind) == ("done", "page") and done.reason != "redirect"
                except _Later:
                    continue
                finally:
                    self._running -= 1
                self._enqueue(found)
                if self.on_step:
                    waiting = sum(one.waiting for one in self.hosts.values() if not one.closed)
                    self.on_step(done, host.closed, waiting)
        finally:
            host.workers -= 1

    async def _visit(self, host: Host, one: Known) -> tuple[Known, list[Known]]:
        """Ask for one address and keep what became of it; returns that, and what waits because of it."""
        robots, maps = await self._robots(host, one)
        if self.settings.obey_robots and not robots.allows(one.address):
            done = replace(one, state="refused", reason="robots")
            return done, self.store.finish(done, found=maps)
        old = self.store.page(one.address)
        answer = await self._ask(host, one.address, _conditions(old), None if one.kind == "sitemap" else wants)
        done, page, body, found = self._judge(one, answer, old)
        return done, self.store.finish(done, page, body, [*map(self.judged, found), *maps])

    async def _robots(self, host: Host, one: Known) -> tuple[Robots, list[Known]]:
        """The rules for this address, and the sitemaps where its origin is met for the first time."""
        origin = origin_of(one.address)
        async with host.robots_lock:
            if origin in host.robots:
                return host.robots[origin], []
            robots = await ask_robots(origin, lambda address: self._ask(host, address), self.scope.serves_origin)
            host.robots[origin] = robots
        if robots.problem and self.settings.obey_robots:
            host.closed = robots.problem
            raise _Later
        host.asked_delay = max(host.asked_delay, robots.delay if self.settings.obey_robots else 0.0)
        host.rest(host.asked_delay)
        if not self.settings.sitemap or not self.settings.depth:
            return robots, []
        named = [normalise(text, origin) for text in robots.sitemaps] or [f"{origin}/sitemap.xml"]
        maps = [self.judged(Known(address, 1, "sitemap")) for address in dict.fromkeys(named) if address]
        return robots, maps

    async def _ask(
        self,
        host: Host,
        address: str,
        headers: Mapping[str, str] | None = None,
        wanted: Callable[[str, Mapping[str, str]], bool] | None = None,
    ) -> Answer:
        """Ask, and ask again where another time may help. 429 and 503 make the whole host rest."""
        for attempt in range(self.settings.retries + 1):
            await host.turn()
            async with self._slots:
                answer = await self._fetcher.get(address, headers, wanted)
            if not answer.may_pass:
                break
            busy = answer.status in (429, 503)
            pause = max(retry_after(answer.headers) if busy else 0.0, BACKOFF * 2**attempt * random.uniform(1, 1.5))
            if busy and pause > self.settings.longest_wait:
                host.closed = f"网站要求 {pause:.0f} 秒后再来"
                raise _Later
            if attempt == self.settings.retries:
                if answer.status == 429:
                    host.closed = "网站一直说太快了（429）"
                    raise _Later
                break
            if busy:
                host.rest(pause)
            else:
                await asyncio.sleep(pause)
        host.heard(answer.status != 0)
        return answer

    def _judge(
        self, one: Known, answer: Answer, old: Stored | None
    ) -> tuple[Known, Stored | None, bytes | None, list[Known]]:
        """What an answer means: what became of the address, its page, the page's body, and the addresses found."""
        done = replace(one, state="done", reason="", detail="")
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if answer.problem:
            return replace(done, reason=answer.problem, detail=answer.detail), None, None, []
        if answer.status == 304 and old:
            return done, replace(old, fetched_at=now), None, []
        if 300 <= answer.status < 400 and answer.headers.get("location"):
            return (*self._moved(one, done, answer),)
        if answer.status != 200:
            return replace(done, reason=str(answer.status), detail=f"HTTP {answer.status}"), None, None, []
        if one.kind == "sitemap":
            return replace(done, reason="sitemap"), None, None, _from_sitemap(one, answer)
        media = media_of(one.address, answer.headers, answer.body)
        if not media:
            return replace(done, reason="type", detail=answer.headers.get("content-type", "")[:80]), None, None, []
        return self._kept(one, done, answer, media, now)

    def _moved(self, one: Known, done: Known, answer: Answer) -> tuple[Known, None, None, list[Known]]:
        target, chain = normalise(answer.headers["location"], one.address), (*one.chain, one.address)
        if target in chain or len(chain) > HOPS:
            detail = "转回了转来的地方" if target in chain else f"连转了 {len(chain)} 次"
            return replace(done, reason="loop", detail=detail), None, None, []
        moved = [Known(target, one.depth, one.kind, chain)] if target else []
        return replace(done, reason="redirect", detail=target), None, None, moved

    def _kept(
        self, one: Known, done: Known, answer: Answer, media: str, now: str
    ) -> tuple[Known, Stored, bytes, list[Known]]:
        headers, found = answer.headers, []
        kept = {"content_type": headers.get("content-type", ""), "etag": headers.get("etag", "")}
        about: dict[str, object] = kept | {"last_modified": headers.get("last-modified", ""), "depth": one.depth}
        if media in ("html", "txt", "md"):
            text, about["encoding"] = decode_page(answer.body, headers.get("content-type", ""))
            root = parse_html(text) if media == "html" else None
            obey = self.settings.obey_nofollow
            page = read_links(root, one.address, str(about["encoding"]), headers, obey_nofollow=obey)
            about |= {"licence": page.licence, "canonical": page.canonical, "reserved": list(page.reserved)}
            found = [Known(link, one.depth + 1) for link in page.links]
            found += [Known(page.canonical, one.depth)] if page.canonical else []
        about = {key: value for key, value in about.items() if value}
        sha256 = hashlib.sha256(answer.body).hexdigest()
        return done, Stored(one.address, now, sha256, media, len(answer.body), about), answer.body, found


def _from_sitemap(one: Known, answer: Answer) -> list[Known]:
    pages, maps = read_sitemap(answer.body, one.address)
    deeper = [Known(address, one.depth + 1, "sitemap") for address in maps] if one.depth < 3 else []
    return [*deeper, *(Known(address, 1) for address in pages)]


def _is_sitemap(address: str) -> bool:
    name = address.rpartition("/")[2].lower()
    return "sitemap" in name and name.endswith((".xml", ".xml.gz", ".txt"))


def _conditions(old: Stored | None) -> dict[str, str]:
    """Headers that ask for a page only where it has changed."""
    about = old.about if old else {}
    named = {"If-None-Match": about.get("etag", ""), "If-Modified-Since": about.get("last_modified", "")}
    return {name: value for name, value in named.items() if value}
