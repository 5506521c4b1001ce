"""A folder of documents, through the real recipe, becomes questions whose citations point at the right page."""

from __future__ import annotations

import json
import random
import re

import pytest

from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import build
from cornucopia.records.evidence import evidence_of
from cornucopia.records.native import unpack
from cornucopia.sources.read import read_documents
from made_office import word
from made_pdf import long_table, prospectus
from servers import chat_server
from writing_fakes import said


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("文件")
    prospectus(folder / "招募说明书.pdf", chapters=1)
    long_table(folder / "费率.pdf", rows=50)
    word(folder / "合同.docx")
    (folder / "说明.md").write_text("# 提前支取\n\n定期存款可以提前支取，支取部分按活期利率计息。\n", encoding="utf-8")
    return folder


def author(texts):
    """A model that asks about sentences and table rows of the documents, and answers with them."""
    known = "\n".join(texts.values())

    def answer(body):
        prompt = said(body)
        if '"score"' in prompt:
            return '{"reason": "与依据一致", "score": 0.9}'
        found = [line for line in re.findall(r"[^\n。]{12,}。|(?m:^\|.*\d.*\|$)", prompt) if line in known]
        if "answerable" in prompt:
            asked = re.search(r"问题：.*“(.+)”", prompt)[1]
            quote = next((line for line in found if asked in line), "")
            return json.dumps(
                {"answerable": bool(quote), "answer": f"写的是：{quote}", "quotes": [quote] if quote else []}
            )
        some = random.Random(prompt).sample(found, min(4, len(found)))
        items = [{"question": f"文件里写着“{line[:14]}”的是什么？", "quotes": [line]} for line in some]
        return "```json\n" + json.dumps(items, ensure_ascii=False) + "\n```"

    return answer


def test_citations_point_at_the_page_and_the_words(folder, tmp_path):
    texts = {(d.id, page.number): page.text for d in read_documents(folder) for page in d.pages}
    common = {"timeout": 20, "cache": str(tmp_path / "cache"), "concurrency": 8}
    with chat_server(answer=author(texts)) as server:
        common["model"] = f"{server.url}#写手"
        ask = {"questions": 4, "levels": ["passage=0.5", "neighbours=0.3", "document=0.2"], "alike": 1.0, **common}
        recipe = DataRecipe.build(
            {
                "output_dir": str(tmp_path / "out"),
                "sources": [{"kind": "documents", "path": str(folder), "ocr": "never", "licence": "内部"}],
                "steps": [{"ask": ask}, {"judge": common}],
                "output": {"format": "record"},
                "workers": 1,
            }
        )
        built = build(recipe)
    records = [unpack(line) for row in built.outputs for line in (built.folder / row["path"]).read_bytes().splitlines()]
    cited = [(record, place) for record in records for place in evidence_of(record)]
    for record, place in cited:
        assert texts[place.document, place.page][place.start : place.end] == place.quote
        assert place.quote in record.golden.replace("\n", "") or len(evidence_of(record)) > 1
        assert record.extra["scores"]["judge"] == 0.9 and record.licence == "内部"
    assert {place.document for _, place in cited} == {"招募说明书.pdf", "费率.pdf", "合同.docx", "说明.md"}
    assert len({place.page for _, place in cited if place.document == "费率.pdf"}) > 1
    assert any(place.quote.startswith("|") for _, place in cited)
