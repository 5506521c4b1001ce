"""`cornucopia judge`: models as judges of a comparison's answers; verdicts, tables and a page out."""

from __future__ import annotations

from pathlib import Path

from cornucopia.comparison.judging.settings import JudgeSettings
from cornucopia.core import console, options
from cornucopia.core.config import option
from cornucopia.core.errors import UsageError

_EXAMPLES = """  cornucopia judge runs/compare --judge https://api.deepseek.com#deepseek-chat --price-in 2 --price-out 8
  cornucopia judge runs/compare --how graded --shape belle --judge 评委=runs/我的评委
  cornucopia judge runs/compare --judge A=https://地址/v1#模型 --judge B=https://地址/v1#模型 --baseline 基座
  cornucopia judge data/mt_bench --how graded --judge https://api.openai.com/v1#gpt-4o --yes"""


class JudgeOptions(JudgeSettings):
    """Options of `cornucopia judge`."""

    result: str = option("", "compare 的结果文件夹，或 FastChat 的 data/mt_bench 一类文件夹")
    output_dir: str = option("", "评语和报告放在哪里；不写则放在结果文件夹里")
    allow_key: list[str] = option([], "允许把密钥变量发给没有登记的地址，可写多次：变量名=主机", split="never")


def run(argv: list[str]) -> int:
    """Judge; 1 when no judge's reply could be read."""
    settings, _ = options.parse(
        JudgeOptions, argv, prog="cornucopia judge", positional="result",
        positional_help="compare 的结果文件夹",
        summary="请模型当评委，评 compare 的回答：两两比较（换次序各问一遍）或单独打分。开始前先报要问几次、"
        "多少词元、约多少钱；评过的不再问，中断后再运行就接着做；读不出的评语计数，不当作分数。",
        examples=_EXAMPLES,
    )  # fmt: skip
    if not settings.result:
        raise UsageError("没有说评哪个结果", where="cornucopia judge", fix="cornucopia judge runs/compare --judge 模型")
    from cornucopia.comparison.judging.items import read_answers
    from cornucopia.comparison.judging.outcome import judge_answers
    from cornucopia.comparison.judging.page import write_page
    from cornucopia.comparison.judging.tables import show

    result = Path(settings.result)
    folder = Path(settings.output_dir) if settings.output_dir else (result if result.is_dir() else result.parent)
    answered = read_answers(result)
    judgement = judge_answers(settings, answered, folder, settings.allow_key)
    write_page(folder, judgement)
    show(judgement.sheets, judgement.sentences)
    console.say(f"报告（用浏览器打开）：{folder / 'judge.html'}")
    console.say(f"表格：{folder / 'judge.md'}；数据：{folder / 'judge.json'}、{folder / 'verdicts.jsonl'}")
    return 1 if all(one.unparsed == one.replies for one in judgement.tallies) else 0
