"""N-Triples and the part of Turtle that graphs are published in -> (head, relation, tail), as readable names.

Read: @prefix, PREFIX, @base, <addresses>, prefix:names, `a`, literals with language or type, numbers, true and false,
blank nodes _:x, and `;` and `,` (W3C Turtle, 2014, without [...], (...) and nested triples, which are told and left
out). A name is the label that the graph itself gives (rdfs:label, skos:prefLabel; Chinese first), else what follows
the last # or / of the address. A broken statement costs no other: reading goes on after the next full stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<iri><[^<>"{}|^`\\\s]*>)
    |(?P<long>\"{3}(?:[^"\\]|\\.|"(?!""))*\"{3}|'{3}(?:[^'\\]|\\.|'(?!''))*'{3})
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<language>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
    |(?P<type>\^\^)
    |(?P<number>[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w:]))
    |(?P<mark>[;,.\[\]()])
    |(?P<blank>_:[\w.-]*\w)
    |(?P<name>(?:[^\W\d_][\w.-]*)?:(?:[\w:%~-]|\.(?=[\w:%~-])|\\.)*)
    |(?P<word>[A-Za-z]+)""",
    re.X | re.S,
)
_STOP = re.compile(r"\.[ \t]*(?:\r?\n|\Z)")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.S)
_PLAIN = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f"}
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_LABELS = ("http://www.w3.org/2000/01/rdf-schema#label", "http://www.w3.org/2004/02/skos/core#prefLabel")


@dataclass(frozen=True)
class Triple:
    """One fact, its line from 1."""

    head: str
    relation: str
    tail: str
    line: int


@dataclass(frozen=True)
class Broken:
    """A statement that could not be read: its line, what was found, its text."""

    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class _Term:
    """A node: its address, or the text of a literal with its language."""

    value: str
    literal: bool = False
    language: str = ""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int
    at: int


class _Problem(Exception):
    """What is wrong with a statement, in Chinese."""


def read_turtle(text: str) -> Iterator[Triple | Broken]:
    """The facts of a graph, its labels used as names and left out themselves.

    Args:
        text: of the whole file; N-Triples is a part of Turtle.
    """
    facts: list[tuple[_Term, _Term, _Term, int] | Broken] = list(_facts(text))
    names: dict[str, tuple[int, str]] = {}
    for fact in facts:
        if not isinstance(fact, Broken) and fact[1].value in _LABELS and fact[2].literal:
            rank = 0 if fact[2].language.lower().startswith("zh") else 1 if not fact[2].language else 2
            known = names.get(fact[0].value)
            if known is None or rank < known[0]:
                names[fact[0].value] = (rank, fact[2].value)
    for fact in facts:
        if isinstance(fact, Broken):
            yield fact
        elif fact[1].value not in _LABELS:
            head, relation, tail = (_name(term, names) for term in fact[:3])
            if head and relation and tail:
                yield Triple(head, relation, tail, fact[3])


def _name(term: _Term, names: dict[str, tuple[int, str]]) -> str:
    if term.literal:
        return term.value.strip()
    if term.value in names:
        return names[term.value][1].strip()
    if term.value == _TYPE:
        return "类型"
    return unquote(re.split(r"[#/]", term.value.rstrip("#/"))[-1]).strip()


def _facts(text: str) -> Iterator[tuple[_Term, _Term, _Term, int] | Broken]:
    prefixes: dict[str, str] = {}
    for statement in _statements(text):
        if isinstance(statement, Broken):
            yield statement
            continue
        try:
            yield from _parsed(statement, prefixes)
        except _Problem as problem:
            first, last = statement[0], statement[-1]
            raw = text[first.at : last.at + len(last.text)]
            yield Broken(first.line, str(problem), raw[:500])


def _statements(text: str) -> Iterator[list[_Token] | Broken]:
    """Tokens up to each full stop; a directive in the SPARQL spelling has none."""
    at, line, held = 0, 1, list[_Token]()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or not match.lastgroup:
            end = _STOP.search(text, at)
            stop = end.end() if end else len(text)
            start = held[0].at if held else at
            first = held[0].line if held else line
            yield Broken(first, f"第 {line} 行有认不得的写法：{text[at : at + 20]!r}", text[start:stop].strip()[:500])
            line, at, held = line + text.count("\n", at, stop), stop, []
            continue
        if match.lastgroup != "space":
            held.append(_Token(match.lastgroup, match[0], line, at))
        line, at = line + match[0].count("\n"), match.end()
        sparql = held and held[0].kind == "word" and held[0].text.upper() in ("PREFIX", "BASE")
        if held and (held[-1].text == "." or (sparql and held[-1].kind == "iri")):
            yield held
            held = []
    if held:
        yield Broken(held[0].line, "最后一句没有句点", text[held[0].at :].strip()[:500])


def _parsed(tokens: list[_Token], prefixes: dict[str, str]) -> Iterator[tuple[_Term, _Term, _Term, int]]:
    first = tokens[0]
    if first.text.lower().lstrip("@") in ("prefix", "base") and first.kind in ("language", "word"):
        _declare(tokens, prefixes)
        return
    tokens = [token for token in tokens if token.text != "." or token.kind != "mark"]
    reader = _Reader(tokens, prefixes)
    found, head = [], reader.term()
    while True:
        line, relation = reader.line, reader.term()
        while True:
            found.append((head, relation, reader.term(), line))
            if not reader.takes(","):
                break
        while reader.takes(";"):
            pass
        if reader.done:
            break
    yield from found


def _declare(tokens: list[_Token], prefixes: dict[str, str]) -> None:
    address = next((token.text[1:-1] for token in tokens if token.kind == "iri"), None)
    if address is None:
        raise _Problem("前缀没有地址")
    name = next((token.text for token in tokens[1:] if token.kind == "name"), "")
    if name and not name.endswith(":"):
        raise _Problem(f"前缀应以冒号结尾：{name}")
    prefixes[name.removesuffix(":") if name else "\0base"] = address


class _Reader:
    """Goes through the tokens of a statement."""

    def __init__(self, tokens: list[_Token], prefixes: dict[str, str]) -> None:
        self._tokens, self._prefixes, self._at = tokens, prefixes, 0

    @property
    def done(self) -> bool:
        return self._at >= len(self._tokens)

    @property
    def line(self) -> int:
        return self._tokens[min(self._at, len(self._tokens) - 1)].line

    def takes(self, mark: str) -> bool:
        """Whether this mark comes next; then it is taken."""
        if not self.done and self._tokens[self._at].kind == "mark" and self._tokens[self._at].text == mark:
            self._at += 1
            return True
        return False

    def term(self) -> _Term:
        if self.done:
            raise _Problem("一句话没有写完：要有主语、谓语、宾语")
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "iri":
            address = _unescaped(token.text[1:-1])
            return _Term(address if ":" in address else self._prefixes.get("\0base", "") + address)
        if token.kind == "name":
            prefix, _, local = token.text.partition(":")
            if prefix not in self._prefixes:
                raise _Problem(f"前缀 {prefix}: 没有声明")
            return _Term(self._prefixes[prefix] + _unescaped(local))
        if token.kind in ("text", "long"):
            return self._literal(token)
        if token.kind == "word" and token.text == "a":
            return _Term(_TYPE)
        if token.kind == "number" or (token.kind == "word" and token.text in ("true", "false")):
            return _Term(token.text, literal=True)
        if token.kind == "blank":
            return _Term(token.text)
        kinds = {"[": "[…] 匿名节点", "(": "(…) 列表"}
        raise _Problem(f"不支持{kinds[token.text]}" if token.text in kinds else f"这里不该有 {token.text[:20]}")

    def _literal(self, token: _Token) -> _Term:
        quotes = 3 if token.kind == "long" else 1
        language = ""
        if not self.done and self._tokens[self._at].kind == "language":
            language = self._tokens[self._at].text[1:]
            self._at += 1
        elif not self.done and self._tokens[self._at].kind == "type":
            self._at += 1
            self.term()
        return _Term(_unescaped(token.text[quotes:-quotes]), literal=True, language=language)


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        if code:
            number = int(code, 16)
            return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "�"
        return _PLAIN.get(match[3], match[3])

    return _ESCAPE.sub(plain, text) if "\\" in text else text
