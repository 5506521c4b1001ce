"""Benchmarks of multiple-choice questions: FinEval, Fin-Eva, FinanceIQ, CFLUE, CMMLU's finance, OpenFinData."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.evaluation.benchmarks.benchmark import LETTERS, Benchmark, Row, Splits, choice_row
from cornucopia.evaluation.benchmarks.files import find_folder, named, read_csv, read_json, read_text

_FINEVA = "https://github.com/alipay/financial_evaluation_dataset"
_FINANCEIQ = "https://github.com/Duxiaoman-DI/XuanYuan（FinanceIQ）"
_CFLUE = "https://github.com/aliyun/cflue"
_CMMLU = "https://github.com/haonan-li/CMMLU"
_OPENFIN = "https://github.com/TongjiFinLab/CFBenchmark（OpenFinData）"
CMMLU_SUBJECTS = {
    "economics": "经济学", "professional_accounting": "会计", "business_ethics": "商业伦理", "marketing": "市场营销",
    "management": "管理学", "elementary_commonsense": "常识",
}  # fmt: skip
_YES_NO = ("是", "否")


def read_fineval(data_dir: Path) -> Splits:
    """FinEval v1: data/SUFE/{dev,val}/<subject>_{dev,val}.csv with subject_map.json beside them."""
    folder = find_folder(data_dir, "SUFE/val/*_val.csv", benchmark="FinEval", source=_FINEVA) / "SUFE"
    names = _subject_names(folder / "subject_map.json")
    splits: Splits = {}
    for split, part in (("dev", "dev"), ("test", "val")):
        rows: list[Row] = []
        for subject, path in named(folder / part, f"*_{part}.csv"):
            title, category = names.get(subject, (subject, "其他"))
            columns = ["id", "question", "A", "B", "C", "D", "answer", *(["explanation"] if part == "dev" else [])]
            for place, row in enumerate(read_csv(path, columns)):
                options = [row[letter] for letter in "ABCD"]
                made = choice_row(
                    f"{subject}-{row['id']}", row["question"], options, row["answer"],
                    subject=title, category=category, where=f"{path}:{place + 2}",
                )  # fmt: skip
                rows.append({**made, "explanation": row.get("explanation", "")})
        splits[split] = rows
    return splits


def _subject_names(path: Path) -> dict[str, tuple[str, str]]:
    try:
        found = json.loads(read_text(path))
        return {key: (str(value["ch"]), str(value["subject"])) for key, value in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("科目表读不出来", where=str(path), found=str(error)[:80], fix="用公布的原文件") from None


def read_fineva(data_dir: Path) -> Splits:
    """Fin-Eva, Ant part: data/Ant/<area>/<task>.csv. Only rows with an answer (the first of each file) are asked."""
    folder = find_folder(data_dir, "Ant/*/*.csv", benchmark="Fin-Eva", source=_FINEVA) / "Ant"
    rows: list[Row] = []
    for path in sorted(folder.glob("*/*.csv")):
        for place, row in enumerate(read_csv(path, ["id", "question", "answer"])):
            if not row["answer"]:
                continue
            where, context = f"{path}:{place + 2}", row.get("context", "")
            options, answer = [row[letter] for letter in "ABCDE" if row.get(letter)], row["answer"]
            if not options:
                options, answer = list(_YES_NO), LETTERS[_YES_NO.index(answer)] if answer in _YES_NO else ""
            question = f"{context}\n{row['question']}" if context else row["question"]
            rows.append(
                choice_row(
                    f"{path.stem}-{row['id']}", question, options, answer,
                    subject=path.stem, category=path.parent.name, where=where,
                )
            )  # fmt: skip
    return {"test": rows, "dev": _first_of_each(rows)}


def read_financeiq(data_dir: Path) -> Splits:
    """FinanceIQ: {dev,test}/<exam>.csv with columns Question, A to D, Answer."""
    folder = find_folder(data_dir, "FinanceIQ/data/test/*.csv", benchmark="FinanceIQ", source=_FINANCEIQ)
    splits: Splits = {"dev": [], "test": []}
    for split in splits:
        for path in sorted((folder / "FinanceIQ/data" / split).glob("*.csv")):
            for place, row in enumerate(read_csv(path, ["Question", "A", "B", "C", "D", "Answer"])):
                splits[split].append(
                    choice_row(
                        f"{path.stem}-{place}", row["Question"], [row[letter] for letter in "ABCD"], row["Answer"],
                        subject=path.stem, where=f"{path}:{place + 2}",
                    )
                )  # fmt: skip
    return splits


def read_cflue(data_dir: Path, kind: str) -> Splits:
    """CFLUE's knowledge questions of one kind (单项选择题, 多项选择题, 判断题): data/knowledge/knowledge.json."""
    marker = "data/knowledge/knowledge.json"
    path = find_folder(data_dir, marker, benchmark="CFLUE", source=_CFLUE) / marker
    rows = []
    for place, item in enumerate(read_json(path, ["名称", "task", "question", "choices", "answer"])):
        if item["task"] != kind:
            continue
        where = f"{path} 第 {place + 1} 条"
        options = _written_options(item["choices"], where)
        letters = sorted(options)
        answer = "".join(LETTERS[letters.index(one)] for one in item["answer"].strip() if one in letters)
        rows.append(
            choice_row(
                f"cflue-{place}", item["question"], [options[letter] for letter in letters], answer,
                subject=item["名称"], where=where,
            )
        )  # fmt: skip
    return {"test": rows, "dev": _first_of_each(rows)}


def _written_options(text: Any, where: str) -> dict[str, str]:
    """CFLUE writes its options as a Python dict in a string."""
    try:
        found = ast.literal_eval(text) if isinstance(text, str) else text
        return {str(key): str(value) for key, value in found.items()}
    except (ValueError, SyntaxError, AttributeError):
        raise DataError("选项读不出来", where=where, found=str(text)[:60], fix="用公布的原文件") from None


def read_cmmlu(data_dir: Path) -> Splits:
    """CMMLU's six finance subjects: {dev,test}/<subject>.csv with columns Question, A to D, Answer."""
    folder = find_folder(data_dir, "test/economics.csv", benchmark="CMMLU", source=_CMMLU)
    splits: Splits = {"dev": [], "test": []}
    for split in splits:
        for subject, title in CMMLU_SUBJECTS.items():
            path = folder / split / f"{subject}.csv"
            for place, row in enumerate(read_csv(path, ["Question", "A", "B", "C", "D", "Answer"])):
                splits[split].append(
                    choice_row(
                        f"{subject}-{place}", row["Question"], [row[letter] for letter in "ABCD"], row["Answer"],
                        subject=title, where=f"{path}:{place + 2}",
                    )
                )  # fmt: skip
    return splits


def read_openfindata(data_dir: Path) -> Splits:
    """OpenFinData's files with options; those answered freely or judged by criteria have none and are not asked."""
    marker = "data/金融知识/金融事实.json"
    folder = find_folder(data_dir, marker, benchmark="OpenFinData", source=_OPENFIN) / "data"
    rows = []
    for path in sorted(folder.glob("*/*.json")):
        for place, item in enumerate(read_json(path, ["id", "question"])):
            options = [str(item[letter]) for letter in LETTERS if item.get(letter) not in (None, "")]
            if len(options) < 2:
                continue
            rows.append(
                choice_row(
                    f"{path.stem}-{item['id']}", item["question"], options, str(item.get("answer", "")),
                    subject=path.stem, category=path.parent.name, where=f"{path} 第 {place + 1} 条",
                )
            )  # fmt: skip
    return {"test": rows, "dev": _first_of_each(rows)}


def _first_of_each(rows: list[Row], count: int = 5) -> list[Row]:
    """Worked examples where none are published: the first questions of each subject (never shown for themselves)."""
    seen: dict[str, int] = {}
    chosen = []
    for row in rows:
        seen[row["subject"]] = seen.get(row["subject"], 0) + 1
        if seen[row["subject"]] <= count + 1:
            chosen.append(row)
    return chosen


NON_COMMERCIAL = "CC BY-NC-SA 4.0：不得商用"
CHOICES: dict[str, Benchmark] = {
    "fineval": Benchmark("FinEval", _FINEVA, "CC BY 4.0", read_fineval, {"dev": 170, "test": 1071},
        digest="9fbf33e78af726de6c04b597480ee1996b36ebbcc5ae4ff8e107be04c3bc9203",
    ),
    "fineva": Benchmark("Fin-Eva（蚂蚁部分）", _FINEVA, "CC BY 4.0", read_fineva, {"test": 2343},
        digest="6b2415bc9015ca0190145e45a4bd83b856e9facc2e2afb59ac36743ff2c53318",
    ),
    "financeiq": Benchmark(
        "FinanceIQ", _FINANCEIQ, NON_COMMERCIAL, read_financeiq, {"dev": 50, "test": 7123},
        hub="Duxiaoman-DI/FinanceIQ", files=("data/dev/*.csv", "data/test/*.csv"),
    ),
    "cflue_single": Benchmark(
        "CFLUE 单项选择", _CFLUE, NON_COMMERCIAL, lambda folder: read_cflue(folder, "单项选择题"), {"test": 2345}
    ),
    "cflue_multiple": Benchmark(
        "CFLUE 多项选择", _CFLUE, NON_COMMERCIAL, lambda folder: read_cflue(folder, "多项选择题"), {"test": 1171}
    ),
    "cflue_judge": Benchmark(
        "CFLUE 判断", _CFLUE, NON_COMMERCIAL, lambda folder: read_cflue(folder, "判断题"), {"test": 348}
    ),
    "cmmlu_finance": Benchmark(
        "CMMLU 财经科目", _CMMLU, NON_COMMERCIAL, read_cmmlu, {"test": 0}, hub="haonan-li/cmmlu", files=("*.zip",)
    ),
    "openfindata": Benchmark(
        "OpenFinData 选择题", _OPENFIN, "Apache-2.0；作者写明勿用于任何的模型训练", read_openfindata, {"test": 0}
    ),
}  # fmt: skip
