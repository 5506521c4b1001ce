"""Strict configuration: a pydantic model read from YAML, overridden from the command line.

Each default and its one-sentence Chinese help (with unit) is written once, in `option(...)`; the command line,
the help text and the recipe files all come from it. Unknown keys are errors that name the nearest key.
"""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from cornucopia.core.dotted import lay
from cornucopia.core.errors import ConfigError, UsageError, nearest
from cornucopia.core.lists import Split, split_words
from cornucopia.core.yaml_errors import explain_yaml

_MESSAGES = {
    "extra_forbidden": "没有这一项",
    "missing": "缺少必填项",
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "int_type": "应为整数",
    "int_parsing_size": "数字太大",
    "float_parsing": "应为数字",
    "float_type": "应为数字",
    "finite_number": "应为有限的数",
    "bool_parsing": "应为 true 或 false",
    "bool_type": "应为 true 或 false",
    "list_type": "应为列表",
    "dict_type": "应为「键: 值」",
    "string_type": "应为文字",
    "string_unicode": "含有不是 UTF-8 的字节",
    "path_type": "应为路径",
    "model_type": "应为「键: 值」",
    "model_attributes_type": "应为「键: 值」",
    "dict_attributes_type": "应为「键: 值」",
    "none_required": "应为空",
    "too_short": "至少要 {min_length} 项",
    "too_long": "至多 {max_length} 项",
    "greater_than": "应大于 {gt}",
    "greater_than_equal": "应不小于 {ge}",
    "less_than": "应小于 {lt}",
    "less_than_equal": "应不大于 {le}",
    "literal_error": "应为 {expected} 之一",
}


def option(default: Any, help: str, *, aliases: tuple[str, ...] = (), split: Split = "commas", **limits: Any) -> Any:
    """A configuration field.

    Args:
        default: the default value; `...` makes the field required.
        help: one Chinese sentence with unit and effect; it is the command line's help text.
        aliases: other accepted names, such as the original project's flag.
        split: how the values of a list are read from words: see core/lists.py.
        **limits: pydantic limits (gt, ge, lt, le).
    """
    extra: Any = {"aliases": list(aliases), "split": split}
    if isinstance(default, (list, dict)):
        return Field(
            default_factory=lambda: type(default)(default), description=help, json_schema_extra=extra, **limits
        )
    return Field(default, description=help, json_schema_extra=extra, **limits)


def how_split(field: FieldInfo) -> Split:
    """How words become the values of this list."""
    extra = field.json_schema_extra
    return extra.get("split", "commas") if isinstance(extra, dict) else "commas"  # type: ignore[return-value]


class Config(BaseModel):
    """Base of every recipe and option set. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True, protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML's yes is no number, and a list of texts holds no empty one: nothing is taken for what it is not."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        items, wanted = (value, {list[int], list[float]}) if isinstance(value, list) else ([value], {int, float})
        if any(isinstance(item, bool) for item in items) and bool not in kinds and wanted & kinds:
            raise PydanticCustomError("bool_as_number", "应为数字")
        if isinstance(value, list) and list[str] in kinds and "" in value:
            raise PydanticCustomError("empty_item", "列表里有一项是空的")
        return value

    @classmethod
    def alias_map(cls) -> dict[str, str]:
        """Every accepted name (underscored) -> field name."""
        names = {}
        for field_name, field in cls.model_fields.items():
            extra = field.json_schema_extra
            aliases = extra.get("aliases", []) if isinstance(extra, dict) else []
            for name in [field_name, *aliases]:  # type: ignore[misc]
                names[_plain_name(name)] = field_name
        return names

    @classmethod
    def build(cls, values: dict[str, Any], *, where: str = "命令行") -> Self:
        """Validate `values` (field names or aliases).

        Raises:
            ConfigError: naming each wrong key, what was found and the nearest key.
        """
        names = cls.alias_map()
        renamed: dict[str, Any] = {}
        for key, value in values.items():
            target = names.get(_plain_name(key), str(key))
            if target in renamed:
                raise ConfigError(f"{target} 给了两次", where=where, found=str(key), fix="只保留一个名字")
            renamed[target] = cls._fitting(target, value)
        try:
            return cls.model_validate(renamed)
        except ValidationError as error:
            raise _as_config_error(error, names, where, renamed) from None

    @classmethod
    def load(cls, path: str | Path | None, overrides: dict[str, Any] | None = None) -> Self:
        """Read a YAML file (or nothing) and lay `overrides` over it; one with dots goes deep, as `dotted.lay` says.

        Raises:
            ConfigError: if the file is absent, not YAML, not a mapping, or holds wrong keys or values.
        """
        values = read_yaml(path) if path else {}
        names = cls.alias_map()
        overrides = overrides or {}
        given = {names.get(_plain_name(key), key) for key in overrides}
        kept = {key: value for key, value in values.items() if names.get(_plain_name(key), str(key)) not in given}
        laid = {**kept, **{key: value for key, value in overrides.items() if "." not in key}}
        for place, value in overrides.items():
            laid = lay(laid, place, value) if "." in place else laid
        return cls.build(laid, where=str(path or "命令行"))

    @classmethod
    def _fitting(cls, name: str, value: Any) -> Any:
        """One word where a list is wanted is read as on the command line; "4" is 4 where some numbers are allowed."""
        field = cls.model_fields.get(name)
        if field is None or not isinstance(value, str):
            return value
        if get_origin(field.annotation) is list and not _holds_models(field.annotation):
            return split_words([value], how_split(field))
        if not value and field.annotation is Path:  # Path("") is the current folder
            raise ConfigError(f"{name} 是空的", where=name, fix="写文件名；当前文件夹写 .；变量可能没有设值")
        numbers = {str(choice): choice for choice in get_args(field.annotation) if type(choice) is int}
        return numbers.get(value, value)

    def fingerprint(self) -> str:
        """SHA-256 (16 hex digits) of the resolved values."""
        text = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML mapping from a UTF-8 file.

    Raises:
        ConfigError: if it is absent, not UTF-8, not YAML or not a mapping.
    """
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise ConfigError("链接指向的文件不在了", where=f"{path} -> {path.readlink()}", fix="改好链接，或直接写文件")
    if not path.is_file():
        siblings = [p.name for p in path.parent.glob("*.y*ml") if p.is_file()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        fix = f"最接近的是 {path.parent / close}" if close else "现成的配方在 recipes/ 目录"
        raise ConfigError("找不到配方文件", where=str(path), fix=fix)
    try:
        values = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:  # ValueError: not UTF-8, no such date
        raise ConfigError("配方不是合格的 UTF-8 YAML", where=str(path), found=explain_yaml(error)) from None
    if values is None or values == {}:
        raise ConfigError("配方是空的", where=str(path), fix="写上要改的设置；现成的配方在 recipes/ 目录")
    if not isinstance(values, dict):
        kind = {"list": "列表", "str": "文字"}.get(type(values).__name__, type(values).__name__)
        raise ConfigError("配方应是「键: 值」的形式", where=str(path), found=kind)
    return values


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} 给了两次", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _kinds(annotation: Any) -> set[Any]:
    """The annotation, or the members of its union; of a choice among values their types."""
    if get_origin(annotation) is Literal:
        return {type(choice) for choice in get_args(annotation)}
    return set(get_args(annotation)) if get_origin(annotation) in (UnionType, Union) else {annotation}


def _holds_models(annotation: Any) -> bool:
    return any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in get_args(annotation))


def _plain_name(key: Any) -> str:
    return str(key).replace("-", "_")


def _as_config_error(error: ValidationError, names: dict[str, str], where: str, values: dict[str, Any]) -> ConfigError:
    lines, fixes = [], []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        raw = values.get(key, item["input"])  # as given, before any reading of it
        message = _MESSAGES.get(item["type"], "").format(**_limits(item.get("ctx", {}), raw)).replace("'", "")
        message = message.replace(", ", "、").replace(" or ", "、").replace("应为 、", "应为 ")  # '' is the default
        message = message or _own_words(item)
        given = key and item["type"] not in ("missing", "extra_forbidden")
        found = f"，给的是 {str(raw)[:80]!r}" if given else ""
        lines.append(f"{key}：{message}{found}" if key else message)  # no key: what several settings say together
        close = nearest(key.rsplit(".", 1)[-1], names) if item["type"] == "extra_forbidden" else ""
        fixes += [f"{key} 最接近的是 {close}"] if close else []
    typed = where == "命令行" and any(item["type"] in ("extra_forbidden", "missing") for item in error.errors())
    kind = UsageError if typed else ConfigError
    return kind("设置有误：" + "；".join(lines), where=where, fix="；".join(fixes))  # type: ignore[return-value]


def _limits(context: dict[str, Any], raw: Any) -> dict[str, Any]:
    """Limits of a value given in percent are told in percent."""
    if not isinstance(raw, str) or not raw.strip().endswith(("%", "％")):
        return context
    numbers = {name: limit for name, limit in context.items() if isinstance(limit, (int, float, Decimal))}
    return context | {name: f"{float(limit) * 100:g}%" for name, limit in numbers.items()}


def _own_words(item: Any) -> str:
    """The message of a check of ours, which is Chinese; any other is not shown in English."""
    text = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    ours = item["type"] in ("value_error", "assertion_error") or any("\u4e00" <= char <= "\u9fff" for char in text)
    return text if ours else "不合要求"
