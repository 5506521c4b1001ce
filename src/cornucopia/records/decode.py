"""Bytes of a text file -> text, a piece at a time, however large the file is. Knows encodings, not formats.

Chinese data comes as UTF-8, as GB18030 (GBK, GB2312), as Big5 and, from spreadsheets, as UTF-16. A byte that fits none
becomes a lone surrogate (surrogateescape), so that the row that holds it can be refused later and its neighbours kept.
Nearly every file decodes as GB18030: it is taken as that only when everyday characters come out.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

from cornucopia.sources.packed import Packed

CHUNK = 2**20  # bytes read at a time
_GB, _BIG5, _BROKEN = "gb18030", "big5hkscs", "broken"
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_SAMPLE = 2**16  # bytes beyond UTF-8 by which the encoding is told
_LEAST = 0.15  # share of everyday characters in Chinese text of any kind; in text decoded wrongly it is below 0.1
_KANA = 0.25  # share from which text read as GB18030 is Japanese (EUC-JP has its kana where GB18030 has them)
# The commonest characters of Chinese (both scripts) and of finance, and its marks.
_EVERYDAY = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同"
    "现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最"
    "重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各"
    "入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五"
    "基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运笔"
    "這個們來為國說時會對後過發經麼學現當沒動還進樣開從實軍無與長機使間問應戰頭體見產業關點條題氣門員別變總電數報結務場計資統隊決馬書聽達強難權設"
    "險費貸款銀行股票債券稅率價額單據證險费贷银债税率价额单证投保额息还款存户账户基金收益风险亿元"
    "，。、：；？！“”（）《》「」"
)


class TextFile:
    """A text file whose encoding has been found out; its text can be gone through again and again.

    Line ends become `\\n`: `\\r\\n` always, a lone `\\r` where the file has no other line end.

    Raises:
        OSError: here and while reading, if the file cannot be read.
    """

    def __init__(self, path: Path | Packed) -> None:
        self._path = path
        self._met: set[str] = set()  # encodings of lines beyond UTF-8
        with path.open("rb") as file:
            head = file.read(4)
        self._start = 3 if head.startswith(codecs.BOM_UTF8) else 0
        self._wide = next((name for mark, name in _WIDE.items() if head.startswith(mark)), "")
        self._wide = self._wide if self._wide and self._is_wide() else ""
        self._utf8 = not self._wide and _is_utf8(self._bytes())
        self._other = "" if self._wide or self._utf8 else _other_than_utf8(self._path, self._start)
        self._chinese_first = bool(self._other) and _is_not_utf8(self._bytes())
        self._returns = not any("\n" in part for part in self._decoded())

    @property
    def note(self) -> str:
        """What was converted, in Chinese ('' for plain UTF-8); complete once the text has been gone through."""
        notes = [f"文件是 {self._wide.upper()} 编码，已转换"] if self._wide else []
        notes += ["含 GB18030 编码的文字，已转换"] if _GB in self._met else []
        notes += ["是 Big5（繁体）编码，已转换；请看几条是否读对"] if _BIG5 in self._met else []
        notes += ["有几行的字节不是合格的 UTF-8、GB18030 或 Big5"] if _BROKEN in self._met else []
        return "；".join(notes)

    def chunks(self) -> Iterator[str]:
        """The text in pieces of any length."""
        held = ""
        for part in self._decoded():
            if self._returns:
                yield part.replace("\r", "\n")
                continue
            part = held + part
            held = "\r" if part.endswith("\r") else ""  # its \n may follow
            yield part[: len(part) - len(held)].replace("\r\n", "\n")
        yield held

    def lines(self) -> Iterator[str]:
        """What `text.split("\\n")` would give: after a line end at the very end, an empty line."""
        rest: list[str] = []
        for part in self.chunks():
            *whole, last = part.split("\n")
            for line in whole:
                rest.append(line)
                yield "".join(rest)
                rest.clear()
            rest.append(last)
        yield "".join(rest)

    def _bytes(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            file.read(self._start)
            while data := file.read(CHUNK):
                yield data

    def _is_wide(self) -> bool:
        """Whether enough zero bytes stand beside letters, digits and line ends."""
        zeros = size = 0
        for data in self._bytes():
            zeros, size = zeros + data.count(0), size + len(data)
        return zeros * 20 > size

    def _decoded(self) -> Iterator[str]:
        if self._wide:
            return _decode(self._bytes(), self._wide, "replace")
        return _decode(self._bytes(), "utf-8", "strict") if self._utf8 else self._by_line()

    def _by_line(self) -> Iterator[str]:
        with self._path.open("rb") as file:
            file.read(self._start)
            for line in file:
                bare = line.removesuffix(b"\n")
                text, name = _line(bare, self._other, self._chinese_first)
                self._met.add(name)
                yield text + "\n" * (len(line) - len(bare))


def _decode(parts: Iterable[bytes], encoding: str, errors: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    for data in parts:
        yield decoder.decode(data)
    yield decoder.decode(b"", True)


def _is_utf8(parts: Iterable[bytes]) -> bool:
    try:
        for _ in _decode(parts, "utf-8", "strict"):
            pass
    except UnicodeDecodeError:
        return False
    return True


def _line(line: bytes, other: str, other_first: bool) -> tuple[str, str]:
    if line.isascii():
        return line.decode("ascii"), "ascii"
    fits = [other] if other and (other_first or _is_not_utf8([line])) else []
    for name in [*fits, "utf-8"] if other_first else ["utf-8", *fits]:
        try:
            return line.decode(name), name
        except UnicodeDecodeError:
            continue
    return line.decode("utf-8", "surrogateescape"), _BROKEN


def _is_not_utf8(parts: Iterable[bytes]) -> bool:
    """Whether most bytes beyond ASCII make no UTF-8.

    UTF-8 with a damaged byte usually decodes as GB18030 too, into nonsense; but its other characters remain sound
    UTF-8, while real GB18030 read as UTF-8 has hardly a sound character.
    """
    beyond = broken = 0
    for text in _decode(parts, "utf-8", "surrogateescape"):
        beyond += len(text) - len(text.encode("ascii", "ignore"))
        broken += len(text) - len(text.encode("utf-8", "ignore").decode("utf-8"))
    return broken * 2 > beyond


def _other_than_utf8(path: Path | Packed, start: int) -> str:
    """Which encoding the lines that are no UTF-8 have: by the share of everyday characters; '' for none."""
    sample = bytearray()
    with path.open("rb") as file:
        file.read(start)
        for line in file:
            if not line.isascii() and _is_not_utf8([line]):
                sample += line
            if len(sample) >= _SAMPLE:
                break
    shares = {name: _everyday(bytes(sample), name) for name in (_GB, _BIG5)}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] >= _LEAST and not _is_japanese(bytes(sample)):
        return best
    return _GB if _beyond_ascii(bytes(sample), _GB) < 20 else ""  # too little to tell


def _everyday(sample: bytes, encoding: str) -> float:
    """Share of everyday characters among those beyond ASCII; what cannot be decoded counts as one that is not."""
    text = sample.decode(encoding, "replace")
    beyond = [char for char in text if char > "\x7f"]
    return sum(char in _EVERYDAY for char in beyond) / max(len(beyond), 1)


def _is_japanese(sample: bytes) -> bool:
    text = sample.decode(_GB, "replace")
    return sum("\u3040" <= char <= "\u30ff" for char in text) >= _KANA * sum(char > "\x7f" for char in text)


def _beyond_ascii(sample: bytes, encoding: str) -> int:
    return sum(char > "\x7f" for char in sample.decode(encoding, "replace"))


_KINDS = {
    b"\x1f\x8b": "gzip 压缩文件",
    b"PK\x03\x04": "zip 或 Office 文件（xlsx、docx）",
    b"%PDF": "PDF 文件",
    b"\xd0\xcf\x11\xe0": "旧 Office 文件（xls、doc）",
    b"\x28\xb5\x2f\xfd": "zstd 压缩文件",
    b"BZh": "bzip2 压缩文件",
    b"Rar!": "rar 压缩文件",
}


def binary_kind(path: Path | Packed) -> str:
    """What a file is that is no text, in Chinese; '' for text.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(2**14)
    known = next((kind for begin, kind in _KINDS.items() if head.startswith(begin)), "")
    control = sum(byte < 9 or (13 < byte < 32 and byte != 27) for byte in head)
    wide = head.startswith(tuple(_WIDE))
    return known or ("二进制文件（或没有 BOM 的 UTF-16）" if control * 20 > len(head) and not wide else "")
