"""Knowledge-graph triples as a source: OpenKG tables, JSON, N-Triples and Turtle -> questions and answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Literal

from cornucopia.core.config import option
from cornucopia.core.errors import DataError, reason
from cornucopia.factory.intake.graph import Asker, Graph, Question
from cornucopia.factory.intake.intake import Intake, IntakeConfig, signed
from cornucopia.factory.intake.raw_rows import SUFFIXES, data_files, raw_rows, text_of, unfolded
from cornucopia.records.decode import TextFile
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.sources.relation_templates import relation_templates
from cornucopia.sources.turtle import Broken, read_turtle

Kind = Literal["forward", "reverse", "check", "hops"]
Place = tuple[str, str, str, int]  # head, relation, tail, line
_TURTLE = (".nt", ".ttl", ".turtle", ".n3")
_HEADS = ("head", "subject", "h", "s", "from", "source", "start", "entity1", "头实体", "头", "主体", "主语", "实体1")
_RELATIONS = ("relation", "predicate", "r", "p", "rel", "edge", "property", "type", "关系", "属性", "谓语")
_TAILS = (
    "tail",
    "object",
    "t",
    "o",
    "to",
    "target",
    "end",
    "entity2",
    "value",
    "尾实体",
    "尾",
    "客体",
    "宾语",
    "实体2",
    "值",
)
_COLUMNS = {"head": (*_HEADS, "0"), "relation": (*_RELATIONS, "1"), "tail": (*_TAILS, "2")}


class TriplesConfig(IntakeConfig):
    """A graph."""

    path: Path = option(..., "图谱文件或文件夹：CSV、TSV、JSON、JSONL、Parquet、N-Triples（.nt）、Turtle（.ttl）")
    columns: dict[str, list[str]] = option(
        {}, "head、relation、tail -> 文件里的列名，可以给几个；没有表头的写列号，从 0 数起"
    )
    relation: str = option("", "没有关系这一列时，所有行的关系")
    header: bool | None = option(None, "表格有没有表头；留空自己认")
    templates: Path | None = option(None, "自己的问法（YAML），盖过自带的同名关系；写法照 sources/relations.yaml")
    kinds: list[Kind] = option(["forward", "reverse", "check", "hops"], "问哪几种：问尾、问头、是不是、两跳")
    relations: list[str] = option([], "只问这些关系，留空都问")
    phrasings: int = option(1, "每个问题写成几条（问法各不相同）", gt=0)
    most: int = option(20, "答案多于这么多个的不问", gt=0)
    material: float = option(0.0, "多大一部分把用到的三元组放在问题旁边作材料，0 到 1", ge=0, le=1)
    source: str = option("", "出处写什么，如图谱的名字和版本；留空写文件名")


class Triples(Intake):
    """Facts of a graph as questions and answers."""

    kind = "triples"
    summary = "知识图谱三元组：变成问尾、问头、是不是、两跳的问答"
    settings = TriplesConfig
    config: TriplesConfig

    def __init__(self, config: TriplesConfig) -> None:
        super().__init__(config)
        wrong = sorted(set(config.columns) - set(_COLUMNS))
        if wrong:
            fix = "写 head、relation、tail"
            raise DataError("三元组没有这一列", where="columns", found=wrong[0], fix=fix)
        self._columns = {
            name: [one.lower() for one in (*config.columns.get(name, ()), *names)] for name, names in _COLUMNS.items()
        }
        self._templates = relation_templates(config.templates)

    def inputs(self) -> list[Path]:
        return [self.config.path, *([self.config.templates] if self.config.templates else [])]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        return signed(self.config, self._items(seed))

    def _items(self, seed: int) -> Iterator[Record | Reject]:
        """Bad rows first, then the questions of one graph made of all files."""
        graph = Graph()
        for file in data_files(self.config.path, (*SUFFIXES, *_TURTLE)):
            name = file.name if file == self.config.path else file.relative_to(self.config.path).as_posix()
            for item in self._facts(file):
                if isinstance(item, Reject):
                    yield item
                elif not self.config.relations or item[1] in self.config.relations:
                    graph.add(*item[:3], f"{name}:{item[3]}")
        asker, seen = Asker(graph, self._templates, self.config.most, seed), dict[str, int]()
        for question in asker.questions(self.config.kinds, self.config.phrasings):
            key = f"{question.kind}|{question.key}"
            seen[key] = seen.get(key, 0) + 1
            again = f"~{seen[key] - 1}" if seen[key] > 1 else ""
            yield self._record(question, f"{key}{again}", Random(f"{seed}|{key}"))

    def _facts(self, file: Path) -> Iterator[Place | Reject]:
        if file.suffix.lower() in _TURTLE:
            yield from _turtle(file)
            return
        names = [name for group in self._columns.values() for name in group]
        for row in raw_rows(file, names, self.config.header):
            if row.problem or not isinstance(row.value, dict):
                yield Reject(row.line, row.problem or "不是一行数据", row.raw, str(file))
                continue
            for part in unfolded(row.value, names):
                found = self._found({str(key).strip().lower(): value for key, value in part.items()})
                lacks = [name for name, text in found.items() if not text]
                if lacks:
                    told = f"没有 {'、'.join(lacks)}；有的列：{'、'.join(map(str, part))[:80]}"
                    yield Reject(row.line, told, row.raw, str(file))
                else:
                    yield found["head"], found["relation"], found["tail"], row.line

    def _found(self, row: dict[str, object]) -> dict[str, str]:
        found = {
            name: next((text_of(row[one]) for one in names if text_of(row.get(one))), "")
            for name, names in self._columns.items()
        }
        found["relation"] = self.config.relation or found["relation"]
        return found

    def _record(self, question: Question, name: str, random: Random) -> Record:
        places = list(dict.fromkeys(question.places))
        shown = "\n".join(f"（{head}，{relation}，{tail}）" for head, relation, tail in question.facts)
        source = self.config.source or self.config.path.name
        return Record(
            (Message("user", question.text), Message("assistant", question.answer)),
            passages=(Passage(shown, source),) if random.random() < self.config.material else (),
            id=name,
            kind="graph",
            source=source,
            span="、".join(places[:20]),
            origin=places[0],
            extra={"question": question.kind, "triples": [list(fact) for fact in question.facts]},
        )


def _turtle(file: Path) -> Iterator[Place | Reject]:
    try:
        text = "\n".join(TextFile(file).lines())
    except OSError as error:
        raise DataError("打不开文件", where=str(file), found=reason(error)) from None
    for item in read_turtle(text):
        if isinstance(item, Broken):
            yield Reject(item.line, item.reason, item.raw, str(file))
        else:
            yield item.head, item.relation, item.tail, item.line
