"""What every step that asks a model may be told, and shares as settings write them."""

from __future__ import annotations

from cornucopia.core.config import option
from cornucopia.inference.paid.settings import AskingConfig


class WriteConfig(AskingConfig):
    """Settings common to all writing steps."""

    prompts: str = option("", "换成自己的提示词：YAML 文件，写法见 docs/write.md；没写到的仍用自带的")


def shares(words: list[str], known: tuple[str, ...], name: str) -> dict[str, float]:
    """Shares written as `名=份额`, summing to 1; a word without a number has the share 1.

    Raises:
        ValueError: an unknown name, no number, or nothing at all; for a validator.
    """
    found: dict[str, float] = {}
    for word in words:
        key, _, number = word.partition("=")
        key = key.strip()
        if key not in known:
            raise ValueError(f"{name} 里没有 {key}：应为 {'、'.join(known)}，写成 名=份额")
        try:
            found[key] = float(number or 1)
        except ValueError:
            raise ValueError(f"{name} 的份额应是数字：{word}") from None
    total = sum(found.values())
    if not total > 0 or min(found.values()) < 0 or total == float("inf"):
        raise ValueError(f"{name} 的份额加起来应大于 0")
    return {key: value / total for key, value in found.items() if value}
