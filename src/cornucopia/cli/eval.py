"""`cornucopia eval`: benchmarks on one model, or on several side by side; a report and its data out."""

from __future__ import annotations

import os
from pathlib import Path

from cornucopia.cli.infer import ModelOptions
from cornucopia.core import console
from cornucopia.core.config import option
from cornucopia.core.errors import UsageError
from cornucopia.core.options import parse
from cornucopia.evaluation.settings import EvalSettings

_EXAMPLES = """  cornucopia eval --list
  cornucopia eval --tasks finance_calc,conduct --model nano --template nano --limit 50
  cornucopia eval --tasks fineval,fineva --data-dir 数据 --adapter runs/我的适配器 --num-fewshot 5
  cornucopia eval --tasks fineval --ask generate,think --model https://api.deepseek.com#deepseek-chat
  cornucopia eval --tasks fineval --adapter runs/我的适配器 --trained-on data/train.json --fail-below fineval=40%"""


class EvalOptions(EvalSettings, ModelOptions):
    """Options of `cornucopia eval`."""

    list_tasks: bool = option(False, "列出评测集、来源、许可证和任务，不评测", aliases=("list",))
    contestant: list[str] = option([], "另外几个模型：名字=基座 或 名字=基座+适配器，可写多次", split="never")
    with_base: bool = option(True, "给了适配器时，也评没有微调的基座，报告里写差多少")
    output_dir: str = option("runs/eval", "报告和每题的结果放在哪里；同样的设置再运行就接着做")


def run(argv: list[str]) -> int:
    """Evaluate; 1 when a task could not be done on any model, or a score is below --fail-below."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # read when tqdm is imported; progress is told by our own bar
    options, _ = parse(
        EvalOptions, argv, prog="cornucopia eval", positional="recipe",
        positional_help="YAML 配方，见 recipes/eval.yaml",
        summary="在金融评测集上给模型打分：多个模型并排，每个分数带区间，读不出的答案和截断的份额写在旁边。"
        "任务是 lm-evaluation-harness 的 YAML。",
        examples=_EXAMPLES,
    )  # fmt: skip
    if options.list_tasks:
        _show_benchmarks()
        return 0
    if not options.tasks:
        raise UsageError(
            "没有说评什么", where="cornucopia eval", fix="--tasks fineval,finance_calc；cornucopia eval --list"
        )
    from cornucopia.evaluation.compare import evaluate_models

    return evaluate_models(options, _contestants(options), Path(options.output_dir))


def _contestants(options: EvalOptions) -> list[tuple[str, ModelOptions]]:
    """(name, model) of every model, the one that others are compared to first."""
    model = ModelOptions.model_validate({name: getattr(options, name) for name in ModelOptions.model_fields})
    adapter = model.active_adapter()
    found = [("基座", model.model_copy(update={"adapter": None}))] if adapter and options.with_base else []
    found.append(("调优后" if adapter else Path(model.address[1] or model.base).name, model))
    for text in options.contestant:
        name, equals, what = text.partition("=")
        base, _, other = what.partition("+") if "://" not in what else (what, "", "")
        if not (name and equals and base):
            raise UsageError("写法有误", where="--contestant", found=text, fix="写成 名字=基座 或 名字=基座+适配器")
        found.append((name, model.model_copy(update={"base": base, "adapter": other or None})))
    if len({name for name, _ in found}) < len(found):
        raise UsageError(
            "两个模型同名", where="--contestant", found="、".join(name for name, _ in found), fix="换一个名字"
        )
    return found


def _show_benchmarks() -> None:
    from cornucopia.evaluation.dataset import BENCHMARKS
    from cornucopia.evaluation.run import TASKS, task_names

    names = task_names()
    rows = []
    for key, one in BENCHMARKS.items():
        tasks = [name for name in (key, f"{key}_gen", f"{key}_cot") if name in names]
        rows.append([key, one.title, one.licence, one.source, "、".join(tasks)])
    console.show_table("评测集", ["名字", "评测集", "许可证", "来源", "任务"], rows)
    console.say(f"任务的 YAML 在 {TASKS}；也可以 lm_eval --include_path {TASKS} --tasks fineval …")
