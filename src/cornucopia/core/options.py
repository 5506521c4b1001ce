"""The command line of one command, made from its Config: flags, aliases, Chinese help.

argparse splits the words; pydantic (through Config) checks the values.
"""

from __future__ import annotations

import argparse
import types
import typing
from typing import Any, NoReturn, TypeVar

from cornucopia.core.config import Config
from cornucopia.core.errors import ConfigError, UsageError, nearest

C = TypeVar("C", bound=Config)

_BOOLEANS = ("true", "false", "yes", "no", "on", "off", "t", "f", "y", "n", "1", "0")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError("命令行有误", where=self.prog, found=message, fix=f"{self.prog} --help")


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
        positional: "recipe" reads the first bare word as a YAML recipe; any other field's name fills that field.
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
    parser = _Parser(prog=prog, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for name, field_name in config.alias_map().items():
        _add(parser, name, field_name, config.model_fields[field_name].annotation)
    if positional:
        parser.add_argument("_positional", nargs="?", default=None)
    values, unknown = parser.parse_known_args(_join_booleans(argv, config))
    if unknown:
        raise _unknown(unknown, config, prog)
    overrides = {
        key: _plain(value, config.model_fields[key].annotation)
        for key, value in vars(values).items()
        if key != "_positional"
    }
    word = getattr(values, "_positional", None)
    if word is not None and positional != "recipe":
        _refuse_twice(word, positional, overrides, config, prog)
        overrides[positional] = word
        word = None
    try:
        return config.load(word, overrides), word
    except ConfigError as error:
        if error.fix:
            raise
        raise ConfigError(error.what, where=error.where, found=error.found, fix=f"{prog} --help") from None


def _refuse_twice(word: str, name: str, overrides: dict[str, Any], config: type[Config], prog: str) -> None:
    """`--use_lora maybe` leaves a bare word: say so, rather than take it for the file that a flag has named already."""
    names = config.alias_map()
    given = next((key for key in overrides if names.get(key, key) == name), None)
    if given is not None:
        found = f"{word} 不属于任何选项，而 {name} 已经由 --{given} 给了 {overrides[given]}"
        fix = f"布尔项只接受 {'、'.join(_BOOLEANS[:4])} 等；全部选项见 {prog} --help"
        raise UsageError("多了一个词", where=prog, found=found, fix=fix)


def _add(parser: argparse.ArgumentParser, name: str, field_name: str, annotation: Any) -> None:
    flags = list(dict.fromkeys([f"--{name.replace('_', '-')}", f"--{name}"]))
    if len(name) == 1:
        flags = [f"-{name}"]
    if _has(annotation, bool):
        parser.add_argument(*flags, dest=field_name, nargs="?", const="true")
        parser.add_argument(
            *[f"--no-{flag[2:]}" for flag in flags if flag.startswith("--")],
            dest=field_name,
            action="store_const",
            const="false",
        )
    elif _has(annotation, list):
        parser.add_argument(*flags, dest=field_name, nargs="*", action="extend")
    else:
        parser.add_argument(*flags, dest=field_name)


def _join_booleans(argv: list[str], config: type[Config]) -> list[str]:
    """`--dry-run recipe.yaml` is a switch and a recipe, `--dry-run false` is one setting."""
    switches = {
        f"--{form}"
        for name, field_name in config.alias_map().items()
        if _has(config.model_fields[field_name].annotation, bool)
        for form in (name, name.replace("_", "-"))
    }
    words: list[str] = []
    for word in argv:
        if words and words[-1] in switches and word.lower() in _BOOLEANS:
            words[-1] += f"={word}"
        else:
            if words and words[-1] in switches:
                words[-1] += "=true"
            words.append(word)
    return words


def _has(annotation: Any, kind: type) -> bool:
    """Whether `kind` is the annotation, or a member of its union."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return any(_has(part, kind) for part in typing.get_args(annotation))
    return annotation is kind or typing.get_origin(annotation) is kind


def _plain(value: Any, annotation: Any) -> Any:
    """`[q_proj,v_proj]`, `q_proj,v_proj` and `q_proj v_proj` are the list of two; 'none' is None where that may be."""
    if isinstance(value, list):
        words = ",".join(value).strip("[]").split(",")
        return [word.strip().strip("'\"") for word in words if word.strip()]
    empty = isinstance(value, str) and value.lower() in ("none", "null") and _has(annotation, type(None))
    return None if empty else value


def _unknown(words: list[str], config: type[Config], prog: str) -> UsageError:
    flag = words[0]
    close = nearest(flag.lstrip("-").split("=")[0].replace("-", "_"), config.alias_map())
    fix = f"最接近的是 --{close.replace('_', '-')}；全部选项见 {prog} --help" if close else f"全部选项见 {prog} --help"
    return UsageError("不认识的选项", where=prog, found=flag, fix=fix)


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
