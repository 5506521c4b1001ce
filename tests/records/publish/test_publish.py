"""The folder is what other trainers' loaders take: each kind apart, roles in turn, the same columns in every row."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

from cornucopia.cli.data_export import run
from cornucopia.core.errors import CornucopiaError, DataError
from cornucopia.records.publish.folder import publish
from cornucopia.records.publish.shapes import shaped
from cornucopia.records.read import read_records
from cornucopia.records.schema import Message, Passage, Record, ToolCall
from cornucopia.records.write import write_records


def user(text: str) -> Message:
    return Message("user", text)


def said(text: str, **fields) -> Message:
    return Message("assistant", text, **fields)


CALL = said("", tool_calls=(ToolCall("rate", '{"年": 1}', "c1"),))
TOOLS = ({"type": "function", "function": {"name": "rate", "parameters": {"type": "object"}}},)
RECORDS = [
    Record((Message("system", "守规矩"), user("甲"), said("乙"), user("丙"), said("丁", reasoning="想")), id="s1"),
    Record((user("利率？"), CALL, Message("tool", "3%", tool_call_id="c1"), said("3%")), tools=TOOLS, id="s2"),
    Record((user("材料题"), said("对")), passages=(Passage("材料"),), id="s3", licence="CC0", extra={"split": "valid"}),
    Record((user("好坏？"), said("好")), rejected=((said("差"),), (said("更差"),)), id="p1"),
    Record((user("标？"), said("一般")), label=False, id="k1"),
    Record(text="一篇公告。", id="d1"),
]


def rows(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def as_llama_factory(entry: dict, row: dict) -> tuple[list, list]:
    """(prompt, responses) by the rules of its converter: a column that is not named is None, odd turns ask."""
    columns, tags = entry["columns"], entry.get("tags", {})
    if entry.get("formatting") != "sharegpt":
        asked = [row[columns[name]] for name in ("prompt", "query") if columns.get(name) and row[columns[name]]]
        history = [text for pair in row[columns["history"]] for text in pair] if columns.get("history") else []
        names = ("chosen", "rejected") if entry.get("ranking") else ("response",)
        return [*history, "\n".join(asked)], [row[columns[name]] for name in names if columns.get(name)]
    turns = row[columns["messages"]]
    odd = (tags["user_tag"], tags["observation_tag"])
    even = (tags["assistant_tag"], tags["function_tag"])
    assert all(turn[tags["role_tag"]] in (odd, even)[n % 2] for n, turn in enumerate(turns))
    assert len(turns) % 2 == bool(entry.get("ranking"))
    texts = [turn[tags["content_tag"]] for turn in turns]
    if entry.get("ranking"):
        return texts, [row[columns[name]][tags["content_tag"]] for name in ("chosen", "rejected")]
    return texts[:-1], texts[-1:]


@pytest.mark.parametrize("shape", ["sharegpt", "alpaca"])
def test_llama_factory_loads_every_kind(tmp_path, shape):
    made = publish(RECORDS, tmp_path, "fin", target="llama-factory", shape=shape)
    info = json.loads((tmp_path / "dataset_info.json").read_text(encoding="utf-8"))
    assert sorted(info) == ["fin", "fin_dpo", "fin_kto", "fin_pt", "fin_valid"]
    assert len(made.refused) == (shape == "alpaca")  # the one that calls a tool
    for entry in info.values():
        found = rows(tmp_path / entry["file_name"])
        assert len({tuple(row) for row in found}) == 1  # the same columns in every row
        assert all(column in found[0] for column in entry["columns"].values())
        for row in found:
            as_llama_factory(entry, row)
    pair = rows(tmp_path / "fin_dpo.jsonl")
    assert [as_llama_factory(info["fin_dpo"], row)[1] for row in pair] == [["好", "差"], ["好", "更差"]]
    assert rows(tmp_path / "fin_kto.jsonl")[0][info["fin_kto"]["columns"]["kto_tag"]] is False
    first = rows(tmp_path / "fin.jsonl")[0]
    assert as_llama_factory(info["fin"], first) == (["甲", "乙", "丙"], ["丁"])
    assert first["reasoning"] == "想" and first["system"] == "守规矩"
    assert as_llama_factory(info["fin_valid"], rows(tmp_path / "fin_valid.jsonl")[0])[0] == ["材料题\n材料"]


def test_calls_have_their_arguments_as_an_object(tmp_path):
    (row,) = (one.row for one in shaped(RECORDS[1], "llama-factory", "field"))
    call = row["conversations"][1]
    assert call["from"] == "function_call" and json.loads(call["value"])["arguments"] == {"年": 1}
    assert row["conversations"][2]["from"] == "observation" and json.loads(row["tools"]) == list(TOOLS)
    (row,) = (one.row for one in shaped(RECORDS[1], "ms-swift", "field"))
    assert [turn["role"] for turn in row["messages"]] == ["user", "tool_call", "tool_response", "assistant"]


def test_thoughts_go_where_they_are_wanted():
    (inline,) = shaped(RECORDS[0], "llama-factory", "inline")
    assert inline.row["conversations"][-1]["value"] == "<think>\n想\n</think>\n\n丁" and "reasoning" not in inline.row
    (field,) = shaped(RECORDS[0], "trl", "field")
    assert field.row["reasoning"] == "想" and field.row["messages"][-1] == {"role": "assistant", "content": "丁"}


def test_the_shapes_of_swift_and_trl():
    pair = [one.row for one in shaped(RECORDS[3], "ms-swift", "field")]
    assert [row["rejected_response"] for row in pair] == ["差", "更差"] and pair[1]["id"] == "p1#2"
    row = next(shaped(RECORDS[3], "trl", "field")).row
    assert (row["prompt"], row["chosen"][0]["content"], row["rejected"][0]["content"]) == (
        [{"role": "user", "content": "好坏？"}], "好", "差"
    )  # fmt: skip
    assert next(shaped(RECORDS[4], "trl", "field")).row["label"] is False
    assert next(shaped(RECORDS[5], "trl", "field")).row["text"] == "一篇公告。"


BAD = [
    Record((user("没有回答"),)),
    Record((user("甲"), said("乙")), complete=False),
    Record((user("甲"), said("乙", learnt=False), user("丙"), said("丁"))),
    Record((user("甲"), user("乙"), said("丙"))),
    Record((user("甲"), replace(CALL, content="先查一下"), Message("tool", "3%"), said("3%"))),
    Record((user("看图"), said("票")), rejected=((said("一"), user("二"), said("三")),)),
]


def test_a_question_marked_as_not_learnt_says_nothing_new(tmp_path):
    record = Record((Message("user", "甲", learnt=False), said("乙", learnt=True)))
    assert publish([record], tmp_path, "x", target="llama-factory").refused == []


@pytest.mark.parametrize("record", BAD)
def test_what_a_trainer_would_read_otherwise_is_refused(record, tmp_path):
    with pytest.raises(DataError):
        list(shaped(record, "llama-factory", "field"))
    good = RECORDS[0]
    made = publish([record, good], tmp_path, "x", target="llama-factory")
    assert len(made.refused) == 1 and len(rows(tmp_path / "x.jsonl")) == 1


def test_the_card_names_counts_licences_sources_and_splits(tmp_path):
    records = [replace(RECORDS[0], licence="CC BY 4.0", source="保险法", domain="保险")] * 3
    publish(records, tmp_path, "fin", target="ms-swift")
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])
    assert head["license"] == "cc-by-4.0" and head["size_categories"] == ["n<1K"]
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "fin.jsonl"}]
    assert "| 保险 | 3 |" in text and "| 保险法 | 3 |" in text and "ms-swift" in text
    assert not (tmp_path / "dataset_info.json").exists()
    publish(RECORDS, tmp_path / "b", "fin", target="trl")
    assert "没有标许可证" in (tmp_path / "b" / "README.md").read_text(encoding="utf-8")


def test_nothing_to_write_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(DataError):
        publish(BAD[:1], tmp_path / "x", "x", target="trl")
    assert not list((tmp_path / "x").glob("*")) if (tmp_path / "x").exists() else True


def test_the_command(tmp_path, capsys):
    write_records(tmp_path / "all.jsonl", RECORDS, "record")
    assert run([str(tmp_path / "all.jsonl"), "--out", str(tmp_path / "out"), "--name", "fin"]) == 0
    assert "fin_dpo" in capsys.readouterr().out
    back = read_records(tmp_path / "out" / "fin.jsonl", rejects=False).records
    assert [record.golden for record in back] == ["丁", "3%"]
    assert (
        run([str(tmp_path / "all.jsonl"), "--for", "llama-factory", "--shape", "alpaca", "--out", str(tmp_path / "c")])
        == 1
    )
    with pytest.raises(CornucopiaError):
        run([str(tmp_path / "all.jsonl"), "--out", str(tmp_path / "out"), "--name", "a/b"])
