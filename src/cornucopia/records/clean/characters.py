"""Single characters: invisible ones, those composed in other ways, full-width letters and digits, traditional ones."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from cornucopia.core.errors import ConfigError
from cornucopia.records.clean.rule import Rule
from cornucopia.records.texts import SEPARATOR

_NEWLINES = re.compile("\r\n?|[\u2028\u2029\x0b\x0c]")
_SPACES = "\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSEEN = "\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_UNSEEN += "\ue000-\uf8ff\ufdd0-\ufdef\ufffe"  # private use (icon fonts, broken PDF fonts) and noncharacters
_WHITE = "".join(filter(str.isspace, map(chr, range(0x3001))))
_EMOJI = "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINERS = f"(?<![{_EMOJI}])[\u200c\u200d]|[\u200c\u200d](?![{_EMOJI}])"  # between emoji a joiner makes one of two
_REMOVED = re.compile(f"[{_UNSEEN}]|{_JOINERS}")
_SPACE = re.compile(f"[{_SPACES}]")
_INDENT = re.compile(f"^[ \t{_SPACES}]*[\xa0\u2003\u3000][ \t{_SPACES}]*", re.MULTILINE)
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANKS = re.compile(r"\n{3,}")


def _without_unseen(text: str) -> str:
    return _REMOVED.sub("", _NEWLINES.sub("\n", text))


def _plain_spaces(text: str) -> str:
    """Indents of Chinese paragraphs go, other odd spaces become plain; no line ends in spaces or follows two blanks."""
    text = _SPACE.sub(" ", _INDENT.sub("", text))
    return _BLANKS.sub("\n\n", _TRAILING.sub("", text)).strip("\n").rstrip()


_FULL = {full: full - 0xFEE0 for full in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
_FULL[ord("％")] = ord("%")
_RUN = re.compile("[０-９Ａ-Ｚａ-ｚ％]+")
_MINUS = re.compile(r"(?<![0-9０-９])－(?=[０-９])")
_POINT = re.compile(r"(?<=[0-9０-９])．(?=[0-9０-９])")
_THOUSANDS = re.compile(r"(?<![0-9０-９．，])[０-９]{1,3}(?:，[０-９]{3})+(?![０-９，])")


def _half_width(text: str) -> str:
    """Letters, digits and what belongs to a number; Chinese punctuation and signs in Chinese formulas (＋ ＝) stay. A
    full-width comma between full-width thousands parts the number (１，０００), any other is punctuation."""
    text = _THOUSANDS.sub(lambda found: found.group().replace("，", ","), text)
    text = _POINT.sub(".", _MINUS.sub("-", text))
    return _RUN.sub(lambda found: found.group().translate(_FULL), text)


@lru_cache(maxsize=1)
def _converter() -> Any:
    try:
        from opencc import OpenCC
    except ImportError:
        raise ConfigError(
            "繁体转简体要用 opencc，没有装", where="chinese: simplify", fix='pip install "cornucopia-fin[data]"'
        ) from None
    return OpenCC("t2s")


def simplified(text: str) -> str:
    """Traditional characters as simplified ones, by OpenCC's phrases (乾隆 stays, 乾燥 is 干燥)."""
    return _converter().convert(text)


UNSEEN = Rule(
    "invisible",
    "去掉看不见的字符：控制符、零宽字符、私用区字符；换行统一",
    _without_unseen,
    odd=f"{_UNSEEN}\u200c\u200d\r\u2028\u2029\x0b\x0c",
)
COMPOSED = Rule(
    "unicode",
    "Unicode 统一为 NFC（组合字符合为一个）",
    lambda text: unicodedata.normalize("NFC", text),
    check=lambda text: not unicodedata.is_normalized("NFC", text),
)
HALF_WIDTH = Rule(
    "full_width", "全角字母、数字（连同 ％、小数点、负号）变半角；中文标点不动", _half_width, odd="０-９Ａ-Ｚａ-ｚ％．"
)
SIMPLIFIED = Rule("simplify", "繁体变简体（设 chinese: simplify 才做）", simplified, check=bool)
SPACES = Rule(
    "spaces",
    "特殊空格变普通空格，去掉段首缩进、行尾空格和多余空行",
    _plain_spaces,
    odd=_SPACES,
    phrases=f" \n|\t\n|\n\n\n| {SEPARATOR}|\t{SEPARATOR}|\n{SEPARATOR}|{SEPARATOR}\n",
    check=lambda text: text[-1:].isspace() or text[:1] == "\n",
    hints=f"[{_WHITE}]{SEPARATOR}|{SEPARATOR}\n",
)
