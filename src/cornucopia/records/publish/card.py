"""The dataset card: what is in the folder, where it comes from, under which licences, and how it is loaded. Chinese."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from cornucopia.records.stats import Stats

_KINDS = {"sft": "指令微调", "preference": "偏好（成对）", "kto": "KTO（一条一标）", "pretrain": "继续预训练"}
_PARTS = {"question": "提问", "material": "材料", "answer": "回答", "system": "系统提示", "document": "文档"}
_MOST = 30  # rows of a table
_LICENCES = {
    "cc by 4.0": "cc-by-4.0", "cc-by-4.0": "cc-by-4.0", "cc by-sa 4.0": "cc-by-sa-4.0", "cc0": "cc0-1.0",
    "cc0 1.0": "cc0-1.0", "apache-2.0": "apache-2.0", "apache 2.0": "apache-2.0", "mit": "mit",
    "cc by-nc 4.0": "cc-by-nc-4.0", "cc-by-nc-4.0": "cc-by-nc-4.0",
}  # fmt: skip
_UNNAMED = "（未标）"


def card(name: str, files: Mapping[str, tuple[str, str, str, int]], stats: Stats, target: str, thoughts: str) -> str:
    """The card's text.

    Args:
        name: of the data set.
        files: data set -> (file, kind, split, rows).
        stats: of its records.
        target: whose shape the rows have.
        thoughts: where thinking stands.
    """
    rows = [(full, f"`{file}`", _KINDS[kind], split, count) for full, (file, kind, split, count) in files.items()]
    parts = [_head(name, files, stats), f"# {name}", _table(("数据集", "文件", "用途", "部分", "行"), rows)]
    parts += ["## 怎么用", _use(name, files, target, thoughts), "## 内容", _contents(stats)]
    parts += ["## 许可证", _licences(stats), "## 来源", _names("来源", stats.sources)]
    parts += ["由 Cornucopia 聚宝盆的 `cornucopia data export` 写出。用之前请自己核对许可证和内容。"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(name: str, files: Mapping[str, tuple[str, str, str, int]], stats: Stats) -> str:
    """What model hubs read."""
    licences = {_LICENCES.get(licence.lower(), "other") for licence in stats.licences} if stats.licences else {"other"}
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    size = next((label for bound, label in bounds if stats.records < bound), "n>1M")
    names = {"train": "train", "valid": "validation", "test": "test"}
    configs: dict[str, list[dict[str, str]]] = {}
    for _, (file, kind, split, _) in files.items():
        configs.setdefault(kind, []).append({"split": names.get(split, split), "path": file})
    values: dict[str, Any] = {
        "language": ["zh"],
        "license": licences.pop() if len(licences) == 1 else "other",
        "task_categories": ["question-answering", "text-generation"],
        "tags": ["finance"],
        "size_categories": [size],
        "pretty_name": name,
        "configs": [{"config_name": kind, "data_files": parts} for kind, parts in configs.items()],
    }
    return f"---\n{yaml.safe_dump(values, allow_unicode=True, sort_keys=False)}---"


def _use(name: str, files: Mapping[str, tuple[str, str, str, int]], target: str, thoughts: str) -> str:
    first = next(iter(files))
    file = files[first][0]
    how = {
        "llama-factory": f"LLaMA-Factory：`--dataset_dir 本文件夹 --dataset {first}`（`dataset_info.json` 已写好）。",
        "ms-swift": f"ms-swift：`swift sft --dataset 本文件夹/{file}`；偏好用 `swift rlhf`。",
        "trl": f'TRL：`load_dataset("json", data_files="本文件夹/{file}")`，交给对应的 Trainer。',
    }[target]
    thinking = {
        "field": "思考过程在 `reasoning` 一列，不参加训练；要让模型学着先想再答，用 `--thoughts inline` 再导出一次。",
        "inline": "思考过程写在回答里的 `<think>…</think>`。",
    }[thoughts]
    return f"{how}\n\n{thinking}"


def _contents(stats: Stats) -> str:
    counts = f"{stats.records} 条，其中多轮 {stats.multi_turn} 条，文档 {stats.documents} 条。"
    lengths = [(_PARTS[key], part.count, part.median, part.p95, part.total) for key, part in stats.lengths.items()]
    scores = [(key, one.count, one.median, one.mean) for key, one in stats.scores.items()]
    tables = [counts, _table(("部分", "个数", "中位（字）", "95%", "总字数"), lengths), _names("领域", stats.domains)]
    return "\n\n".join(filter(None, [*tables, _table(("分数", "条数", "中位", "平均"), scores)]))


def _licences(stats: Stats) -> str:
    unnamed = stats.licences.get(_UNNAMED, 0)
    warning = f"有 {unnamed} 条没有标许可证：公开或商用之前先查清。" if unnamed else ""
    return "\n\n".join(filter(None, [_names("许可证", stats.licences), warning]))


def _names(title: str, names: Mapping[str, int]) -> str:
    rows = list(names.items())
    more = f"（共 {len(rows)} 种，列出 {_MOST} 种）" if len(rows) > _MOST else ""
    return _table((title + more, "条数"), rows[:_MOST])


def _table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    heads = list(heads)
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines]) if lines else ""


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", "\\|").split())
