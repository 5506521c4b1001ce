"""How labelled task sets are asked and answered: one YAML file a task, in `tasks/` beside this file or a user's own.

A template names the columns that a row may have, ways of asking, ways of giving the list of labels, and forms of the
answer. `{name}` stands for a field of the row; anything else in braces, such as the mask `<N>`, is left as it is.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import field_validator, model_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import UsageError, nearest

FOLDER = Path(__file__).parent / "tasks"
LEAST_ASKS = 6
_FIELD = re.compile(r"\{(\w+)\}")
_MADE = {"labels", "options", "chosen"}  # fields that no column has: the label list, options, the chosen option


class Ask(Config):
    """A way of asking."""

    text: str = option(..., "问法，{字段} 处填这一行的内容")
    needs: list[str] = option([], "这些字段不空时才用")


class Form(Config):
    """A form of the answer."""

    tell: list[str] = option(["-"], "问题后面怎样说明这种形式，抽一句；- 为不说", split="never")
    answer: list[str] = option([], "答案的写法，抽一句", split="never")
    keys: dict[str, str] = option({}, "答案写成 JSON：键 -> 字段；键为空串时字段自己就是那个对象")
    reasoning: str = option("", "思考过程，放进单独的字段")
    needs: list[str] = option([], "这些字段不空时才用")
    lacks: list[str] = option([], "这些字段空着时才用")

    @property
    def tellings(self) -> list[str]:
        """What may be said of the form; '' for nothing."""
        return ["" if line == "-" else line for line in self.tell]


class Split(Config):
    """A field that holds two: what follows a sign is another field."""

    field: str = option(..., "哪个字段")
    at: str = option("？", "在这个符号第一次出现之后分开")
    rest: str = option("text", "后一半是哪个字段")


class TaskTemplate(Config):
    """One task."""

    summary: str = option(..., "一句话说明")
    fields: dict[str, list[str]] = option(..., "字段 -> 列名的几种写法；数字是没有表头时的列号，从 0 数起")
    optional: list[str] = option([], "可以没有的字段")
    material: str = option("", "作为材料放在问题旁边的字段")
    label: str = option("", "类别所在的字段")
    labels: dict[str, str] = option({}, "类别在文件里的写法 -> 说法；没列出的照原样")
    words: dict[str, str] = option({}, "任何字段的值 -> 说法")
    lists: dict[str, str] = option({}, "一格里有几个值的字段 -> 分隔符（正则）")
    pairs: str = option("", "装着「类型 -> 名字」的字段：实体、槽位")
    options: bool = option(False, "是不是选择题")
    split: Split | None = option(None, "一格里装着问题和材料的，怎样分开")
    asks: list[Ask] = option(..., "问法，至少六种", split="never")
    choose: list[str] = option([], "怎样给出类别清单，{labels} 处是清单", split="never")
    forms: dict[str, Form] = option(..., "答案的形式")

    @field_validator("asks", mode="before")
    @classmethod
    def _short_asks(cls, value: Any) -> Any:
        return [{"text": ask} if isinstance(ask, str) else ask for ask in value] if isinstance(value, list) else value

    @model_validator(mode="after")
    def _complete(self) -> TaskTemplate:
        known = {*self.fields, *_MADE}
        texts = [ask.text for ask in self.asks] + self.choose
        texts += [text for form in self.forms.values() for text in (*form.answer, form.reasoning)]
        named = {name for text in texts for name in _FIELD.findall(text)}
        named |= {name for ask in self.asks for name in ask.needs}
        named |= {name for form in self.forms.values() for name in (*form.needs, *form.lacks)}
        named |= {name for form in self.forms.values() for name in form.keys.values()} | set(self.optional)
        named |= {name for name in (self.material, self.label, self.pairs) if name} | set(self.lists)
        named |= {self.split.field, self.split.rest} if self.split else set()
        if wrong := sorted(named - known):
            raise ValueError(f"用到了没有定义的字段 {'、'.join(wrong)}；fields 里有 {'、'.join(self.fields)}")
        if len({ask.text for ask in self.asks}) < LEAST_ASKS:
            raise ValueError(f"问法只有 {len(self.asks)} 种，至少要 {LEAST_ASKS} 种")
        if not self.forms or not all(form.answer or form.keys for form in self.forms.values()):
            raise ValueError("forms 里每种形式要有 answer 或 keys")
        return self


def bundled_tasks() -> list[str]:
    """Names of the templates that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@cache
def task_template(name: str) -> TaskTemplate:
    """The template of a bundled task, or of a YAML file.

    Raises:
        UsageError: no such task; ConfigError: the file is no template.
    """
    if name.endswith((".yaml", ".yml")):
        return TaskTemplate.load(name)
    if name not in bundled_tasks():
        close = nearest(name, bundled_tasks())
        fix = f"最接近的是 {close}" if close else f"有：{'、'.join(bundled_tasks())}；也可以写自己的 .yaml 文件"
        raise UsageError("没有这种任务", where="task", found=name, fix=fix)
    return TaskTemplate.load(FOLDER / f"{name}.yaml")


def fill(text: str, values: dict[str, str]) -> str:
    """The text with `{field}` replaced; a brace that names no field stays."""
    return _FIELD.sub(lambda match: values.get(match[1], match[0]), text)
