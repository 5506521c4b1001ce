"""A picture of a page -> its text, by OCR."""

from __future__ import annotations

from typing import Any

from cornucopia.sources.document import Document, Page
from cornucopia.sources.layout import ordered_lines
from cornucopia.sources.ocr import open_picture, read_image
from cornucopia.sources.paragraphs import paragraphs


def read_picture(path: str) -> dict[str, Any]:
    """The document of a picture, as a dict.

    Raises:
        DataError: it is none, or the OCR library is not installed.
    """
    lines, _ = ordered_lines(read_image(open_picture(path)))
    text = "\n\n".join(text for text, _ in paragraphs(lines))
    return Document("", (Page(0, text, True),), media="image").to_dict()
