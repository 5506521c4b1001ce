"""How the relations of a knowledge graph are asked about: relations.yaml beside this file, or a user's own over it."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path

from pydantic import model_validator

from cornucopia.core.config import Config, option
from cornucopia.sources.task_templates import fill

_FILE = Path(__file__).parent / "relations.yaml"
_NAMES = {"head", "tail", "relation", "noun", "reverse_noun", "statement"}


class RelationTemplate(Config):
    """The ways of asking about one relation."""

    aliases: list[str] = option([], "图谱里的其他写法")
    noun: str = option(..., "名词短语，如 {head}的股东")
    reverse_noun: str = option(..., "反过来的名词短语，如 {tail}入股的公司")
    statement: str = option(..., "一句陈述，如 {tail}是{head}的股东")
    forward: list[str] = option(..., "问尾的问法", split="never")
    reverse: list[str] = option(..., "问头的问法", split="never")
    check: list[str] = option(..., "问是不是的问法", split="never")

    @model_validator(mode="after")
    def _complete(self) -> RelationTemplate:
        for name in ("forward", "reverse", "check"):
            asked = getattr(self, name)
            if not asked or len(set(asked)) != len(asked):
                raise ValueError(f"{name} 里没有问法，或有重复的")
        texts = [self.noun, self.reverse_noun, self.statement, *self.forward, *self.reverse, *self.check]
        marks = {name: f"\0{name}\0" for name in _NAMES}
        if wrong := next((text for text in texts if "{" in fill(text, marks)), ""):
            raise ValueError(
                f"「{wrong}」里有不认得的占位；可用 {'、'.join('{' + name + '}' for name in sorted(_NAMES))}"
            )
        return self

    def say(self, text: str, head: str, relation: str, tail: str = "") -> str:
        """A text of this template with its places filled."""
        values = {"head": head, "relation": relation, "tail": tail}
        phrases = {name: fill(getattr(self, name), values) for name in ("noun", "reverse_noun", "statement")}
        return fill(text, values | phrases)


class RelationTemplates(Config):
    """Templates by relation, and one for relations without."""

    default: RelationTemplate | None = option(None, "没有列出的关系怎么问")
    relations: dict[str, RelationTemplate] = option({}, "关系 -> 问法")

    def over(self, other: RelationTemplates) -> RelationTemplates:
        """These, and the other's for relations that these lack."""
        return RelationTemplates(default=self.default or other.default, relations=other.relations | self.relations)

    def of(self, relation: str) -> RelationTemplate:
        """The template of a relation under its name or an alias, else the default one."""
        found = self._by_name.get(relation.strip().lower(), self.default)
        assert found is not None
        return found

    @cached_property
    def _by_name(self) -> dict[str, RelationTemplate]:
        aliases = {alias.lower(): one for one in self.relations.values() for alias in one.aliases}
        return aliases | {name.lower(): one for name, one in self.relations.items()}


@cache
def relation_templates(path: Path | None = None) -> RelationTemplates:
    """The bundled templates, with those of a user's file over them.

    Raises:
        ConfigError: the file is absent or no template file.
    """
    bundled = RelationTemplates.load(_FILE)
    return RelationTemplates.load(path).over(bundled) if path else bundled
