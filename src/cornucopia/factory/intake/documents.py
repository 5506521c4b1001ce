"""`documents`: a folder of PDF, Word, Excel, web pages and text as records that say where each of them stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from cornucopia.core.config import option
from cornucopia.factory.intake.intake import Intake, IntakeConfig, signed
from cornucopia.records.evidence import KEY, Evidence
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.sources.document import Document
from cornucopia.sources.pairs import pairs
from cornucopia.sources.passages import SIZE, Span, passages
from cornucopia.sources.read import Ocr, Unread, read_documents

DOCUMENT = "document"  # in Record.extra: id of the document


class DocumentsConfig(IntakeConfig):
    """`{kind: documents, path: ...}`"""

    path: Path = option(..., "文档文件或文件夹：PDF、DOCX、XLSX、CSV、HTML、MD、TXT，压缩的也行")
    ocr: Ocr = option("auto", "扫描的页：auto 用 OCR 读，always 全部用 OCR（图片也读），never 不读")
    as_records: Literal["text", "passages", "pairs"] = option(
        "passages",
        "变成什么记录：text 继续预训练的文本，passages 一段一条、供出题用的材料，pairs 文档里现成的问答",
    )
    size: int = option(SIZE, "一段最多多少字；as_records: text 时 0 为整篇一条", ge=0)


class Documents(Intake):
    """See DocumentsConfig."""

    kind = "documents"
    summary = "PDF、Word、Excel、网页等文档：文本、分段材料，或其中现成的问答，出处到页和字"
    settings = DocumentsConfig
    version = 2
    config: DocumentsConfig

    def inputs(self) -> list[Path]:
        return [self.config.path]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        return signed(self.config, self._items())

    def _items(self) -> Iterator[Record | Reject]:
        path, kind = self.config.path, self.config.as_records
        size = self.config.size or (0 if kind == "text" else SIZE)
        used: Counter[str] = Counter()
        for item in read_documents(path, ocr=self.config.ocr):
            if isinstance(item, Unread):
                yield Reject(0, item.reason, "", str(path / item.id) if path.is_dir() else item.id)
                continue
            used[item.id] += 1
            name = item.id if used[item.id] == 1 else f"{item.id}#{used[item.id]}"
            yield from records_of(item, name, kind, size)


def records_of(
    document: Document, name: str, as_records: Literal["text", "passages", "pairs"], size: int = SIZE
) -> Iterator[Record]:
    """The records of one document.

    Args:
        document: as read.
        name: that the ids begin with.
        as_records: kind of records.
        size: characters of a passage at most; 0 for the whole document as one text.
    """
    if as_records == "text" and not size:
        told = {DOCUMENT: document.id, "title": document.title}
        yield _record(document, name, (), Record(text=document.text, kind="document", extra=told))
    elif as_records == "pairs":
        for number, pair in enumerate(pairs(document), 1):
            turns = (Message("user", pair.question), Message("assistant", pair.answer))
            yield _record(document, f"{name}:{number}", pair.spans, Record(messages=turns, kind="qa"))
    else:
        for number, chunk in enumerate(passages(document, size), 1):
            extra: dict[str, Any] = {"headings": list(chunk.headings)} if chunk.headings else {}
            source = " > ".join([document.source, *chunk.headings])
            made = (
                Record(text=chunk.text, kind="document", extra=extra, complete=False)
                if as_records == "text"
                else Record(passages=(Passage(chunk.text, source),), kind="passage", extra=extra)
            )
            yield _record(document, f"{name}:{number}", chunk.spans, made)


def _record(document: Document, name: str, spans: tuple[Span, ...], made: Record) -> Record:
    """The record with where it comes from."""
    texts = {page.number: page.text for page in document.pages}
    evidence = [
        Evidence(document.id, texts[span.page][span.start : span.end], span.page, span.start, span.end)
        for span in spans
    ]
    extra = made.extra | ({KEY: [one.to_dict() for one in evidence]} if evidence else {})
    return replace(
        made,
        id=name,
        source=document.source,
        span="；".join(one.span for one in evidence),
        licence=document.licence,
        as_of=document.as_of,
        domain=document.domain,
        origin=document.id,
        extra=extra,
    )
