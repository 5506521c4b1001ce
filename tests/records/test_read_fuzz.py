"""Damaged files: only CornucopiaError escapes, every untouched row survives, and what is read can be written."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import CornucopiaError
from cornucopia.records.read import read_records
from cornucopia.records.write import WRITERS, write_records

MARK = re.compile(r"题〔(\d+)〕")
JUNK = [
    "......",
    "",
    " ",
    "[",
    "]",
    "{",
    "}",
    "},{",
    '"',
    "{}",
    "null",
    "[[",
    "# 注释",
    '{"a":',
    "\0",
    "\\",
    "，",
    "[{",
]
JUNK += [
    '{"question": "未完',
    '{"messages": [',
    "NaN",
    '{"x": {"y": [1, 2',
    "\ufeff",
    "\u2028",
    "\x85",
    "{" * 500,
    '{"a":' * 300,
]
NOISE = ['"', "\\", "{", "}", "[", "]", ",", "\ufeff"]
TYPES = [None, True, 3, 1e308, [], {}, [[]], {"a": [{}]}, "", "\ud800", ["x", "y"], [{"role": "user"}], float("nan")]
few = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))


def good_row(number: int) -> dict:
    question, answer = f"题〔{number}〕什么是“利率”？, a", '答"案"，\n第二行,[{}]'
    return [
        {"instruction": question, "input": "材料", "output": answer, "history": [["早", "好"]]},
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]},
        {"conversations": [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]},
        {"prompt": question, "response": answer, "meta": {"deep": [1, {"x": None}]}},
        {"question": question, "answer": answer, "domain": "保险"},
    ][number % 5]


def damage(text: str, draw: st.DrawFn) -> bytes:
    """One good row, cut, with bytes put in or replaced, or with a value of a wrong type."""
    data = text.encode()
    kind = draw(st.sampled_from(["cut", "insert", "replace", "type", "drop"]))
    spot = draw(st.integers(0, len(data)))
    noise = draw(st.binary(max_size=4) | st.sampled_from(NOISE).map(str.encode))
    if kind == "type" and text.startswith("{"):
        row = json.loads(text)
        row[draw(st.sampled_from(sorted(row)))] = draw(st.sampled_from(TYPES))
        return json.dumps(row).encode()
    if kind == "cut":
        return data[:spot]
    return data[spot:] if kind == "drop" else data[:spot] + noise + data[spot + (kind == "replace") :]


@st.composite
def damaged_rows(draw, render):
    """(pieces as bytes, numbers of the untouched rows)."""
    pieces, whole = [], []
    for number in range(draw(st.integers(1, 6))):
        if draw(st.booleans()):
            pieces.append(render(number).encode())
            whole.append(number)
        else:
            pieces.append(damage(render(number), draw) if draw(st.booleans()) else draw(st.sampled_from(JUNK)).encode())
    return pieces, whole


def compact(number: int) -> str:
    return json.dumps(good_row(number), ensure_ascii=False)


def pretty(number: int) -> str:
    return json.dumps(good_row(number), ensure_ascii=False, indent=2)


def check(path, data: bytes, whole: list[int]) -> None:
    path.write_bytes(data)
    try:
        result = read_records(path, rejects=False)
    except CornucopiaError:
        assert not whole
        return
    found = {int(MARK.search(record.question).group(1)) for record in result.records if MARK.search(record.question)}
    assert found >= set(whole)
    assert all(reject.line >= 1 and reject.reason for reject in result.rejects)
    for record in result.records:
        json.dumps(record.to_dict(), ensure_ascii=False, allow_nan=False).encode()
        for writer in WRITERS.values():
            try:
                writer(record)
            except CornucopiaError:
                continue


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@few
@given(damaged_rows(compact), st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_json_lines(folder, drawn, end, start):
    pieces, whole = drawn
    check(folder / "a.json", start + end.join(pieces), whole)


@few
@given(damaged_rows(compact), st.booleans(), st.sampled_from([b",\n", b",", b", "]))
def test_arrays(folder, drawn, closed, comma):
    pieces, whole = drawn
    check(folder / "a.json", b"[" + comma.join(pieces) + b"]" * closed, whole)


@few
@given(damaged_rows(pretty), st.booleans())
def test_pretty_arrays(folder, drawn, closed):
    pieces, whole = drawn
    check(folder / "a.json", b"[\n" + b",\n".join(pieces) + b"\n]" * closed, whole)


def cells(number: int) -> str:
    return f'题〔{number}〕什么是“利率”？,"{["答案", "答,案", "答案", "答案 5"][number % 4]}",保险'


@few
@given(damaged_rows(cells), st.sampled_from([b"\n", b"\r\n"]))
def test_csv(folder, drawn, end):
    pieces, whole = drawn
    check(folder / "a.csv", end.join(["问题,答案,领域".encode(), *pieces]), whole)


@few
@given(st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes(folder, data):
    for name in ("a.json", "a.csv", "a.tsv", "a.txt", "a.md", "a.parquet", "a.bin"):
        check(folder / name, data, [])


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "messages",
    "conversations",
    "instruction",
    "input",
    "output",
    "history",
    "system",
    "prompt",
    "response",
    "question",
]
KEYS += [
    "answer",
    "custom_id",
    "body",
    "chosen",
    "rejected",
    "text",
    "A",
    "B",
    "content",
    "summary",
    "context",
    "id",
    "domain",
]
TURN = st.fixed_dictionaries({}, optional=dict.fromkeys(("role", "from", "content", "value", "tool_calls"), values))


@few
@given(st.dictionaries(st.sampled_from(KEYS), st.one_of(values, st.lists(TURN, max_size=3)), max_size=6))
def test_any_values_under_known_keys(folder, row):
    check(folder / "a.jsonl", json.dumps(row).encode(), [])


@settings(few, max_examples=60)
@given(damaged_rows(compact))
def test_rejects_and_results_can_be_written(folder, drawn):
    (folder / "b.json").write_bytes(b"\n".join(drawn[0]))
    try:
        result = read_records(folder / "b.json")
    except CornucopiaError:
        return
    for to in WRITERS:
        write_records(folder / "out.jsonl", result.records, to)
        (folder / "out.jsonl").read_text("utf-8")
    if result.rejects:
        assert len((folder / "b.rejects.jsonl").read_bytes().splitlines()) == len(result.rejects)


@few
@given(damaged_rows(compact), st.binary(max_size=6))
def test_gb18030_lines(folder, drawn, noise):
    pieces, whole = drawn
    lines = [piece.decode("utf-8", "ignore").encode("gb18030") for piece in pieces]
    check(folder / "a.json", b"\n".join([*lines, noise]), whole)
