"""Benchmarks answered in words, names or numbers.

FinCUGE's FinNSP, FinNA, FinQA, FinCQA; CFLUE's applications; CFBenchmark's texts and names; DISC-FinLLM's computing;
FinEval's rigor test; BizFinBench's numbers and dates.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cornucopia.core.errors import DataError
from cornucopia.evaluation.benchmarks.benchmark import Benchmark, Row, Splits
from cornucopia.evaluation.benchmarks.choices import NON_COMMERCIAL
from cornucopia.evaluation.benchmarks.files import find_folder, read_csv, read_json
from cornucopia.evaluation.benchmarks.labels import CF_LICENCE, CFBENCHMARK, FINCUGE, NO_LICENCE, cf_rows, fincuge_rows

_CFLUE = "https://github.com/aliyun/cflue"
_DISC = "https://github.com/FudanDISC/DISC-FinLLM"
_RIGOR = "https://github.com/SUFE-AIFLM-Lab/FinEval（Financial Rigor Test）"
_BIZ = "https://github.com/HiThink-Research/BizFinBench"
NOTHING = "无"
_NAMES = re.compile(r"[,，、;；]")


def text_row(id: str, question: str, answer: str, *, subject: str = "", where: str = "") -> Row:
    """A question with its reference answer.

    Raises:
        DataError: either is empty.
    """
    if not question.strip() or not answer.strip():
        found = f"问题 {question[:20]!r}，答案 {answer[:20]!r}"
        raise DataError("这条没有问题或没有答案", where=where or id, found=found, fix="用公布的原文件")
    return {
        "id": id, "subject": subject, "category": subject, "question": question.strip(), "answer": answer.strip(),
    }  # fmt: skip


def read_headlines(data_dir: Path) -> Splits:
    """FinNA: [headline, text]."""
    rows = [
        text_row(f"finna-{place}", text, headline, where=where)
        for place, ((headline, text), where) in enumerate(fincuge_rows(data_dir, "finna", 2))
    ]
    return {"test": rows, "dev": rows}


def read_event_questions(data_dir: Path, task: str) -> Splits:
    """FinQA and FinCQA: [question and text in one, answer]."""
    rows = [
        text_row(f"{task}-{place}", asked, answer, where=where)
        for place, ((asked, answer), where) in enumerate(fincuge_rows(data_dir, task, 2))
    ]
    return {"test": rows, "dev": rows}


def read_bad_news(data_dir: Path) -> Splits:
    """FinNSP: [id, title, text, names, "0" | "1", names that the news is bad for], names parted by semicolons."""
    rows = []
    for (key, title, text, names, _, guilty), where in fincuge_rows(data_dir, "finnsp", 6):
        question = "\n".join(part for part in (title, text, f"涉及的主体：{names}") if part.strip())
        rows.append(text_row(f"finnsp-{key}", question, guilty or NOTHING, where=where))
    return {"test": rows, "dev": rows}


def read_applications(data_dir: Path) -> Splits:
    """CFLUE's application tasks: an instruction with its input, and an output."""
    marker = "data/application/application.json"
    path = find_folder(data_dir, marker, benchmark="CFLUE", source=_CFLUE) / marker
    rows = []
    for place, item in enumerate(read_json(path, ["task", "sub_task", "instruction", "input", "output"])):
        question = f"{item['instruction']}\n{item['input']}"
        where = f"{path} 第 {place + 1} 条"
        row = text_row(f"cflue-{place}", question, str(item["output"]), subject=item["sub_task"], where=where)
        rows.append({**row, "category": item["task"]})
    return {"test": rows, "dev": rows}


def read_cf_texts(data_dir: Path, parts: tuple[str, ...]) -> Splits:
    """CFBenchmark's parts that are answered in words, or in names parted by commas."""
    rows = []
    for part in parts:
        for place, (row, where) in enumerate(cf_rows(data_dir, part)):
            if not row["response"].strip():
                continue
            question = f"{row['instruction'].strip()}\n{row['input'].strip()}"
            rows.append(text_row(f"{part}-{place}", question, row["response"], subject=part, where=where))
    return {"test": rows, "dev": rows}


def read_disc_computing(data_dir: Path) -> Splits:
    """DISC-FinLLM's computing questions: the output ends with the number after its formula."""
    marker = "eval/computing_eval.json"
    path = find_folder(data_dir, marker, benchmark="DISC-FinLLM computing", source=_DISC) / marker
    rows = []
    for place, item in enumerate(read_json(path, ["instruction", "input", "output"])):
        question = "\n".join(part for part in (item["instruction"], item["input"]) if part)
        rows.append(text_row(f"disc-{place}", question, item["output"], where=f"{path} 第 {place + 1} 条"))
    return {"test": rows, "dev": rows}


def read_rigor(data_dir: Path) -> Splits:
    """FinEval's rigor test, the calculations: retrieved text and a question, and the number."""
    marker = "Financial Rigor Test/Financial Rigor Test_Numerical Calculation.csv"
    path = find_folder(data_dir, marker, benchmark="FinEval rigor", source=_RIGOR) / marker
    rows = [
        text_row(f"rigor-{row['序号']}", row["基座query"], row["标准答案"], where=f"{path}:{place + 2}")
        for place, row in enumerate(read_csv(path, ["序号", "基座query", "标准答案"]))
    ]
    return {"test": rows, "dev": rows}


def read_bizfinbench(data_dir: Path) -> Splits:
    """BizFinBench's numbers and dates that have a reference, of {"messages", "choices"} lines."""
    rows = []
    for name in ("Financial_Numerical_Computation.jsonl", "Financial_Time_Reasoning.jsonl"):
        path = find_folder(data_dir, name, benchmark="BizFinBench", source=_BIZ) / name
        for place, item in enumerate(read_json(path, ["messages", "choices"])):
            where = f"{path}:{place + 1}"
            answer = _spoken(item["choices"][0].get("message") if item["choices"] else None, where)
            if answer:
                asked = "\n".join(filter(None, (_spoken(message, where) for message in item["messages"])))
                rows.append(text_row(f"{name[:-6]}-{place}", asked, answer, subject=name[:-6], where=where))
    return {"test": rows, "dev": rows}


def _spoken(message: Any, where: str) -> str:
    """The text of {"content": [{"text": ...}]} or {"content": ...}."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        return "".join(str(part.get("text", "")) for part in content)
    if isinstance(content, (str, int, float)):
        return str(content)
    found = json.dumps(message, ensure_ascii=False, default=str)[:80]
    raise DataError("这一轮里没有文字", where=where, found=found, fix="用公布的原文件")


def names_of(text: str) -> set[str]:
    """The names of an answer that lists them; none of 无."""
    return {name.strip() for name in _NAMES.split(text) if name.strip()} - {NOTHING}


TEXTS: dict[str, Benchmark] = {
    "finnsp": Benchmark(
        "FinNSP 负面主体", FINCUGE, f"{NO_LICENCE}；点了真实公司和个人的名", read_bad_news, {"test": 500}
    ),
    "finna": Benchmark("FinNA 拟标题", FINCUGE, NO_LICENCE, read_headlines, {"test": 3600}),
    "finqa": Benchmark(
        "FinQA 事件问答", FINCUGE, NO_LICENCE, lambda folder: read_event_questions(folder, "finqa"), {"test": 2469}
    ),
    "fincqa": Benchmark(
        "FinCQA 因果问答", FINCUGE, NO_LICENCE, lambda folder: read_event_questions(folder, "fincqa"), {"test": 2741}
    ),
    "cflue_application": Benchmark("CFLUE 应用", _CFLUE, NON_COMMERCIAL, read_applications, {"test": 125}),
    "cfbenchmark_names": Benchmark(
        "CFBenchmark 公司与产品", CFBENCHMARK, CF_LICENCE, lambda folder: read_cf_texts(folder, ("company", "product")),
        {"test": 0},
    ),
    "cfbenchmark_texts": Benchmark(
        "CFBenchmark 摘要、风险、建议", CFBENCHMARK, CF_LICENCE,
        lambda folder: read_cf_texts(folder, ("summary", "risk", "suggestion")), {"test": 0},
    ),
    "disc_computing": Benchmark("DISC-FinLLM 计算", _DISC, "Apache-2.0", read_disc_computing, {"test": 100},
        digest="4ba73bb37eecae5a6576bb24ae50831e94e488ce0144bfa4ad596c7f09fb7cf6",
    ),
    "fineval_rigor": Benchmark("FinEval 严谨性（计算）", _RIGOR, "Apache-2.0", read_rigor, {"test": 42},
        digest="8735aeeeee3dc9e3de8149382b75d83db1f79746419eed2f007e7a0fee767210",
    ),
    "bizfinbench": Benchmark(
        "BizFinBench 数值与时间", _BIZ, "GitHub 上写 CC BY-NC 4.0（不得商用），Hugging Face 上写 CC BY 4.0",
        read_bizfinbench, {"test": 0}, hub="HiThink-Research/BizFinBench",
        files=("Financial_Numerical_Computation/*.jsonl", "Financial_Time_Reasoning/*.jsonl"),
    ),
}  # fmt: skip
