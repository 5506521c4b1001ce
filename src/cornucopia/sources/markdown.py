"""Markdown and plain text -> a document; what stands between --- lines at the top tells title, date and source."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Any

import yaml

from cornucopia.core.errors import DataError
from cornucopia.sources.charset import decode
from cornucopia.sources.document import Document, Page

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.S)
_MOST_FRONT = 20_000  # characters
_MOST_BYTES = 200 * 2**20
_KEYS = {
    "title": ("title", "标题"),
    "as_of": ("as_of", "date", "updated", "日期"),
    "source": ("source", "url", "来源"),
    "licence": ("licence", "license", "许可"),
    "domain": ("domain", "领域"),
}


def read_text(path: str, media: str) -> dict[str, Any]:
    """The document of a .md or .txt, as a dict.

    Args:
        path: of the file.
        media: md or txt.

    Raises:
        DataError: too large, or empty.
    """
    if Path(path).stat().st_size > _MOST_BYTES:
        raise DataError("文本超过 200 MB", fix="当数据读：cornucopia data convert，或先拆小")
    text, encoding = decode(Path(path).read_bytes())
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    told: dict[str, str] = {}
    if media == "md":
        told, text = front_matter(text)
    notes = () if encoding == "utf-8" else (f"编码是 {encoding}，已转换",)
    heading = re.search(r"^#{1,6} +(.+?)[ #]*$", text, re.M) if media == "md" else None
    title = told.pop("title", "") or (heading.group(1) if heading else "")
    counts = {"tables": len(re.findall(r"^\|[\s:|-]*---[\s:|-]*$", text, re.M))}
    return Document(
        "", (Page(0, text.strip("\n")),), title=title, media=media, notes=notes, extra={"counts": counts}, **told
    ).to_dict()


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """(fields of Document that the head tells, the text below it)."""
    found = _FRONT.match(text)
    if not found or len(found.group(1)) > _MOST_FRONT:
        return {}, text
    try:
        rows = yaml.safe_load(found.group(1))
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}, text
    if not isinstance(rows, dict):
        return {}, text
    lower = {str(key).strip().lower(): value for key, value in rows.items()}
    told = {}
    for field, names in _KEYS.items():
        value = next((lower[name] for name in names if lower.get(name) not in (None, "", [])), None)
        if isinstance(value, (str, int, float, datetime.date)):
            told[field] = _date(value) if field == "as_of" else str(value)
        elif isinstance(value, list):
            told[field] = "；".join(str(part) for part in value)
    return {key: value for key, value in told.items() if value}, text[found.end() :]


def _date(value: Any) -> str:
    found = re.match(r"(\d{4})[-/年.](\d{1,2})(?:[-/月.](\d{1,2}))?", str(value))
    if not found:
        return ""
    year, month, day = found.groups()
    return f"{year}-{int(month):02d}" + (f"-{int(day):02d}" if day else "")
