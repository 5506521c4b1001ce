"""`cornucopia data read`: documents as text by page, or as passages that know where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.console import Progress, say, show_table
from cornucopia.core.errors import DataError, UsageError
from cornucopia.core.options import parse
from cornucopia.core.paths import spare_input
from cornucopia.records.rejects import printable
from cornucopia.records.sinks import sink_of
from cornucopia.sources.document import Document
from cornucopia.sources.passages import passages
from cornucopia.sources.read import Ocr, Unread, document_files, read_documents

_MOST_SHOWN = 200  # rows of the table
_MOST_NOTE = 60  # characters of a note in it


class ReadConfig(Config):
    """`cornucopia data read`"""

    path: Path = option(..., "文档文件或文件夹：PDF、DOCX、XLSX、CSV、HTML、MD、TXT，压缩的也行")
    out: Path = option(..., "输出文件（JSON Lines；名字以 .gz 结尾就压缩）", aliases=("output",))
    ocr: Ocr = option("auto", "扫描的页：auto 用 OCR 读，always 全部用 OCR（图片也读），never 不读")
    passages: int = option(0, "切成一段一行，一段最多这么多字；0 为一篇文档一行", ge=0)


def run(argv: list[str]) -> int:
    """Read, write, and show what was read; exit code 1 when nothing was."""
    config, _ = parse(
        ReadConfig,
        argv,
        prog="cornucopia data read",
        summary="读文档：PDF、Word、Excel、网页、文本变成按页的文字，表格写成 Markdown，页码保留。",
        positional="path",
        positional_help="文档文件或文件夹",
        examples="  cornucopia data read 条款/ --out runs/documents.jsonl --passages 500",
    )
    spare_input(config.out, config.path)
    sink = sink_of(config.out)
    if sink.kind not in (".jsonl", ".ndjson"):
        raise UsageError("输出要是 JSON Lines", where=str(config.out), fix="文件名用 .jsonl 或 .jsonl.gz")
    told = _Told(len(document_files(config.path)))
    sink.write(told.rows(config))
    for item in told.unread:
        print(printable(f"{item.id}  {item.reason}"))
    show_table("读入的文档", ["文档", "页", "表格", "扫描的页", "字数", "说明"], told.table[:_MOST_SHOWN])
    say(f"已写 {config.out}：{told.documents} 篇文档，{told.written} 行；{len(told.unread)} 个文件没有读")
    return 0


class _Told:
    """What is met while reading.

    Args:
        files: how many there are to read.
    """

    def __init__(self, files: int) -> None:
        self._files = files
        self.documents = self.written = 0
        self.unread: list[Unread] = []
        self.table: list[tuple[str, ...]] = []

    def rows(self, config: ReadConfig) -> Iterator[dict[str, Any]]:
        """The rows to write, as they are read.

        Raises:
            DataError: if nothing was read.
        """
        with Progress("读文档", self._files) as bar:
            for seen, item in enumerate(read_documents(config.path, ocr=config.ocr), 1):
                bar.update(seen, item.id, self._files if seen <= self._files else seen + 1)  # an archive holds many
                if isinstance(item, Unread):
                    self.unread.append(item)
                    continue
                self._count(item)
                for row in _rows(item, config.passages):
                    self.written += 1
                    yield row
        if not self.documents:
            first = self.unread[0]
            found = f"{len(self.unread)} 个文件都没有读出；第一个 {first.id}：{first.reason}"
            raise DataError("没有读出一篇文档", where=str(config.path), found=found, fix="能读什么见 docs/sources.md")

    def _count(self, document: Document) -> None:
        self.documents += 1
        counts = document.extra.get("counts", {})
        pages = str(len(document.pages)) if document.pages[0].number else "—"
        scanned = sum(page.scanned for page in document.pages)
        notes = "；".join(document.notes)
        notes = notes if len(notes) <= _MOST_NOTE else notes[:_MOST_NOTE] + "…"
        size = f"{len(document.text):,}"
        self.table.append((document.id, pages, str(counts.get("tables", 0)), str(scanned), size, printable(notes)))


def _rows(document: Document, size: int) -> Iterator[dict[str, Any]]:
    if not size:
        yield document.to_dict()
        return
    for number, chunk in enumerate(passages(document, size), 1):
        yield {
            "id": f"{document.id}:{number}",
            "text": chunk.text,
            "document": document.id,
            "source": document.source,
            "headings": list(chunk.headings),
            "spans": [asdict(span) for span in chunk.spans],
        }
