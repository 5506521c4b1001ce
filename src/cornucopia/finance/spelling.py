"""One spelling of numbers for many: full width, LaTeX, Markdown, HTML, kinds of dashes, spaces and separators.

Every character of the result remembers which stretch of the original it stands for, so that spans lead back. It knows
how numbers are written, not what they mean.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_DASHES = dict.fromkeys("−‐‑‒–﹣－⁻", "-") | {"―": "—"}
_TILDES = dict.fromkeys("～〜∼", "~")
_KEPT = "，：；！？"
_THIN = "\u00a0\u2005-\u200a\u202f"
_CJK = "\u3400-\u9fff"
_MONEY = r"(?:\.\d+)?[ ]?(?:元|块|万|亿|[美港欧日澳加]元|人民币)"

Piece = int | str
Rule = tuple[re.Pattern[str], tuple[Piece, ...]]


def _rules(*rows: tuple[str, tuple[Piece, ...]]) -> tuple[Rule, ...]:
    return tuple((re.compile(pattern), pieces) for pattern, pieces in rows)


# Each rule: a pattern and what is left of a match, as group numbers and literal text.
_HIDDEN = _rules(
    (r"&(?:nbsp|ensp|thinsp);", (" ",)),
    (r"&(?:minus|ndash);", ("-",)),
    (r"</?(?:b|strong|em|i|span|u|font)(?: [^<>]*)?>", ()),
    ("[\u200b-\u200d\u2060\ufeff\ufe0e\ufe0f\u00ad]", ()),
    (r"\d\u20e3", ()),  # a keycap counts list items
)
_LATEX = _rules(
    (r"(?<!\\)\$\$", ()),
    (r"(?<![\\$])\$(?=\S)((?:\\\$|[^$\n])*?[^\s$])(?<!\\)\$(?!\d)", (1,)),
    *((r"\\(?:text|mathrm|mathbf|textbf|mathit|mbox|boxed|operatorname)\s*\{([^{}]*)\}", (1,)),) * 2,
    (r"\{,\}", (",",)),
    (r"\\[dt]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}", (1, "/", 2)),
    (r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}", ("(", 1, ")/(", 2, ")")),
    (r"\\([%$&#])", (1,)),
    (r"\\[,;:!]", ("\u2009",)),
    (r"\\(?:q?quad|hspace\{[^{}]*\}| )", (" ",)),
    (r"\s*\\(?:times|cdot|ast)(?![A-Za-z])\s*", ("×",)),
    (r"\s*\\div(?![A-Za-z])\s*", ("÷",)),
    (r"\s*\\approx(?![A-Za-z])\s*", ("≈",)),
    (r"\\pm(?![A-Za-z])\s*", ("±",)),
    (r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])|\\[()\[\]]", ()),
    (r"\^\{([^{}]*)\}", ("^", 1)),
    (r"(?<=[A-Za-z])_(?:\{[^{}]*\}|\w+)", ()),
    (r"\{(-?[\d.,]+)\}", (1,)),
)
_SEPARATORS = _rules(
    (r"(?<=[０-９\d])，(?=[０-９]{3}(?![０-９\d]))", ()),
    (rf"(?<![\d.,])(\d{{1,3}})[{_THIN}](?=\d{{3}}(?!\d))", (1,)),
    (rf"(?<![\d.,])(\d{{1,3}}) (?=\d{{3}}(?: \d{{3}})*{_MONEY})", (1,)),
    (rf"(?<![\d.,])(\d{{1,3}})，(?=\d{{3}}(?:，\d{{3}})*{_MONEY})", (1,)),
    (r"(?<![\d.,])(\d{1,3})['’](?=\d{3}(?!\d))", (1,)),
    (rf"(?<![\d.,])(\d{{1,4}}),(?=\d{{4}}(?:,\d{{4}})*{_MONEY})", (1,)),  # grouped by 万
)
_WORDS = _rules(  # scales that are written otherwise, and 佣金万2.5
    (r"(?<=\d) ?\* ?(?=10\^)", ("×",)),
    (r"(?i)(?<=\d)[ -]?(?:million|mln|mn)(?![a-z])", ("百万",)),
    (r"(?i)(?<=\d)[ -]?(?:billion|bln|bn)(?![a-z])", ("十亿",)),
    (r"(?i)(?<=\d)[ -]?trillion(?![a-z])", ("万亿",)),
    (r"(?:(?<=佣金)|(?<=[金费税]率)|(?<=率[为是]))万([\d.]+|[一二三五])(?![\d十百千万亿元])", ("万分之", 1)),
)
_SPACES = _rules(
    (r"(?<!\d)\*\*|\*\*(?!\d)|`", ()),
    (rf"(?<=[\d%‰])[ ]{{1,2}}(?=[{_CJK}%‰])|(?<=[{_CJK}])[ ]{{1,2}}(?=[\d.])", ()),
)


@dataclass(frozen=True)
class Spelled:
    """A text in the one spelling.

    Args:
        text: what to read.
        origin: for each of its characters, the start and end in the original of what it stands for.
    """

    text: str
    origin: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]`, not empty, stands in the original."""
        return self.origin[start][0], self.origin[end - 1][1]

    def replace(self, rules: tuple[Rule, ...]) -> Spelled:
        """The text after each rule in turn."""
        result = self
        for pattern, pieces in rules:
            if pattern.search(result.text):
                result = result._replace_one(pattern, pieces)
        return result

    def _replace_one(self, pattern: re.Pattern[str], pieces: tuple[Piece, ...]) -> Spelled:
        text, at = "", 0
        origin: list[tuple[int, int]] = []
        for match in pattern.finditer(self.text):
            text += self.text[at : match.start()]
            origin += self.origin[at : match.start()]
            at, whole, first = match.end(), self.span(*match.span()), len(origin)
            for piece in pieces:
                text += match[piece] if isinstance(piece, int) else piece
                origin += self.origin[slice(*match.span(piece))] if isinstance(piece, int) else [whole] * len(piece)
            if len(origin) > first:
                origin[first] = (whole[0], origin[first][1])
                origin[-1] = (origin[-1][0], whole[1])
        return Spelled(text + self.text[at:], (*origin, *self.origin[at:]))


def spell(text: str) -> Spelled:
    """`text` with its numbers in the one spelling: half-width digits, `-` for a minus, no space inside."""
    spelled = Spelled(text, tuple((i, i + 1) for i in range(len(text)))).replace(_HIDDEN)
    if any(sign in text for sign in "\\${"):
        spelled = spelled.replace(_LATEX)
    spelled = spelled.replace(_SEPARATORS)
    return Spelled("".join(map(_plain, spelled.text)), spelled.origin).replace(_WORDS).replace(_SPACES)


def _plain(char: str) -> str:
    """One character for one: digits of any script, full-width signs and letters, dashes, tildes and spaces."""
    if char < "\x7f" or char in _KEPT or _is_cjk(char):
        return char
    if char in _DASHES or char in _TILDES:
        return _DASHES.get(char) or _TILDES[char]
    kind = unicodedata.category(char)
    if kind == "Zs":
        return " "
    if kind == "Nd" or "\uff01" <= char <= "\uffe6" or char == "﹪":
        plain = unicodedata.normalize("NFKC", char)
        return plain if len(plain) == 1 else char
    return char


def _is_cjk(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"
