"""`cornucopia train RECIPE.yaml [--key value]`."""

from __future__ import annotations

import os

from cornucopia.core.console import say
from cornucopia.core.errors import UsageError
from cornucopia.core.options import parse
from cornucopia.training.methods import METHODS
from cornucopia.training.recipe import TrainRecipe

SUMMARY = """训练：在任何 decoder-only 基座上做指令微调或继续预训练（--objective），
训适配器、几个块或全部参数（--method）。
先打印计划（配方、数据、内存、磁盘），再训练；Ctrl-C 会保存，--resume 接着练。"""
EXAMPLES = """  cornucopia train recipes/quickstart.yaml
  cornucopia train recipes/llama-7b-24g.yaml --data-path 我的数据.json --output-dir runs/mine
  cornucopia train --base_model base_models/llama-7b-hf --data_path a.json --lora_r 16 --dry-run"""


def run(argv: list[str]) -> int:
    """Parse, train, say where the result is.

    Raises:
        UsageError: nothing given; ten epochs on the bundled data must not begin by accident.
    """
    if not argv:
        raise UsageError(
            "没有给配方，也没有给数据",
            where="cornucopia train",
            fix="cornucopia train recipes/quickstart.yaml，或 cornucopia train --data-path 我的数据.json；见 --help",
        )
    recipe, _ = parse(
        TrainRecipe,
        argv,
        prog="cornucopia train",
        summary=SUMMARY,
        positional="recipe",
        positional_help="YAML 配方，见 recipes/；不给则全用默认值和命令行",
        examples=EXAMPLES,
    )
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything is local; saving an adapter must not ask a hub
    from cornucopia.inference.rollouts import Rollouts
    from cornucopia.training.run.loop import train

    result = train(recipe, Rollouts)
    if result.get("dry_run"):
        say(f"只看计划：共 {result['steps']} 步，跳过坏数据 {result['rejects']} 行。去掉 --dry-run 开始训练")
        return 0
    if result.get("rejects"):
        say(f"跳过坏数据 {result['rejects']} 行，见 {recipe.output_dir}/rejects.jsonl")
    first, last = result.get("loss_first"), result.get("loss_last")
    losses = f"，损失 {first:.3f} → {last:.3f}" if first is not None and last is not None else ""
    say(f"训练完成：{result['steps']} 步，{result['seconds']:.0f} 秒{losses}")
    if METHODS[recipe.method].leaves == "model":
        say(f"模型在 {recipe.output_dir}；接着：cornucopia chat --model {recipe.output_dir}")
    else:
        say(f"适配器在 {recipe.output_dir}；接着：cornucopia chat -m {recipe.base} --adapter {recipe.output_dir}")
    return 0
