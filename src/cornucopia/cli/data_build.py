"""`cornucopia data build RECIPE.yaml`: a data recipe, from its sources to files to train on."""

from __future__ import annotations

from cornucopia.core.console import say, show_table
from cornucopia.core.errors import UsageError
from cornucopia.core.options import parse
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import Built, build

SUMMARY = """数据工厂：按配方从来源做出训练数据，每一步丢了什么、为什么都有账可查。
中断、断电、被杀都不要紧：再运行同一条命令就接着做，结果一样。"""


def run(argv: list[str]) -> int:
    """Build, then say what became of the records."""
    if not argv:
        fix = "cornucopia data build recipes/data/bundled.yaml；见 --help"
        raise UsageError("没有给配方", where="cornucopia data build", fix=fix)
    recipe, _ = parse(
        DataRecipe,
        argv,
        prog="cornucopia data build",
        summary=SUMMARY,
        positional="recipe",
        positional_help="YAML 配方，见 recipes/data/",
        examples="  cornucopia data build recipes/data/bundled.yaml --workers 4",
    )
    built = build(recipe)
    show_counts(built)
    if built.rejects:
        say(f"读不了的 {built.rejects:,} 处（行或文件）在 {built.folder / 'rejects.jsonl'}，逐个有原因")
    told = "、".join(str(path) for paths in built.reports.values() for path in paths)
    if told:
        say(f"另有 {told}")
    files = "、".join(f"{built.folder / row['path']}（{row['records']:,} 条）" for row in built.outputs)
    say(f"已写 {files}，用了 {built.seconds:.0f} 秒")
    return 0


def show_counts(built: Built) -> None:
    """What each step took, gave and dropped."""
    rows = []
    for stage in built.stages:
        reasons = "、".join(f"{rule} {count:,}" for rule, count in stage["dropped"].items())
        changes = "、".join(f"{rule} {count:,}" for rule, count in stage["changed"].items())
        rows.append((stage["label"], f"{stage['in']:,}", f"{stage['out']:,}", reasons, changes))
    show_table("各步", ["步骤", "进", "出", "丢掉的原因", "改动"], rows)
