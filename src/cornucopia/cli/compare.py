"""`cornucopia compare`: a recipe or flags in; answers.jsonl, answers.md and report.html out."""

from __future__ import annotations

from pathlib import Path

from cornucopia.comparison.recipe import CompareRecipe, check
from cornucopia.core import console, options
from cornucopia.core.config import option, read_yaml
from cornucopia.core.errors import ConfigError

_EXAMPLES = """  cornucopia compare recipes/compare.yaml
  cornucopia compare --questions instruction_data/infer.json --output-dir runs/compare \\
      --contestant 基座=nano --contestant 调优后=nano+runs/quickstart/adapter
  cornucopia compare recipes/compare.yaml --contestant DeepSeek=https://api.deepseek.com#deepseek-chat
  cornucopia compare recipes/compare.yaml --baseline 基座 --judge https://api.deepseek.com#deepseek-chat"""


class CompareOptions(CompareRecipe):
    """Options of `cornucopia compare`: a recipe's, and what no recipe may say for itself."""

    allow_key: list[str] = option(
        [], "允许把密钥变量发给没有登记的地址，可写多次：变量名=主机（只能写在命令行上）", split="never"
    )


def run(argv: list[str]) -> int:
    """Compare and write the results; 1 when a contestant could answer nothing, or is below --fail-below."""
    recipe, path = options.parse(
        CompareOptions, argv, prog="cornucopia compare", positional="recipe",
        positional_help="YAML 配方，见 recipes/compare.yaml",
        summary="让多个模型回答同一批题，生成并排的表格和一个网页报告。"
        "答过的题不再重做：中断后再运行就接着做，加一个选手只算新的一列。",
        examples=_EXAMPLES,
    )  # fmt: skip
    if path and any(str(key).replace("-", "_") == "allow_key" for key in read_yaml(path)):
        raise ConfigError(
            "allow_key 只能写在命令行上", where=path, fix="从配方里删掉；确认要发时写 --allow-key 变量名=主机"
        )
    check(recipe)
    from cornucopia.comparison.gate import read_limits, shortfalls

    limits = read_limits(recipe)
    from cornucopia.comparison.judging.tables import show
    from cornucopia.comparison.results import compare_files
    from cornucopia.comparison.table import show_summary

    comparison, summary, judgement = compare_files(recipe, allow_key=recipe.allow_key)
    folder = Path(recipe.output_dir)
    show_summary(comparison, summary)
    if judgement:
        show(judgement.sheets, judgement.sentences)
    console.say(f"报告（用浏览器打开）：{folder / 'report.html'}")
    console.say(f"表格：{folder / 'answers.md'}；数据：{folder / 'answers.jsonl'}")
    short = shortfalls(limits, summary)
    for sentence in short:
        console.say(f"没有达到要求：{sentence}")
    silent = [line.name for line in summary.overall if line.failed == len(comparison.questions)]
    if silent:
        console.warn(f"一题也没有答上来：{'、'.join(silent)}；原因在各自的格子里")
    return 1 if silent or short else 0
