"""A knowledge graph in memory, and the questions that its facts answer: onward, back, yes or no, over two relations.

What a graph does not say counts as false within it: answers of no say that they go by the graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from cornucopia.sources.relation_templates import RelationTemplate, RelationTemplates
from cornucopia.sources.task_templates import fill

Fact = tuple[str, str, str]  # head, relation, tail
_OPENINGS = ("", "", "", "请问", "想了解一下，", "根据图谱回答：")
_YES = ("是，{statement}。", "是的，{statement}。", "对，{statement}。")
_NO = ("不是。按图谱，{noun}是{tails}。", "否，图谱里{noun}只有{tails}。", "不对，图谱记的是：{noun}为{tails}。")
_FORWARD = ("{noun}是{tails}。", "{tails}。", "图谱里{noun}有：{tails}。")
_REVERSE = ("{reverse_noun}有{tails}。", "{tails}。", "按图谱是{tails}。")
_MOST_MIDDLE = 3  # things between the two relations of a question


class Graph:
    """Facts by head and relation, and by tail and relation, in the order in which they came; each fact once."""

    def __init__(self) -> None:
        self.tails: dict[tuple[str, str], dict[str, str]] = {}
        self.heads: dict[tuple[str, str], dict[str, str]] = {}
        self.relations: dict[str, list[str]] = {}  # of a head
        self._pool: dict[str, list[str]] = {}  # tails of a relation

    def add(self, head: str, relation: str, tail: str, place: str) -> None:
        """Take in a fact and where it stands (file:line)."""
        known = self.tails.setdefault((head, relation), {})
        if tail in known:
            return
        if not known:
            self.relations.setdefault(head, []).append(relation)
        known[tail] = place
        back = self.heads.setdefault((tail, relation), {})
        if not back:
            self._pool.setdefault(relation, []).append(tail)
        back[head] = place

    def stranger(self, head: str, relation: str, random: Random) -> str | None:
        """A tail that the relation has elsewhere and not with this head; nor does the head's own name serve."""
        pool, own = self._pool[relation], self.tails[head, relation]
        for _ in range(20):
            tail = random.choice(pool)
            if tail != head and tail not in own and not self._leads(head, tail) and not self._leads(tail, head):
                return tail
        return None

    def _leads(self, head: str, tail: str) -> bool:
        """Whether any relation leads from one to the other: too near to be a plain no."""
        return any(tail in self.tails[head, relation] for relation in self.relations.get(head, ()))


@dataclass(frozen=True)
class Question:
    """A question with its answer.

    Args:
        kind: forward, reverse, check or hops. key: what tells it from any other of the graph.
        facts: that the answer stands on. places: where they stand.
    """

    kind: str
    key: str
    text: str
    answer: str
    facts: tuple[Fact, ...]
    places: tuple[str, ...]


class Asker:
    """Asks a graph.

    Args:
        graph: all of it.
        templates: by relation.
        most: a question with more answers is not asked.
        seed: of the draws.
    """

    def __init__(self, graph: Graph, templates: RelationTemplates, most: int, seed: int) -> None:
        self._graph, self._templates, self._most, self._seed = graph, templates, most, seed

    def questions(self, kinds: Sequence[str], phrasings: int) -> Iterator[Question]:
        """Those of every fact, in the graph's order.

        Args:
            kinds: of questions. phrasings: ways in which each is asked.
        """
        ways = {"forward": self._forward, "reverse": self._reverse, "check": self._check, "hops": self._hops}
        for kind in kinds:
            keys = self._graph.heads if kind == "reverse" else self._graph.tails
            for name, relation in keys:
                yield from ways[kind](name, relation, phrasings)

    def _drawn(self, kind: str, name: str, relation: str) -> tuple[Random, RelationTemplate]:
        return Random(f"{self._seed}|{kind}|{name}|{relation}"), self._templates.of(relation)

    def _forward(self, head: str, relation: str, count: int) -> Iterator[Question]:
        random, template = self._drawn("forward", head, relation)
        found = self._graph.tails[head, relation]
        if len(found) > self._most:
            return
        said = template.say(fill(random.choice(_FORWARD), {"tails": "、".join(found)}), head, relation)
        facts = tuple((head, relation, tail) for tail in found)
        for text in _asked(template.forward, count, random):
            asked = _opened(template.say(text, head, relation), random)
            yield Question("forward", f"{head}|{relation}", asked, said, facts, tuple(found.values()))

    def _reverse(self, tail: str, relation: str, count: int) -> Iterator[Question]:
        random, template = self._drawn("reverse", tail, relation)
        found = self._graph.heads[tail, relation]
        if len(found) > self._most:
            return
        said = template.say(fill(random.choice(_REVERSE), {"tails": "、".join(found)}), "", relation, tail)
        facts = tuple((head, relation, tail) for head in found)
        for text in _asked(template.reverse, count, random):
            asked = _opened(template.say(text, "", relation, tail), random)
            yield Question("reverse", f"{tail}|{relation}", asked, said, facts, tuple(found.values()))

    def _check(self, head: str, relation: str, count: int) -> Iterator[Question]:
        """Yes or no, by a coin; yes where the graph has no other tail to ask for."""
        random, template = self._drawn("check", head, relation)
        found = self._graph.tails[head, relation]
        if len(found) > self._most:
            return
        other = self._graph.stranger(head, relation, random) if random.random() < 0.5 else None
        tail = other or random.choice(list(found))
        shape = fill(random.choice(_NO if other else _YES), {"tails": "、".join(found)})
        said = template.say(shape, head, relation, tail)
        shown = found if other else {tail: found[tail]}
        facts = tuple((head, relation, one) for one in shown)
        for text in _asked(template.check, count, random):
            asked = _opened(template.say(text, head, relation, tail), random)
            yield Question("check", f"{head}|{relation}|{tail}", asked, said, facts, tuple(shown.values()))

    def _hops(self, head: str, relation: str, count: int) -> Iterator[Question]:
        """What the things that this relation leads to are related to by one other relation."""
        random, first = self._drawn("hops", head, relation)
        middle = self._graph.tails[head, relation]
        onward = [other for one in middle for other in self._graph.relations.get(one, ()) if one != head]
        if not onward or len(middle) > _MOST_MIDDLE:
            return
        then = random.choice(list(dict.fromkeys(onward)))
        second = self._templates.of(then)
        ends = {one: self._graph.tails[one, then] for one in middle if (one, then) in self._graph.tails}
        if sum(map(len, ends.values())) > self._most or any(head in tails for tails in ends.values()):
            return
        noun = first.say(first.noun, head, relation)
        steps = [f"{noun}是{'、'.join(middle)}"]
        steps += [f"{second.say(second.noun, one, then)}是{'、'.join(tails)}" for one, tails in ends.items()]
        facts = [(head, relation, one) for one in middle]
        facts += [(one, then, tail) for one, tails in ends.items() for tail in tails]
        places = [*middle.values(), *(place for tails in ends.values() for place in tails.values())]
        for text in _asked(second.forward, count, random):
            asked = _opened(second.say(text, noun, then), random)
            said = "；".join(steps) + "。"
            yield Question("hops", f"{head}|{relation}|{then}", asked, said, tuple(facts), tuple(places))


def _opened(asked: str, random: Random) -> str:
    """The question with a word before it, or not; a request (请说出……) takes none."""
    opening = random.choice(_OPENINGS)
    return opening + asked if asked.endswith("？") else asked


def _asked(texts: Sequence[str], count: int, random: Random) -> list[str]:
    return random.sample(list(texts), min(count, len(texts)))
