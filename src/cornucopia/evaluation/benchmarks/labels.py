"""Benchmarks whose answer is one of given labels, or several: FinCUGE's FinFE, FinNE, FinNL, FinRE; CFBenchmark's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.evaluation.benchmarks.benchmark import Benchmark, Row, Splits
from cornucopia.evaluation.benchmarks.files import find_folder, read_arrow, read_json, read_text

FINCUGE = "https://github.com/ssymmetry/BBT-FinCUGE-Applications"
FINRE = "https://github.com/thunlp/Chinese_NRE"
CFBENCHMARK = "https://github.com/TongjiFinLab/CFBenchmark（CFBenchmark-basic）"
NO_LICENCE = "作者没有写许可证：只宜自己评测，不要转发或拿去训练"
CF_LICENCE = "LICENSE 是 Apache-2.0，说明里写只限非商用"
MOODS = ("消极", "中性", "积极")
_MOOD_OF = {"0": 0, "1": 1, "2": 2}
_MOOD_OF_SCORE = {"0.0": 0, "0.5": 1, "1.0": 2}
_OFFERED = re.compile(r"[（(]([^（()）]+)[)）]")


def fincuge_rows(data_dir: Path, task: str, length: int) -> list[tuple[list[str], str]]:
    """(fields, where) of the rows of one FinCUGE task: lists of `length` fields in <task>/eval_list.json."""
    marker = f"{task}/eval_list.json"
    path = find_folder(data_dir, marker, benchmark=f"FinCUGE {task}", source=FINCUGE) / marker
    rows = []
    for place, item in enumerate(read_json(path)):
        where = f"{path} 第 {place + 1} 条"
        if not isinstance(item, list) or len(item) != length:
            found = f"{type(item).__name__}，{len(item) if isinstance(item, list) else 0} 项"
            raise DataError(f"每条应是 {length} 项的列表", where=where, found=found, fix="用公布的原文件")
        rows.append(([str(field) for field in item], where))
    return rows


def label_row(
    id: str,
    question: str,
    labels: Sequence[str],
    answer: Sequence[str],
    *,
    subject: str = "",
    where: str = "",
    several: bool = False,
) -> Row:
    """A text to label; `several`: whether more than one label may be right for texts of its kind.

    Raises:
        DataError: an empty text, or an answer that is none of the labels.
    """
    if not question.strip() or not answer or not set(answer) <= set(labels):
        found = f"文字 {question[:20]!r}，标签 {'、'.join(answer)!r}"
        raise DataError("这条的标签不在标签表里，或没有文字", where=where or id, found=found, fix="用公布的原文件")
    return {
        "id": id, "subject": subject, "category": subject, "question": question.strip(), "labels": list(labels),
        "listed": "、".join(labels), "answer": "；".join(answer), "gold": list(labels).index(answer[0]),
        "several": several,
    }  # fmt: skip


def read_moods(data_dir: Path, task: str) -> Splits:
    """FinFE ([text, 0 | 1 | 2]) or FinNE ([text, "0.0" | "0.5" | "1.0"])."""
    known = _MOOD_OF if task == "finfe" else _MOOD_OF_SCORE
    rows = []
    for place, ((text, label), where) in enumerate(fincuge_rows(data_dir, task, 2)):
        if label not in known:
            raise DataError("没有这个情绪标签", where=where, found=label, fix=f"应是 {'、'.join(known)} 之一")
        rows.append(label_row(f"{task}-{place}", text, MOODS, [MOODS[known[label]]], where=where))
    return {"test": rows, "dev": rows}


def read_news(data_dir: Path) -> Splits:
    """FinNL: [text, labels parted by spaces], one or several of some sixteen."""
    rows = fincuge_rows(data_dir, "finnl", 2)
    labels = sorted({label for (_, marks), _ in rows for label in marks.split()})
    made = [
        label_row(f"finnl-{place}", text, labels, sorted(marks.split()), where=where, several=True)
        for place, ((text, marks), where) in enumerate(rows)
    ]
    return {"test": made, "dev": made}


def read_relations(data_dir: Path) -> Splits:
    """FinRE: [head, tail, relation, sentence] of FinCUGE, or the same parted by tabs in thunlp's FinRE/test.txt."""
    found = _tabbed(data_dir) if _has(data_dir, "FinRE/test.txt") else fincuge_rows(data_dir, "finre", 4)
    labels = sorted({fields[2] for fields, _ in found})
    made = [
        label_row(f"finre-{place}", f"{text}\n主体一：{head}\n主体二：{tail}", labels, [relation], where=where)
        for place, ((head, tail, relation, text), where) in enumerate(found)
    ]
    return {"test": made, "dev": made}


def _has(data_dir: Path, marker: str) -> bool:
    return any(next(iter(data_dir.glob(depth + marker)), None) for depth in ("", "*/", "*/*/", "*/*/*/"))


def _tabbed(data_dir: Path) -> list[tuple[list[str], str]]:
    path = find_folder(data_dir, "FinRE/test.txt", benchmark="FinRE", source=FINRE) / "FinRE/test.txt"
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        fields, where = line.split("\t"), f"{path}:{number}"
        if len(fields) != 4:
            raise DataError("每行应有四列，用制表符分开", where=where, found=f"{len(fields)} 列", fix="用公布的原文件")
        rows.append(([field.strip() for field in fields], where))
    return rows


def cf_rows(data_dir: Path, part: str) -> list[tuple[dict[str, Any], str]]:
    """(row, where) of one part of CFBenchmark-basic: an Arrow file with input, instruction, response."""
    marker = f"data/{part}/data-00000-of-00001.arrow"
    path = find_folder(data_dir, marker, benchmark="CFBenchmark", source=CFBENCHMARK) / marker
    rows = read_arrow(path, ["input", "instruction", "response"])
    return [(row, f"{path} 第 {place + 1} 条") for place, row in enumerate(rows)]


def read_cf_labels(data_dir: Path) -> Splits:
    """CFBenchmark's sector, event and sentiment: the labels stand in brackets in the instruction."""
    rows = []
    for part in ("sector", "event", "sentiment"):
        for place, (row, where) in enumerate(cf_rows(data_dir, part)):
            offered = _OFFERED.findall(row["instruction"])
            labels = [label.strip() for label in re.split(r"[,，、]", offered[-1])] if offered else []
            answer = [label.strip() for label in re.split(r"[,，、]", row["response"]) if label.strip()]
            known = [label for label in answer if label in labels]
            if not known:
                continue  # a few responses name a label that their instruction does not offer
            question = f"{row['instruction'].strip()}\n{row['input'].strip()}"
            several = part != "sentiment"
            rows.append(
                label_row(f"{part}-{place}", question, labels, known, subject=part, where=where, several=several)
            )
    return {"test": rows, "dev": rows}


LABELS: dict[str, Benchmark] = {
    "finfe": Benchmark("FinFE 情绪", FINCUGE, NO_LICENCE, lambda folder: read_moods(folder, "finfe"), {"test": 2020}),
    "finne": Benchmark("FinNE 情绪", FINCUGE, NO_LICENCE, lambda folder: read_moods(folder, "finne"), {"test": 500}),
    "finnl": Benchmark("FinNL 新闻分类", FINCUGE, NO_LICENCE, read_news, {"test": 884}),
    "finre": Benchmark(
        "FinRE 关系", FINRE, "MIT（thunlp 的 test.txt）；FinCUGE 的没有写许可证", read_relations, {"test": 0}
    ),
    "cfbenchmark_labels": Benchmark("CFBenchmark 分类", CFBENCHMARK, CF_LICENCE, read_cf_labels, {"test": 0}),
}  # fmt: skip
