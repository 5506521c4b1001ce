"""Text read in the wrong encoding: mended where its bytes say for certain what it was, dropped where they do not."""

from __future__ import annotations

import re

from cornucopia.records.clean.rule import Beyond, Rule

# Windows-1252 as browsers read it: the five bytes that have no character stand for themselves.
_BYTES = {bytes([byte]).decode("cp1252", "ignore") or chr(byte): byte for byte in range(0x80, 0x100)}
_BYTES |= {chr(byte): byte for byte in range(0x80, 0xA0)}
_WEST = "".join(map(re.escape, _BYTES))
_WESTERN = re.compile(f"[{_WEST}]{{2,}}")
_INNER = "".join(re.escape(char) for char, byte in _BYTES.items() if 0x80 <= byte <= 0xBF)
# A first byte with two inner ones, or with one that stands in no Western text: of a sequence that lost the rest.
_TORN = re.compile(f"[ã-ï](?:[{_INNER}]{{2}}|[\x80-\x9f¡-¯²-´¶¸-º¼-¾])")
_COMMON = re.compile("[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef\u2010-\u203f]+")  # hanzi and Chinese punctuation
# What common UTF-8 sequences (，。的是在一了我…) come to as GBK; all but a few are rare as words of their own.
_TELLTALE = "锛銆鐨鏄鍦涓浜鎴鍜鏈鐢鍥绗鍙鈥浠鍏璇鑲鏃缁佸閲闄鎶鍒鏉"
_GBK = re.compile("[^\x00-\x7f]{3,}")
_LOST = re.compile("锟斤拷|烫烫烫|屯屯屯|\ufffd|(?:\\?{4,}[^?\n]{0,20}){3}")


def _from_western(found: re.Match[str]) -> str:
    run = found.group()
    raw = bytes(_BYTES[char] for char in run)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    if len(raw) >= 4 and len(raw) % 2 == 0 and all(0xB0 <= byte <= 0xD7 for byte in raw[::2]):
        try:  # the lead bytes are all those of the 3,755 common characters
            text = raw.decode("gb2312")
        except UnicodeDecodeError:
            return run
        return text
    return run


def _from_gbk(found: re.Match[str]) -> str:
    run = found.group()
    try:
        text = run.encode("gb18030").decode("utf-8")
    except UnicodeError:
        return run
    return text if _COMMON.fullmatch(text) else run


def _mended(text: str) -> str:
    if _LOST.search(text) and "乱码" not in text:
        raise Beyond("有认不出的字（乱码，原来的字已经丢了）")
    text = _WESTERN.sub(_from_western, text)
    if any(char in text for char in _TELLTALE):
        text = _GBK.sub(_from_gbk, text)
    if "乱码" in text:  # a text about garbled text shows some
        return text
    if len(_TORN.findall(text)) >= 2:
        raise Beyond("UTF-8 被当成西文读，恢复不全")
    telltale, hanzi = sum(map(text.count, _TELLTALE)), len(re.findall("[\u4e00-\u9fff]", text))
    if telltale >= 3 and telltale >= 0.08 * hanzi:
        raise Beyond("UTF-8 被当成 GBK 读，恢复不全")
    return text


MOJIBAKE = Rule(
    "mojibake",
    "编码读错的乱码：能确定原文的恢复，不能的整条丢弃",
    _mended,
    odd=f"\x80-\x9fÂ-ÖØ-ôŒœŽž锟烫屯\ufffd{_TELLTALE}",
    phrases=r"\?\?\?\?",
)
