"""What stands in the place of something personal: a placeholder, a mask, or a made-up value of the same shape."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Literal

from cornucopia.records.privacy.checks import id_check_digit, luhn_digit
from cornucopia.records.privacy.find import KINDS
from cornucopia.records.privacy.numbers import Found

Mode = Literal["placeholder", "mask", "synthetic"]
# Characters that a mask leaves at the beginning and the end; of a short value fewer.
_LEFT = {
    "id_card": (3, 4),
    "bank_card": (4, 4),
    "account": (2, 3),
    "mobile": (3, 4),
    "landline": (3, 2),
    "plate": (2, 1),
}
PLACEHOLDER = re.compile(rf"【(?:{'|'.join(label for label, _ in KINDS.values())})(?:(\d+)|-[A-Z]+)】")
_GIVEN = "一二三四五六七八九十"


def mask(text: str, kind: str) -> str:
    """The text with its middle as stars; separators stay."""
    if kind == "name":
        return text[0] + "*" * (len(text) - 1)
    if kind == "email":
        name, _, host = text.partition("@")
        return f"{name[:1]}***@{host.strip()}"
    if kind == "address":
        return text[:6] + "***"
    places = [index for index, char in enumerate(text) if char.isalnum()]
    first, last = _LEFT.get(kind, (1, 1))
    if len(places) < first + last + 3:
        first, last = 1, 0
    hidden = set(places[first : len(places) - last])
    return "".join("*" if index in hidden else char for index, char in enumerate(text))


class Disguise:
    """Replaces values, the same one by the same all through a record and, with `everywhere`, through the whole run.

    Args:
        mode: what stands in the place.
        key: of the hash that names values across records; who has it can try numbers until the hash fits.
        everywhere: whether a placeholder carries that hash instead of a number counted in the record.
        texts: of the record, so that numbers of placeholders which stand there already are not given again.
    """

    def __init__(self, mode: Mode, key: bytes, everywhere: bool, texts: list[str]) -> None:
        self._mode, self._key, self._everywhere = mode, key, everywhere
        taken = [int(number) for text in texts if "【" in text for number in PLACEHOLDER.findall(text) if number]
        self._first = max(taken, default=0)
        self._given: dict[tuple[str, str], str] = {}
        self._count: dict[str, int] = {}

    def instead(self, found: Found, original: str) -> str:
        """What to write for `found`, which stands there as `original`."""
        if self._mode == "mask":
            return mask(original, found.kind)
        name = (found.kind, found.value)
        if name not in self._given:
            self._given[name] = self._new(found)
        return self._given[name]

    def _new(self, found: Found) -> str:
        if self._mode == "synthetic":
            return made_up(found, self._hash(found))
        label = KINDS[found.kind][0]
        if self._everywhere:
            return f"【{label}-{_letters(self._hash(found))}】"
        self._count[found.kind] = self._count.get(found.kind, self._first) + 1
        return f"【{label}{self._count[found.kind]}】"

    def _hash(self, found: Found) -> int:
        text = f"{found.kind}:{found.value}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hmac.new(self._key, text, hashlib.sha256).digest())


def _letters(draw: int) -> str:
    """Ten letters: digits behind 账号 would be taken for an account again."""
    letters = ""
    for _ in range(10):
        draw, place = divmod(draw, 26)
        letters += chr(ord("A") + place)
    return letters


def made_up(found: Found, draw: int) -> str:
    """A value of the same shape that nobody has and that no finder takes for a real one.

    Identity cards come from province 99 with a wrong check digit, cards begin with 0000 and fail the Luhn check,
    mobiles begin with 12, fixed numbers with 1 behind the area, mail ends in .invalid, names are of a 某.
    """
    digits = f"{draw % 10**20:020d}"
    kind, value = found.kind, found.value
    if kind == "id_card":
        first = f"99{digits[:4]}{1950 + draw % 50}{1 + draw % 12:02d}{1 + draw % 28:02d}{digits[4:7]}"
        return first + ("1" if id_check_digit(first) == "0" else "0")
    if kind in ("bank_card", "account"):
        first = ("0000" + digits)[: max(8, min(len(value), 24)) - 1]
        return first + str((int(luhn_digit(first)) + 1) % 10)
    if kind == "mobile":
        return "12" + digits[:9]
    if kind == "landline":
        return f"{value[:3] if value.startswith('0') else '000'}-1{digits[:7]}"
    if kind == "email":
        return f"user{digits[:6]}@mail.invalid"
    if kind == "passport":
        return "XX" + digits[:7]
    if kind == "credit_code":
        return "00" + digits[:16]
    if kind == "plate":
        return f"{value[:2]}·00{digits[:1]}**"
    if kind == "wechat":
        return f"example_{digits[:6]}"
    if kind == "qq":
        return "0" + digits[:8]
    if kind == "name":
        return f"{value[0]}某{_GIVEN[draw % 10]}"
    return "某市某路某号"
