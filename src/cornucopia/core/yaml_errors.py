"""Why a text is not YAML, in Chinese, with its line. PyYAML's own messages are English and name no remedy."""

from __future__ import annotations

import yaml

# Part of PyYAML's problem -> what is wrong, in the order they are looked for.
_PROBLEMS = (
    ("mapping values are not allowed", "这里不该有冒号（值里有冒号时，给整个值加引号；或上一行没有写完）"),
    ("that cannot start any token", "这个字符不能开头：制表符改成空格，@、`、% 开头的值加引号"),
    ("expected <block end>", "缩进没有对齐，或这一行少了「- 」或冒号"),
    ("could not find expected ':'", "少了冒号（冒号后面要有空格）"),
    ("unexpected end of stream", "引号没有配对"),
    ("expected ',' or ']'", "方括号没有配对，或少了逗号"),
    ("expected ',' or '}'", "花括号没有配对，或少了逗号"),
    ("undefined alias", "* 开头的值要加引号"),
    ("found undefined tag", "! 开头的值要加引号"),
    ("could not determine a constructor", "! 开头的值要加引号（不接受自定义类型）"),
    ("unhashable key", "列表或「键: 值」不能作键"),
    ("another document", "一个文件只能写一份配方（多了一行 ---）"),
    ("unknown escape character", "双引号里的反斜杠要写两个，或改用单引号"),
    ("expected alphabetic or numeric", "& 或 * 开头的值要加引号"),
    ("recursive", "锚点引用了自己"),
)


def explain_yaml(error: Exception) -> str:
    """What is wrong with a YAML text, and where, for any error that reading and parsing it raises."""
    if isinstance(error, UnicodeDecodeError):
        return f"第 {error.start + 1} 个字节起不是 UTF-8"
    if isinstance(error, yaml.reader.ReaderError):
        return f"第 {error.position + 1} 个字符是控制字符"
    if isinstance(error, RecursionError):
        return "层数太多"
    if not isinstance(error, yaml.MarkedYAMLError):
        return "有一个值不合 YAML（如没有这样的日期）"
    problem, mark = error.problem or "", error.problem_mark or error.context_mark
    place = f"第 {mark.line + 1} 行第 {mark.column + 1} 列：" if mark else ""
    known = next((told for part, told in _PROBLEMS if part in problem), "写法不合 YAML")
    return place + (problem if any("\u4e00" <= char <= "\u9fff" for char in problem) else known)
