"""A web site as a source: its questions and answers, its pages' texts, or passages of these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from cornucopia.core.config import option
from cornucopia.core.console import warn
from cornucopia.core.errors import ConfigError, DataError
from cornucopia.factory.intake.documents import records_of
from cornucopia.factory.intake.intake import Intake, IntakeConfig, signed
from cornucopia.records.evidence import KEY, Evidence
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Record
from cornucopia.sources.document import Document
from cornucopia.sources.passages import SIZE
from cornucopia.sources.web.crawl import crawl
from cornucopia.sources.web.faq.pair import Pair
from cornucopia.sources.web.pages import FORBIDDEN, Asked, asked, distinct, document_of_page
from cornucopia.sources.web.settings import CrawlSettings
from cornucopia.sources.web.store import Store, Stored


class CrawlConfig(IntakeConfig, CrawlSettings):
    """Where the pages are, and what is made of them."""

    folder: Path | None = option(None, "cornucopia data crawl 抓好的文件夹：给了就只读它，不联网")
    as_records: Literal["pairs", "text", "passages"] = option(
        "pairs", "变成什么记录：pairs 网页里的问答，text 继续预训练的文本，passages 一段一条、供出题用的材料"
    )
    size: int = option(SIZE, "一段最多多少字；as_records: text 时 0 为整页一条", ge=0)
    obey_reserved: bool = option(True, "网页声明不许用于训练（noai、tdm-reservation）的不取")
    shortest: int = option(2, "问答的回答至少多少字", ge=1)


class CrawlIntake(Intake):
    """Fetches what its folder lacks, then gives records of what is there."""

    kind = "crawl"
    summary = "网页：守规矩地抓，取出问答、正文或段落；抓过的从文件夹里读"
    settings = CrawlConfig
    config: CrawlConfig

    def __init__(self, config: CrawlConfig) -> None:
        super().__init__(config)
        if config.folder is None:
            config.scope()
        elif not (config.folder / "crawl.sqlite").is_file():
            fix = f"先运行 cornucopia data crawl 网址 --out {config.folder}，或改写 start: [网址]"
            raise ConfigError("这个文件夹里没有抓到的网页", where="folder", found=str(config.folder), fix=fix)

    def inputs(self) -> list[Path]:
        folder = self.config.folder
        if folder is None:
            return []
        return [folder / "crawl.sqlite", *([folder / "files"] if (folder / "files").is_dir() else [])]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        place = self.config.folder or folder / "pages"
        if self.config.folder is None:
            for host, why in crawl(self.config, place).items():
                warn(f"{host}：{why}")
        with Store(place, write=False) as store:
            yield from signed(self.config, self._items(store))

    def _items(self, store: Store) -> Iterator[Record | Reject]:
        for page in distinct(store):
            if self._wanted(page.address):
                yield from self._of_page(store, page)

    def _wanted(self, address: str) -> bool:
        include, exclude = self.config.include, self.config.exclude
        if any(re.search(pattern, address) for pattern in exclude):
            return False
        return not include or any(re.search(pattern, address) for pattern in include)

    def _of_page(self, store: Store, page: Stored) -> Iterator[Record | Reject]:
        marks = [mark for mark in page.about.get("reserved", ()) if mark in FORBIDDEN]
        if marks and self.config.obey_reserved:
            yield Reject(0, f"网页声明不许用于训练：{'、'.join(marks)}", "", page.address)
            return
        try:
            found = asked(store, page) if self.config.as_records == "pairs" else None
            yield from self._pairs(found) if found else self._read(document_of_page(store, page))
        except DataError as error:
            yield Reject(0, error.what, "", page.address)

    def _pairs(self, found: Asked) -> Iterator[Record]:
        for number, pair in enumerate(found.pairs, 1):
            if len(pair.answer) >= self.config.shortest:
                yield _pair_record(found.document, pair, number)

    def _read(self, document: Document) -> Iterator[Record]:
        kind = self.config.as_records
        size = self.config.size or (0 if kind == "text" else SIZE)
        for record in records_of(document, document.id, kind, size):
            yield replace(record, extra={**record.extra, "fetched_at": document.extra["fetched_at"]})


def _pair_record(document: Document, pair: Pair, number: int) -> Record:
    """A question and its answer; the evidence is the answer as it stands in the page's text, where it stands there."""
    start = max(document.text.find(pair.answer), 0)
    there = document.text.startswith(pair.answer, start)
    evidence = Evidence(document.id, pair.answer, 0, start, start + len(pair.answer) if there else 0)
    return Record(
        messages=(Message("user", pair.question), Message("assistant", pair.answer)),
        id=f"{document.id}#{number}",
        kind="qa",
        source=document.source,
        span=evidence.span if there else f"第{number}问",
        licence=pair.licence or document.licence,
        as_of=pair.date or document.as_of,
        origin=f"{document.id}:{number}",
        extra={
            "fetched_at": document.extra["fetched_at"],
            "position": number,
            "shape": pair.shape,
            KEY: [evidence.to_dict()],
        },
    )
