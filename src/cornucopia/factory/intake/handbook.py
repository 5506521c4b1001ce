"""The bundled handbook as a source: its articles as text and passages, and the bundled records with their evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cornucopia.core.config import option
from cornucopia.core.errors import DataError
from cornucopia.core.paths import project_root
from cornucopia.factory.formatting import SOURCE_ID
from cornucopia.factory.intake.intake import Intake, IntakeConfig, signed
from cornucopia.records.evidence import KEY, Evidence
from cornucopia.records.rejects import Reject
from cornucopia.records.rephrase import read_wordings, rephrase
from cornucopia.records.schema import Passage, Record
from cornucopia.records.stream import RecordStream
from cornucopia.sources.document import Document
from cornucopia.sources.handbook import articles, read_citation

Part = Literal["text", "passages", "records", "reading"]
_SECTION = re.compile(r"^#+ +(.+)$", re.M)


class HandbookConfig(IntakeConfig):
    """What is taken of the handbook."""

    path: Path | None = option(None, "手册文件夹；留空用项目自带的 handbook/")
    parts: list[Part] = option(
        ["records"],
        "要哪几样：text 整篇文章（预训练）、passages 一节一条的文字、records 自带问答（答案出处在记录里）、"
        "reading 同一批问答加上出处那一节作材料",
    )
    questions: Path | None = option(
        None, "自带问答的文件；留空用 instruction_data/fin_data.json（留出的 infer.json 不要拿来训练）"
    )
    wordings: int = option(0, "每条问答另加几种问法（取自 instruction_data/wordings.json，按种子抽），0 为不加", ge=0)


class Handbook(Intake):
    """Articles, passages and records with evidence."""

    kind = "handbook"
    summary = "自带手册：文章、分节文字，和带出处的自带问答"
    settings = HandbookConfig
    config: HandbookConfig

    def __init__(self, config: HandbookConfig) -> None:
        super().__init__(config)
        self._folder = config.path or project_root() / "handbook"
        data = project_root() / "instruction_data"
        self._questions = config.questions or data / "fin_data.json"
        self._wordings = data / "wordings.json"

    def inputs(self) -> list[Path]:
        asked = [self._questions] if {"records", "reading"} & set(self.config.parts) else []
        return [self._folder, *asked, *([self._wordings] if asked and self.config.wordings else [])]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        return signed(self.config, self._items(seed))

    def _items(self, seed: int) -> Iterator[Record | Reject]:
        texts = {article.id: article for article in articles(self._folder)}
        for part in dict.fromkeys(self.config.parts):
            if part == "text":
                yield from (_whole(article) for article in texts.values())
            elif part == "passages":
                yield from (record for article in texts.values() for record in _sections(article))
            else:
                yield from self._asked(texts, seed, with_material=part == "reading")

    def _asked(self, texts: dict[str, Document], seed: int, with_material: bool) -> Iterator[Record | Reject]:
        wordings = read_wordings(self._wordings) if self.config.wordings and not with_material else {}
        for item in RecordStream(self._questions):
            if isinstance(item, Reject):
                yield item
                continue
            proven = with_evidence(replace(item, extra={**item.extra, SOURCE_ID: item.id}), texts)
            if with_material:
                yield from _reading(proven, texts)
            elif wordings:
                yield from (_apart(one) for one in rephrase([proven], wordings, self.config.wordings, seed))
            else:
                yield proven


def with_evidence(record: Record, texts: dict[str, Document]) -> Record:
    """The record with the quotations that its span names; as it is where it names none.

    Raises:
        DataError: the span leads to no article, or past its end.
    """
    cited = read_citation(record.span)
    if cited is None:
        return record
    name, spans = cited
    text = texts[name].text if name in texts else ""
    if not all(0 <= start < end <= len(text) for start, end in spans):
        fix = "手册改过的话，重新运行 recipes/data/spans.py"
        raise DataError("记录的出处不在手册里", where=record.id, found=record.span, fix=fix)
    quotes = [Evidence(name, text[start:end], start=start, end=end).to_dict() for start, end in spans]
    return replace(record, extra={**record.extra, KEY: quotes})


def _apart(record: Record) -> Record:
    """Under its own id, which tells another wording from the first."""
    return replace(record, extra={**record.extra, SOURCE_ID: record.id})


def _reading(record: Record, texts: dict[str, Document]) -> Iterator[Record]:
    """The record with the sections its answer comes from as material; none where it has no evidence or own material."""
    cited = read_citation(record.span)
    if cited is None or record.passages:
        return
    article = texts[cited[0]]
    held = [(start, end) for start, end in _bounds(article.text) if any(start <= one < end for one, _ in cited[1])]
    material = "\n\n".join(article.text[start:end].strip() for start, end in held)
    passage = Passage(material, f"{article.title}（handbook/{article.id}）")
    yield _apart(replace(record, id=f"{record.id}+", kind="reading", passages=(passage,)))


def _whole(article: Document) -> Record:
    return _document(article, article.id, f"{article.title}\n\n{article.text.strip()}")


def _sections(article: Document) -> Iterator[Record]:
    for number, (start, end) in enumerate(_bounds(article.text), 1):
        quote = article.text[start:end].strip()
        start = article.text.index(quote, start)
        evidence = Evidence(article.id, quote, start=start, end=start + len(quote))
        record = _document(article, f"{article.id}#{number}", f"{article.title}\n\n{quote}")
        yield replace(record, kind="passage", span=f"{article.id} {evidence.span}", extra={KEY: [evidence.to_dict()]})


def _bounds(text: str) -> list[tuple[int, int]]:
    """Where the sections lie, each with its heading; the text before the first heading is one too."""
    starts = [match.start() for match in _SECTION.finditer(text)]
    edges = [0, *starts, len(text)]
    return [(low, high) for low, high in pairwise(edges) if text[low:high].strip()]


def _document(article: Document, name: str, text: str) -> Record:
    return Record(
        text=text,
        id=f"handbook/{name}",
        domain=article.domain,
        kind="document",
        source=article.source,
        licence=article.licence,
        as_of=article.as_of,
        origin=f"handbook/{article.id}.md",
    )
