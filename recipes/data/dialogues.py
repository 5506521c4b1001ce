"""Drafts of dialogues (YAML, a person's words) -> rows of instruction_data/dialogues/<folder>.jsonl.

Usage: PYTHONPATH=src python recipes/data/dialogues.py draft.yaml ...
Without drafts it brings what stands there up to date with changed calculators and articles: tools on offer, results.
Nothing is written for the author: tool calls are run and their results put where they belong, quotations are completed
to what the article says, and rows are sorted by id (one of the same id is replaced). docs/dialogues.md shows a draft.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from random import Random
from typing import Any

import yaml

from cornucopia.core.errors import DataError
from cornucopia.core.jsonl import read_jsonl, write_text
from cornucopia.core.paths import project_root
from cornucopia.finance.calculator import Value
from cornucopia.finance.problems import AS_OF
from cornucopia.finance.tools import find_tool, tools
from cornucopia.sources.document import Document
from cornucopia.sources.handbook import SEARCH, articles, hits

HOME = Path("instruction_data/dialogues")
OFFERED = 3  # tools on offer beside the handbook search, where the draft names none
SEARCH_NAME = SEARCH["function"]["name"]
_HIT = re.compile(r"^《[^》]+》（([a-z-]+/[\w-]+)，截至[\d-]+）\n", re.M)
_BLANK = re.compile(r"<<(?:(\d+):)?([^<>:]+)>>")
_FIELDS = ("id", "kind", "voice", "domain", "source", "as_of", "evidence", "calculations", "sums", "tools", "messages")


class Draft:
    """One draft while it is turned into a row.

    Args:
        draft: as YAML gives it. texts: the articles by id.
    """

    def __init__(self, draft: dict[str, Any], texts: dict[str, Document]) -> None:
        self._draft, self._texts, self._id = draft, texts, str(draft.get("id"))
        self._values: list[dict[str, Value]] = []  # of every call, in order
        self._cited: dict[str, list[str]] = {}
        self._called: list[str] = []

    def row(self) -> dict[str, Any]:
        """The row, its fields in their order.

        Raises:
            DataError: a quotation that the article does not have, an unknown key.
        """
        draft = self._draft
        for article, quotes in draft.get("cite", {}).items():
            self._cite(article, quotes)
        for calculation in draft.get("calculations", ()):
            self._values.append(dict(find_tool(calculation["name"]).call(calculation["arguments"]).values))
        fields = {key: draft[key] for key in _FIELDS if key in draft}
        fields["messages"] = [message for turn in draft["turns"] for message in self._turn(turn)]
        dates = [self._texts[article].as_of for article in self._cited] or [AS_OF]
        fields.setdefault("as_of", min(dates))
        fields["evidence"] = [{"document": name, "quote": q} for name, group in self._cited.items() for q in group]
        fields["tools"] = self._offer()
        return {key: fields[key] for key in _FIELDS if fields.get(key)}

    def _cite(self, article: str, quotes: str | list[str]) -> list[str]:
        """The quotations in full, kept as evidence. 开头……结尾 stands for all from the one to the other."""
        if article not in self._texts:
            raise DataError("没有这篇文章", where=self._id, found=article)
        text, found = self._texts[article].text, []
        for quote in [quotes] if isinstance(quotes, str) else quotes:
            first, _, last = quote.partition("……")
            start = text.find(first)
            end = text.find(last, start + len(first))
            if start < 0 or end < 0:
                raise DataError("文章里没有这句话", where=f"{self._id} {article}", found=quote)
            found.append(text[start : end + len(last)])
        held = self._cited.setdefault(article, [])
        held += [quote for quote in found if quote not in held]
        return found

    def _turn(self, turn: dict[str, Any]) -> list[dict[str, Any]]:
        role = {"system": "system", "user": "user"}.get(next(iter(turn)), "assistant")
        text = str(turn.get(role, turn.get("bot", ""))).strip()
        message: dict[str, Any] = {"role": role, "content": self._filled(text)}
        if "call" not in turn:
            return [message]
        calls, results = [], []
        for call in turn["call"]:
            name, arguments, told = self._run(dict(call))
            self._called.append(name)
            made = {"name": name, "arguments": json.dumps(arguments, ensure_ascii=False, default=str)}
            calls.append({"id": f"call_{len(self._called)}", "type": "function", "function": made})
            results.append({"role": "tool", "tool_call_id": calls[-1]["id"], "name": name, "content": told})
        return [{**message, "tool_calls": calls}, *results]

    def _run(self, call: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
        if "search" in call:
            found = [
                (self._texts[name], quote)
                for name, quotes in (call.get("hits") or {}).items()
                for quote in self._cite(name, quotes)
            ]
            self._values.append({})
            return SEARCH_NAME, {"query": call["search"]}, hits(found)
        name, given = call.popitem()
        arguments = {"on" if key is True else key: value for key, value in given.items()}  # YAML reads on as yes
        result = find_tool(name).call(json.dumps(arguments, ensure_ascii=False, default=str))
        self._values.append(dict(result.values))
        return name, arguments, result.text

    def _filled(self, text: str) -> str:
        """<<月供>> is the latest call's value of that name, <<2:月供>> the second call's."""

        def fill(blank: re.Match[str]) -> str:
            held = self._values[int(blank[1]) - 1 : int(blank[1])] if blank[1] else self._values[::-1]
            for values in held:
                if blank[2] in values:
                    return values[blank[2]].text()
            raise DataError("没有算过这个数", where=self._id, found=blank[0])

        return _BLANK.sub(fill, text)

    def _offer(self) -> list[dict[str, Any]]:
        """Schemas of the tools called and a few others of their subject, in no order."""
        if not self._called:
            return []
        names = [name for name in dict.fromkeys(self._called) if name != SEARCH_NAME]
        topics = {find_tool(name).calculator.topic for name in names}
        random = Random(self._id)
        others = [tool.name for tool in tools() if tool.name not in names and (tool.calculator.topic in topics)]
        more = random.sample(others, min(max(OFFERED - len(names), 0), len(others)))
        schemas = [SEARCH, *(find_tool(name).schema for name in self._draft.get("offer", [*names, *more]))]
        random.shuffle(schemas)
        return schemas


def refreshed(row: dict[str, Any], texts: dict[str, Document]) -> dict[str, Any]:
    """The row with the tools and results of today; what the assistant says is left for the tests to judge."""
    calls = {call["id"]: call["function"] for turn in row["messages"] for call in turn.get("tool_calls", ())}
    for turn in row["messages"]:
        if turn["role"] == "tool" and turn["name"] != SEARCH_NAME:
            turn["content"] = find_tool(turn["name"]).call(calls[turn["tool_call_id"]]["arguments"]).text
        elif turn["role"] == "tool":
            turn["content"] = _HIT.sub(lambda hit: hits([(texts[hit[1]], "")]), turn["content"])
    names = [tool["function"]["name"] for tool in row.get("tools", ())]
    schemas = [SEARCH if name == SEARCH_NAME else find_tool(name).schema for name in names]
    return {**row, "tools": schemas} if schemas else row


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    """The rows, by id."""
    rows.sort(key=lambda row: row["id"])
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def main(drafts: list[Path]) -> None:
    """Write the rows of the drafts, and print what the tools said."""
    root = project_root()
    texts = {article.id: article for article in articles(root / "handbook")}
    for file in [] if drafts else sorted((root / HOME).glob("*.jsonl")):
        write(file, [refreshed(row, texts) for row in read_jsonl(file)])
    files: dict[str, dict[str, Any]] = {}
    for path in drafts:
        for draft in yaml.safe_load(path.read_text(encoding="utf-8")):
            row = Draft(draft, texts).row()
            folder = row["id"].removeprefix("dlg-").rpartition("-")[0]
            file = root / HOME / f"{folder}.jsonl"
            if folder not in files:
                files[folder] = {held["id"]: held for held in read_jsonl(file)} if file.exists() else {}
            files[folder][row["id"]] = row
            for message in row["messages"]:
                if message["role"] == "tool" and message["name"] != SEARCH_NAME:
                    print(row["id"], message["name"], message["content"].partition("\n依据")[0].replace("\n", " "))
    for folder, rows in files.items():
        write(root / HOME / f"{folder}.jsonl", list(rows.values()))


if __name__ == "__main__":
    try:
        main([Path(word) for word in sys.argv[1:]])
    except DataError as error:
        sys.exit(str(error))
