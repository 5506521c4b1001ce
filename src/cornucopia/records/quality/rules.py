"""All quality rules by name. A new one is a function and a row here."""

from __future__ import annotations

from cornucopia.records.quality.answered import answered
from cornucopia.records.quality.compliance import compliance
from cornucopia.records.quality.figures import figures
from cornucopia.records.quality.rule import Rule
from cornucopia.records.quality.shape import ending, language, layout, length, repetition
from cornucopia.records.quality.staleness import staleness

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("length", "太短说不了什么，太长不是一个回答", length),
        Rule("repetition", "字句反复", repetition),
        Rule("answered", "拒答、把问题重说一遍、答非所问", answered),
        Rule("numbers", "数字与计算器不符，写出的算式不成立", figures),
        Rule("compliance", "承诺收益、荐股、拉人、教人违规；「不得承诺保本」不算", compliance),
        Rule("staleness", "说的是已改的规定；核对日期早于 oldest", staleness),
        Rule("ending", "话没有说完", ending),
        Rule("language", "中文问题用别的语言答，夹着别的文字", language),
        Rule("format", "残留的模板标记和网页标记、没填的空、要求 JSON 而不是", layout),
    )
}
