"""What tests of the writing steps share: a scripted model that keeps the protocol, documents, and running a step."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cornucopia.records.evidence import KEY, Evidence
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.records.stage import Context, Outcome, Stage

PAGES = {
    1: "一、申请条件\n申请人应年满18周岁，并在本行开立结算账户满6个月。首次申请还须提交收入证明，由所在单位盖章。",
    2: "二、额度与利率\n单户授信额度最高50万元，年利率为4.35%，按月计息。逾期部分在原利率基础上加收50%罚息。",
    3: "三、提前还款\n放款满3个月后可以提前还款，须提前10个工作日申请。放款不满3个月的，按提前还款额的1%收取违约金。",
}


def document(name: str = "制度/个人贷款.pdf", pages: dict[int, str] = PAGES) -> list[Record]:
    """A record a page, each with its place."""
    return [_page(name, number, text) for number, text in pages.items()]


def _page(name: str, number: int, text: str) -> Record:
    place = Evidence(name, text, number, 0, len(text))
    return Record(
        passages=(Passage(text, f"个人贷款办法 第{number}页"),), id=f"{name}#{number}", domain="贷款",
        source="个人贷款办法", licence="内部", as_of="2026-05", extra={KEY: [place.to_dict()]},
    )  # fmt: skip


def pair(question: str, answer: str, **fields: Any) -> Record:
    """One question and answer."""
    return Record((Message("user", question), Message("assistant", answer)), **fields)


def stage_run(stage: Stage, records: Sequence[Record], folder: Path, shard: int = 0, seed: int = 42) -> Outcome:
    """Survey, decide, apply: as the runner does."""
    folder.mkdir(parents=True, exist_ok=True)
    context = Context(folder, shard, seed)
    np.savez(folder / "survey.npz", **stage.survey(records, context))
    stage.decide([folder / "survey.npz"], context)
    return stage.apply(records, context)


def settings(url: str, folder: Path, **more: Any) -> dict[str, Any]:
    """Settings of a writing step whose model is a local server."""
    return {"base": f"{url}#写手", "cache": str(folder / "cache"), "timeout": 5.0, "max_retries": 2, **more}


def said(body: dict[str, Any]) -> str:
    """The last thing said in a request."""
    return str(body["messages"][-1]["content"])


def sentences(prompt: str) -> list[str]:
    """Sentences of the material in a prompt of `ask`."""
    body = "".join(page for page in PAGES.values() if page[:12] in prompt)
    return re.findall(r"[^\n。]{10,}。", body)


def good_author(body: dict[str, Any]) -> str:
    """A model that keeps the protocol of `ask`: one question a sentence, answered by that sentence."""
    prompt = said(body)
    found = re.search(r"问题：(.+)", prompt)
    if "answerable" in prompt and found:
        quote = next((one for one in sentences(prompt) if one[:8] in found[1]), "")
        if not quote:
            return json.dumps({"answerable": False})
        return json.dumps({"answerable": True, "answer": f"规定是：{quote}", "quotes": [quote]}, ensure_ascii=False)
    items = [
        {"question": f"个人贷款里“{quote[:8]}”这件事怎么办？", "form": "how", "quotes": [quote]}
        for quote in sentences(prompt)
    ]
    return f"```json\n{json.dumps(items, ensure_ascii=False)}\n```"
