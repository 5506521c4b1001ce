"""How the results of a comparison came about, as text for an auditor: settings, use, versions, fingerprints."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from cornucopia.comparison.cells import Cell, Comparison
from cornucopia.core.version import __version__


def settings_tables(comparison: Comparison) -> list[tuple[str, dict[str, str]]]:
    """What each contestant was run with and what it used, as text, for an auditor."""
    tables = []
    for contestant in comparison.contestants:
        settings = comparison.recipe.settings_of(contestant)
        settings |= comparison.settings.get(comparison.fingerprints[contestant.name], {})
        settings |= settings.pop("sampling")
        settings |= {"指纹": comparison.fingerprints[contestant.name], **_used(comparison.column(contestant.name))}
        shown = {_LABELS.get(key, key): _said(value) for key, value in settings.items() if value not in (None, "", [])}
        tables.append((contestant.name, shown))
    return tables


_LABELS = {
    "base": "基座", "adapter": "适配器", "bits": "量化位数", "dtype": "精度", "device": "设备",
    "template": "提示词模板", "endpoint": "接口", "model": "模型", "system": "系统提示", "revision": "版本",
    "max_new_tokens": "最多生成词元", "do_sample": "随机采样", "temperature": "温度", "num_beams": "束数",
    "repetition_penalty": "重复惩罚", "stop": "停止文字", "seed": "随机种子", "fingerprint": "权重指纹",
}  # fmt: skip


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


def _used(cells: Sequence[Cell]) -> dict[str, str]:
    """Tokens, time and lengths of all answers together."""
    answered = [cell for cell in cells if cell.get("answer") is not None and not cell.get("error")]
    if not answered:
        return {}
    asked, made, seconds = (
        sum(cell.get(key) or 0 for cell in answered) for key in ("prompt_tokens", "completion_tokens", "seconds")
    )
    lengths = sorted(len(cell["answer"]) for cell in answered)
    return {
        "词元合计": f"题目 {asked:,}，回答 {made:,}", "用时合计": f"{seconds:,.1f} 秒",
        "回答字数": f"最短 {lengths[0]}，中位 {lengths[len(lengths) // 2]}，最长 {lengths[-1]}",
        "出错": f"{len(cells) - len(answered)} / {len(cells)} 题",
    }  # fmt: skip


def questions_digest(comparison: Comparison) -> str:
    """SHA-256 (16 hex digits) of the questions and golden answers that were compared, in their order."""
    digest = hashlib.sha256()
    for question in comparison.questions:
        digest.update(f"{question.fingerprint}\n{question.record.golden}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Versions of what made the answers, where installed."""
    found = {
        "cornucopia": __version__,
        "Python": platform.python_version(),
        "系统": f"{platform.system()} {platform.machine()}",
    }
    for name in ("torch", "transformers", "peft", "tokenizers", "bitsandbytes"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
