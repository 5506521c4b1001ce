"""Pictures of pages -> pieces of text with their places, by RapidOCR, whose wheel holds its models: no network."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.sources.layout import Piece

_LEAST_SURE = 0.5  # what the recogniser is less sure of is left out
_MOST_PIXELS = 40_000_000


def read_image(picture: Any) -> list[Piece]:
    """Text lines of a picture, in pixels.

    Args:
        picture: array of height x width x channels, or path.

    Raises:
        DataError: the OCR library is not installed.
    """
    found, _ = _engine()(picture)
    pieces = []
    for corners, text, sure in found or []:
        if float(sure) >= _LEAST_SURE and text.strip():
            xs, ys = [float(x) for x, _ in corners], [float(y) for _, y in corners]
            pieces.append(Piece(text.strip(), min(xs), min(ys), max(xs), max(ys)))
    return pieces


def open_picture(path: str) -> Any:
    """A picture file as an array.

    Raises:
        DataError: it is none, or too large.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > _MOST_PIXELS:
                raise DataError("图片太大", found=f"{picture.width}x{picture.height} 像素", fix="缩小再读")
            return np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataError("图片损坏，打不开", found=str(error)[:80]) from None


@lru_cache(maxsize=1)
def _engine() -> Any:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        raise DataError("扫描的页要 OCR 才能读", fix='pip install "cornucopia-fin[ocr]"') from None
    return RapidOCR()
