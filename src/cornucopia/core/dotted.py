"""One setting deep within a recipe, by its place: `output.format`, `steps.deduplicate.threshold`, `sources.2.path`."""

from __future__ import annotations

from typing import Any

from cornucopia.core.errors import ConfigError, nearest


def lay(values: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A copy of `values` with one setting laid over it.

    Args:
        values: as read from YAML.
        place: keys with dots between; an entry of a list by its number from 1, its `name`, its `kind`, or its one key.
        value: the setting.

    Raises:
        ConfigError: a list has no such entry, or something on the way holds no settings.
    """
    head, _, rest = place.partition(".")
    return {**values, head: _laid(values.get(head), rest, value, head)}


def _laid(held: Any, place: str, value: Any, where: str) -> Any:
    if not place:
        return value
    head, _, rest = place.partition(".")
    if isinstance(held, list):
        index = _index(held, head, where)
        entry = held[index]
        named = isinstance(entry, dict) and len(entry) == 1 and head in entry
        if isinstance(entry, str) or named:  # `clean` or `{clean: {...}}`: its settings stand under its name
            name = entry if isinstance(entry, str) else head
            made: Any = {name: _laid(entry[name] if named else {}, rest, value, f"{where}.{head}")}
        else:
            made = _laid(entry, rest, value, f"{where}.{head}")
        return [*held[:index], made, *held[index + 1 :]]
    if held is not None and not isinstance(held, dict):
        raise ConfigError("这一项下面没有设置", where=where, found=repr(held)[:80])
    return {**(held or {}), head: _laid((held or {}).get(head), rest, value, f"{where}.{head}")}


def _index(held: list[Any], name: str, where: str) -> int:
    if name.isdecimal() and 0 < int(name) <= len(held):
        return int(name) - 1
    names = [_names(entry) for entry in held]
    found = [index for index, known in enumerate(names) if name in known]
    if len(found) == 1:
        return found[0]
    known = [one for several in names for one in several]
    close = nearest(name, known)
    fix = f"最接近的是 {close}" if close else f"写第几个（1 到 {len(held)}），或名字：{'、'.join(known)}"
    raise ConfigError("列表里有几个同名的" if found else "列表里没有这一个", where=where, found=name, fix=fix)


def _names(entry: Any) -> list[str]:
    if isinstance(entry, dict):
        return list(entry)[:1] if len(entry) == 1 else [str(entry[key]) for key in ("name", "kind") if key in entry]
    return [entry] if isinstance(entry, str) else []
