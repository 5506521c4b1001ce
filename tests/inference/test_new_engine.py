"""A new engine as an outsider would write it, one class and one entry in the table: infer, chat and compare use it."""

from __future__ import annotations

import json

import pytest

from cornucopia.cli import chat, compare, infer
from cornucopia.core.errors import UsageError
from cornucopia.inference import open_engine as opening
from cornucopia.inference.engine import Engine, Limits, Reply


class Parrot(Engine):
    """Says what it is asked, backwards."""

    def __init__(self, word):
        self.word = word

    def generate(self, requests, sampling):
        for request in requests:
            text = self.word + request.record.question[::-1]
            yield Reply(request.id, text, "stop", len(request.record.question), len(text))

    def describe(self, sampling):
        return {"parrot": self.word, "sampling": sampling.model_dump(exclude_none=True)}

    def limits(self):
        return Limits()


@pytest.fixture(autouse=True)
def _parrots(monkeypatch):
    kind = opening.Kind(
        takes=lambda spec: spec.base.startswith("parrot:"),
        open=lambda specs: [Parrot(spec.base.partition(":")[2]) for spec in specs],
    )
    monkeypatch.setitem(opening.KINDS, "parrot", kind)


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "q.jsonl"
    rows = [{"instruction": f"问题{n}", "output": f"答{n}"} for n in range(3)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_infer_uses_it_and_resumes(data, tmp_path, capsys):
    out = tmp_path / "o.jsonl"
    assert infer.run([str(data), "--model", "parrot:呀", "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["answer"] for row in rows] == ["呀0题问", "呀1题问", "呀2题问"]
    before = out.read_bytes()
    assert infer.run([str(data), "--model", "parrot:呀", "--out", str(out)]) == 0 and out.read_bytes() == before
    from cornucopia.cli.main import main

    assert main(["infer", str(data), "--model", "parrot:嘿", "--out", str(out)]) == 1
    assert "parrot：原来 呀，现在 嘿" in capsys.readouterr().err and out.read_bytes() == before


def test_chat_uses_it(capsys):
    assert chat.run(["-q", "你好", "--model", "parrot:"]) == 0
    assert capsys.readouterr().out == "好你\n"


def test_compare_uses_it_beside_others(data, tmp_path):
    words = ["--questions", str(data), "--output-dir", str(tmp_path / "o")]
    assert compare.run([*words, "--contestant", "甲=parrot:呀", "--contestant", "乙=parrot:嘿"]) == 0
    rows = [json.loads(line) for line in (tmp_path / "o" / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["answer"][0] for row in rows] == ["呀", "嘿"] * 3 and {row["golden_nll"] for row in rows} == {None}
    assert "parrot" in (tmp_path / "o" / "settings.json").read_text(encoding="utf-8")


def test_what_it_does_not_offer_is_told():
    with pytest.raises(UsageError, match="似然"):
        Parrot("").score([])
    assert not Parrot("").limits().scores
