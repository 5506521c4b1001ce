"""Labelled task sets as a source: each row is asked in one of its template's ways and answered in one of its forms.

Which way, which form, and whether the list of labels is given, is drawn by the seed and the row's place alone.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from cornucopia.core.config import option
from cornucopia.core.errors import DataError, UsageError, nearest
from cornucopia.factory.intake.intake import Intake, IntakeConfig, signed
from cornucopia.factory.intake.raw_rows import data_files, raw_rows, unfolded
from cornucopia.factory.intake.task_fields import Fields, Reader, written
from cornucopia.records.rejects import Reject
from cornucopia.records.schema import Message, Passage, Record
from cornucopia.sources.task_templates import Ask, Form, TaskTemplate, bundled_tasks, fill, task_template

_SURVEYED = 5000  # rows in which labels are gathered


class TasksConfig(IntakeConfig):
    """A labelled set."""

    path: Path = option(..., "文件或文件夹：JSON、JSONL、CSV、TSV、制表符分列的 .txt、Parquet")
    task: str = option(..., f"任务：{'、'.join(bundled_tasks())}；或自己的模板文件（.yaml）")
    columns: dict[str, list[str]] = option({}, "字段 -> 文件里的列名，可以给几个；没有表头的写列号，从 0 数起")
    labels: dict[str, str] = option({}, "类别在文件里的写法 -> 说法，盖过模板里的")
    header: bool | None = option(None, "表格有没有表头；留空自己认")
    forms: list[str] = option([], "只用这些答案形式，留空都用")
    phrasings: int = option(1, "每行写成几条（问法各不相同）", gt=0)
    label_list: float = option(0.5, "问题里给出类别清单的机会，0 到 1", ge=0, le=1)
    most_labels: int = option(20, "清单最多列几个类别；更多时抽一部分，正确的一定在内", gt=1)
    drop_labels: list[str] = option([], "这些类别的行不要（写转成说法以后的）")
    together: bool = option(False, "只有类别不同的几行合成一条（同一问题有几个答案的集子要合）；要记住整个集子")
    source: str = option("", "出处写什么，如集子的名字和版本；留空写文件名")
    weak_labels: list[str] = option([], "合成一条时，有别的类别就不算的类别，如 没有说明关系")


class Tasks(Intake):
    """Rows of a labelled set as instructions."""

    kind = "tasks"
    summary = "标注任务集：按模板变成指令（情绪、摘要、关系、事件、实体、阅读理解、分类、选择题等）"
    settings = TasksConfig
    config: TasksConfig

    def __init__(self, config: TasksConfig) -> None:
        super().__init__(config)
        self._template = task_template(config.task)
        self._task = Path(config.task).stem
        self._reader = Reader(self._template, config.columns, config.labels)
        if config.together and not self._template.label:
            raise UsageError("这种任务没有类别，合不到一起", where="together", found=self._task, fix="去掉 together")
        for given, known, what in (
            (config.forms, list(self._template.forms), "forms"),
            (list(config.columns), list(self._template.fields), "columns"),
        ):
            wrong = [name for name in given if name not in known]
            if wrong:
                close = nearest(wrong[0], known)
                fix = f"最接近的是 {close}" if close else f"有：{'、'.join(known)}"
                raise UsageError(f"任务 {self._task} 没有这一项", where=what, found=wrong[0], fix=fix)

    def inputs(self) -> list[Path]:
        own = [Path(self.config.task)] if self.config.task.endswith((".yaml", ".yml")) else []
        return [self.config.path, *own]

    def records(self, folder: Path, seed: int) -> Iterator[Record | Reject]:
        return signed(self.config, self._items(seed))

    def _items(self, seed: int) -> Iterator[Record | Reject]:
        labels, before, again = self._labels(), ("", 0), 1
        for file, line, raw, found in self._merged() if self.config.together else self._rows():
            if isinstance(found, str):
                yield Reject(line, found, raw, str(file))
                continue
            if self._template.label and set(_labels_of(found, self._template)) & set(self.config.drop_labels):
                continue
            name = file.name if file == self.config.path else file.relative_to(self.config.path).as_posix()
            again = again + 1 if before == (name, line) else 1  # an array may stand on one line
            before = (name, line)
            yield from self._written(found, f"{name}:{line}" + (f".{again}" if again > 1 else ""), labels, seed)

    def _rows(self) -> Iterator[tuple[Path, int, str, Fields | str]]:
        for file in data_files(self.config.path):
            for row in raw_rows(file, self._reader.names, self.config.header):
                if row.problem or not isinstance(row.value, dict):
                    yield file, row.line, row.raw, row.problem or "不是一行数据"
                    continue
                for part in unfolded(row.value, self._reader.names):
                    try:
                        yield file, row.line, row.raw, self._reader.read(part)
                    except DataError as error:
                        yield file, row.line, row.raw, "；".join(filter(None, (error.what, error.found, error.fix)))

    def _merged(self) -> Iterator[tuple[Path, int, str, Fields | str]]:
        """The rows, those that ask the same as one with all their labels, in the place of the first."""
        name, rows = self._template.label, dict[str, tuple[Path, int, str, Fields]]()
        for file, line, raw, found in self._rows():
            if isinstance(found, str):
                yield file, line, raw, found
                continue
            key = json.dumps({field: value for field, value in found.items() if field != name}, ensure_ascii=False)
            known = rows.setdefault(key, (file, line, raw, found | {name: []}))[3]
            known[name] = list(dict.fromkeys([*known[name], *_labels_of(found, self._template)]))
        for file, line, raw, found in rows.values():
            strong = [label for label in found[name] if label not in self.config.weak_labels]
            labels = strong or list(found[name])
            several = len(labels) > 1 or name in self._template.lists
            yield file, line, raw, found | {name: labels if several else labels[0]}

    def _labels(self) -> list[str]:
        """What the set's labels are; those of its first rows stand for all."""
        if not self._template.label:
            return []
        found: set[str] = set()
        for _, _, _, fields in itertools.islice(self._rows(), _SURVEYED):
            found.update(_labels_of(fields, self._template) if not isinstance(fields, str) else ())
        return sorted(found - set(self.config.drop_labels))

    def _written(self, found: Fields, place: str, labels: Sequence[str], seed: int) -> Iterator[Record]:
        random = Random(f"{seed}|{self._task}|{place}")
        asks = [ask for ask in self._template.asks if all(found.get(name) for name in ask.needs)]
        for number, ask in enumerate(random.sample(asks, min(self.config.phrasings, len(asks)))):
            record = self._record(found, ask, labels, random)
            name = place + (f"~{number}" if number else "")
            yield replace(record, id=name, origin=place, source=self._source(found, place), span=_line(place))

    def _source(self, found: Fields, place: str) -> str:
        """The title of what the row is about, and the set."""
        title = found.get("title")
        told = f"《{title.strip('《》')}》" if isinstance(title, str) and title and self._task != "headline" else ""
        return "，".join(filter(None, [told, self.config.source or place.rpartition(":")[0]]))

    def _record(self, found: Fields, ask: Ask, labels: Sequence[str], random: Random) -> Record:
        values = {name: written(value) for name, value in found.items()}
        names, forms = [], self._template.forms
        for name, form in forms.items():
            fits = all(found.get(one) for one in form.needs) and not any(found.get(one) for one in form.lacks)
            names += [name] if fits and (not self.config.forms or name in self.config.forms) else []
        form = forms[random.choice(names or list(forms))]
        said = [fill(ask.text, values)]
        if self._template.choose and labels and random.random() < self.config.label_list:
            shown = _shown(labels, _labels_of(found, self._template), self.config.most_labels, random)
            said.append(fill(random.choice(self._template.choose), {"labels": "、".join(shown)}))
        said.append(random.choice(form.tellings))
        material = values.get(self._template.material, "")
        inline = f"{{{self._template.material}}}" in ask.text
        answer = Message("assistant", _answer(form, found, values, random), reasoning=fill(form.reasoning, values))
        passages = (Passage(material, values.get("title", "")),) if material and not inline else ()
        turns = (Message("user", _joined(said)), answer)
        return Record(turns, passages=passages, kind="task", extra={"task": self._task})


def _line(place: str) -> str:
    return f"第{place.rpartition(':')[2].partition('.')[0]}行"


def _labels_of(found: Fields, template: TaskTemplate) -> list[str]:
    value = found.get(template.label, "")
    return [value] if isinstance(value, str) else list(value)


def _shown(labels: Sequence[str], right: Sequence[str], most: int, random: Random) -> list[str]:
    """The list of labels, or a part of it with the right ones, in an order that tells nothing."""
    others = [label for label in labels if label not in right]
    shown = [*right, *random.sample(others, min(len(others), max(most - len(right), 1)))]
    random.shuffle(shown)
    return shown


def _answer(form: Form, found: Fields, values: dict[str, str], random: Random) -> str:
    if not form.keys:
        return fill(random.choice(form.answer), values)
    if "" in form.keys:
        return json.dumps(found[form.keys[""]], ensure_ascii=False)
    return json.dumps({key: found.get(name, "") for key, name in form.keys.items()}, ensure_ascii=False)


def _joined(said: Sequence[str]) -> str:
    """Sentences side by side; on a line of their own where the question has several lines."""
    parts = [part for part in said if part]
    return ("\n" if "\n" in parts[0] else "").join(parts)
