"""All that is personal in a text, and a screen by which most texts are passed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from cornucopia.records.privacy import numbers as by
from cornucopia.records.privacy.numbers import Found
from cornucopia.records.privacy.people import ROLES, addresses, holders, labelled_names
from cornucopia.records.privacy.plain import plain
from cornucopia.records.sieve import Sieve

# kind -> (what it is called, its finder); where two find the same characters, the earlier keeps them.
KINDS: dict[str, tuple[str, Callable[[str], Iterator[Found]]]] = {
    "email": ("邮箱", by.mails),
    "id_card": ("身份证", by.id_cards),
    "credit_code": ("信用代码", by.credit_codes),
    "bank_card": ("银行卡", by.bank_cards),
    "passport": ("护照", by.passports),
    "account": ("账号", by.accounts),
    "mobile": ("手机号", by.mobiles),
    "landline": ("电话", by.landlines),
    "plate": ("车牌", by.plates),
    "wechat": ("微信号", by.chats),
    "qq": ("QQ号", by.chats),
    "name": ("姓名", labelled_names),
    "address": ("地址", addresses),
}
OPTIONAL = frozenset(("credit_code", "address"))  # of companies; found by rough rules

_CHATS = (
    "微信|薇信|威信|徽信|溦信|维信|v信|V信|vx|vX|Vx|VX|wx|wX|Wx|WX|WeChat|"
    "加v|加V|加我v|加我V|Wechat|wechat|weixin|QQ|qq|Qq|qQ|扣扣|企鹅"
)
_NUMBERED = (
    "护照|passport|Passport|PASSPORT|通行证|台胞证|回乡证|电话|座机|固话|传真|办公室|家里|宅电|账号|帐号|卡号|账户|户号"
)
_JOINED = "姓名|户名|收款人|付款人|持卡人|联系人"
_DIGIT = "0-9０-９零〇一二三四五六七八九幺壹贰叁肆伍陆柒捌玖"
_PARTING = " .()（）—–‐－·-"
_LONG = re.compile(rf"[{_DIGIT}](?:[{_PARTING}]{{0,2}}[{_DIGIT}]){{9}}")
_AT = re.compile("[@＠]")
_PLATE = re.compile(
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼] ?[A-HJ-NP-ZＡ-Ｚ][ ·•-]?[0-9A-Z０-９Ａ-Ｚ]{3}"
)
# Words behind which a short number, an account or a name can stand, with the beginning of such.
_GAP = "[号码群账是为：:（( 　ID|]{0,5}"
_LABEL = re.compile(  # each alternative begins with its word: such a search is ten times as fast as one with groups
    "|".join(
        (
            *(f"{word}{_GAP}[A-Za-z0-9０-９]" for word in _CHATS.split("|")),
            *(f"{word}[^0-9０-９。；\n]{{0,10}}[0-9０-９](?:[ －-]?[0-9０-９]){{5}}" for word in _NUMBERED.split("|")),
            *(f"{word}(?:姓名|名称|名字)?[ ：:　是为叫]" for word in ROLES.split("|")),
            *(f"{word}[\u4e00-\u9fff]{{2,4}}(?:[^\u4e00-\u9fff]|$)" for word in _JOINED.split("|")),
        )
    )
)
_PLACE = re.compile(r"住址|地址|家住|住在|现住|户籍|居住地|住所|寄到|寄往")
_CODE = re.compile(r"[0-9]{8}[0-9A-Z]{10}|[0-9A-Z]{2}[0-9]{6}[0-9A-Z]{10}")


class Finder:
    """Finds the kinds that are switched on.

    Args:
        kinds: names out of KINDS.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = [kind for kind in KINDS if kind in set(kinds)]
        chosen = set(self.kinds)
        self._looks: list[Callable[[str], object]] = [_LONG.search, _LABEL.search, _AT.search]
        more = [(_PLATE, "plate"), (_PLACE, "address"), (_CODE, "credit_code")]
        asked = [pattern for pattern, kind in more if kind in chosen]
        self._looks += [pattern.search for pattern in asked]
        patterns = [pattern.pattern for pattern in (_LABEL, *asked) if pattern is not _CODE]
        runs = [(_DIGIT + _PARTING, 10, _LONG.pattern)]
        runs += [("0-9A-Z", 18, _CODE.pattern)] if _CODE in asked else []
        self._sieve = Sieve([_AT.pattern, *patterns], runs)
        self._finders = list(dict.fromkeys(KINDS[kind][1] for kind in self.kinds if kind != "name"))

    def likely(self, text: str) -> bool:
        """Whether a search is worth its time: false for most texts, and only where nothing would be found."""
        for look in self._looks:  # noqa: SIM110 - `any` over a generator costs more than a look
            if look(text):
                return True
        return False

    def likely_of(self, texts: Sequence[str]) -> list[bool]:
        """The same of many texts at once, which saves most of the time."""
        return self._sieve.touched(texts)

    def find(self, text: str) -> list[Found]:
        """What is personal, in the order of the text; nothing overlaps."""
        same = plain(text)
        kept: list[Found] = []
        for finder in self._finders:
            _add(kept, (found for found in finder(same) if found.kind in self.kinds))
        if "name" in self.kinds:
            _add(kept, labelled_names(same))
            _add(kept, holders(same, kept))
        return sorted(kept, key=lambda found: found.start)


def _add(kept: list[Found], more: Iterable[Found]) -> None:
    kept += [found for found in list(more) if not any(found.start < old.end and old.start < found.end for old in kept)]
