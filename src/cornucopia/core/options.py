"""The command line of one command, made from its Config: flags, aliases, Chinese help.

core/command_line.py sorts the words; pydantic (through Config) checks the values.
"""

from __future__ import annotations

import types
import typing
from typing import Any, TypeVar

from cornucopia.core.command_line import BOOLEANS, Takes, sort_words
from cornucopia.core.config import Config, how_split
from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.core.lists import split_words

C = TypeVar("C", bound=Config)


def parse(
    config: type[C],
    argv: list[str],
    *,
    prog: str,
    summary: str,
    positional: str = "",
    positional_help: str = "",
    examples: str = "",
) -> tuple[C, str | None]:
    """Read `argv` into `config`.

    Args:
        config: the Config class; each field is `--field-name` (underscores accepted), each alias too.
        argv: words after the command's name.
        prog: shown in help and errors, such as "cornucopia train".
        summary: one Chinese paragraph.
        positional: "recipe" reads the first bare word as a YAML recipe; any other field's name fills that field, a
            list with all bare words.
        positional_help: its help text.
        examples: shown at the end of the help.

    Returns:
        The validated configuration and the recipe's path (None when no recipe was given).

    Raises:
        UsageError: on unknown flags; ConfigError on wrong values.
        SystemExit: code 0 after `--help`.
    """
    if any(word in ("-h", "--help") for word in argv):
        print(_help(config, prog, summary, positional, positional_help, examples))
        raise SystemExit(0)
    values, bare = sort_words(argv, _flags(config), prog)
    overrides: dict[str, Any] = {key: _read(value, config, key) for key, value in values.items()}
    if positional in config.model_fields and _has(config.model_fields[positional].annotation, list):
        overrides |= {positional: [*overrides.get(positional, []), *bare]} if bare else {}
        bare = []
    word = bare[0] if bare and positional else None
    if len(bare) > (1 if positional else 0):
        found = "、".join(bare[1:] if positional else bare)
        raise UsageError("多了不属于任何选项的词", where=prog, found=found, fix=f"{prog} --help")
    if word is not None and positional != "recipe":
        _refuse_twice(word, positional, overrides, prog)
        overrides[positional] = word
        word = None
    try:
        return config.load(word, overrides), word
    except (ConfigError, UsageError) as error:
        if error.fix:
            raise
        raise type(error)(error.what, where=error.where, found=error.found, fix=f"{prog} --help") from None


def _refuse_twice(word: str, name: str, overrides: dict[str, Any], prog: str) -> None:
    """`--use_lora maybe` leaves a bare word: say so, rather than take it for the file that a flag has named already."""
    if name in overrides:
        found = f"{word} 不属于任何选项，而 {name} 已经给了 {overrides[name]}"
        fix = f"布尔项只接受 {'、'.join(BOOLEANS[:4])} 等；全部选项见 {prog} --help"
        raise UsageError("多了一个词", where=prog, found=found, fix=fix)


def _flags(config: type[Config]) -> dict[str, tuple[str, Takes]]:
    """Each accepted name -> its field and what it takes."""
    flags: dict[str, tuple[str, Takes]] = {}
    for name, field in config.alias_map().items():
        annotation = config.model_fields[field].annotation
        if _has(annotation, bool):
            flags[name] = (field, "switch")
            flags |= {f"no_{name}": (field, "off")} if len(name) > 1 else {}
        elif _has(annotation, list):
            flags[name] = (field, "each" if how_split(config.model_fields[field]) == "never" else "many")
        else:
            flags[name] = (field, "one")
    return flags


def _has(annotation: Any, kind: type) -> bool:
    """Whether `kind` is the annotation, or a member of its union."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return any(_has(part, kind) for part in typing.get_args(annotation))
    return annotation is kind or typing.get_origin(annotation) is kind


def _read(value: str | list[str], config: type[Config], name: str) -> Any:
    """A list's words as its values; 'none' is None where that may be."""
    if "." in name:
        return value
    field = config.model_fields[name]
    if isinstance(value, list):
        return split_words(value, how_split(field))
    return None if value.lower() in ("none", "null") and _has(field.annotation, type(None)) else value


def _help(config: type[Config], prog: str, summary: str, positional: str, positional_help: str, examples: str) -> str:
    usage = f"用法：{prog} {f'[{positional.upper()}] ' if positional else ''}[--选项 值 ...]"
    lines = [usage, "", summary, ""]
    if positional:
        lines += [f"  {positional.upper():<28}{positional_help}", ""]
    lines.append("选项（下划线与连字符都可以；布尔项可写 --x、--no-x 或 --x false）：")
    for name, field in config.model_fields.items():
        if field.description is None:
            continue
        extra = field.json_schema_extra
        aliases = extra.get("aliases", []) if isinstance(extra, dict) else []
        default = "必填" if field.is_required() else _show(field.get_default(call_default_factory=True))
        also = f"；也写作 {'、'.join(_flag(str(a)) for a in aliases)}" if aliases else ""  # type: ignore[union-attr]
        lines += [f"  --{name.replace('_', '-'):<26}{field.description}（{default}{also}）"]
    return "\n".join(lines + (["", "例：", examples] if examples else []))


def _flag(alias: str) -> str:
    return f"-{alias}" if len(alias) == 1 else f"--{alias}"


def _show(value: Any) -> str:
    if value is None or value == "":
        return "默认不设"
    if isinstance(value, list):
        return f"默认 {','.join(map(str, value))}" if value else "默认不设"
    return f"默认 {str(value).lower() if isinstance(value, bool) else value}"
