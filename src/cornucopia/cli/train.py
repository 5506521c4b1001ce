"""`cornucopia train RECIPE.yaml [--key value]`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self

from cornucopia.core.console import say
from cornucopia.core.errors import UsageError
from cornucopia.core.options import parse
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives import OBJECTIVES
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.swift import from_swift

SUMMARY = """训练：在任何 decoder-only 基座上做指令微调或继续预训练（--objective），
训适配器、几个块或全部参数（--method）。
先打印计划（配方、数据、内存、磁盘），再训练；Ctrl-C 会保存，--resume 接着练。"""
EXAMPLES = """  cornucopia train recipes/quickstart.yaml
  cornucopia train recipes/llama-7b-24g.yaml --data-path 我的数据.json --output-dir runs/mine
  cornucopia train --base-model Qwen2.5-7B-Instruct --cards
  cornucopia train --base_model base_models/llama-7b-hf --data_path a.json --lora_r 16 --dry-run
  cornucopia train --from-swift "swift sft --model base_models/Qwen2.5-7B --dataset a.jsonl --lora_rank 8"
                                               LLaMA-Factory 的 YAML 直接当配方给"""
SWIFT = "--from-swift"


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
    kind, words = _from_swift(argv)
    recipe, _ = parse(
        kind,
        words,
        prog="cornucopia train",
        summary=SUMMARY,
        positional="recipe",
        positional_help="YAML 配方，见 recipes/；不给则全用默认值和命令行",
        examples=EXAMPLES,
    )
    if recipe.cards:
        from cornucopia.training.run.cards import show_cards

        show_cards(recipe)
        return 0
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
    scores = OBJECTIVES[recipe.objective].scores
    then = "cornucopia data reward 回答.jsonl --out 分数.jsonl" if scores else "cornucopia chat"
    if METHODS[recipe.method].leaves == "model":
        say(f"模型在 {recipe.output_dir}；接着：{then} --model {recipe.output_dir}")
    else:
        say(f"适配器在 {recipe.output_dir}；接着：{then} -m {recipe.base} --adapter {recipe.output_dir}")
    return 0


def _from_swift(argv: list[str]) -> tuple[type[TrainRecipe], list[str]]:
    """The recipe's class, and the words that are left when an ms-swift command was among them.

    Raises:
        UsageError: no command follows the flag.
    """
    at = next((place for place, word in enumerate(argv) if word.partition("=")[0].replace("_", "-") == SWIFT), None)
    if at is None:
        return TrainRecipe, argv
    inside = argv[at].partition("=")[2]
    if not inside and at + 1 == len(argv):
        raise UsageError("--from-swift 后面没有命令", where="cornucopia train", fix=f'{SWIFT} "swift sft --model ..."')
    command = inside or argv[at + 1]

    class SwiftRecipe(TrainRecipe):
        """The command's settings, which the words beside it override."""

        @classmethod
        def load(cls, path: str | Path | None, overrides: dict[str, Any] | None = None) -> Self:
            if path:
                raise UsageError("--from-swift 和配方只能给一个", found=str(path), where="cornucopia train")
            made, notes = from_swift(command)
            for note in notes:
                say(note)
            return cls.build(made | (overrides or {}), where=SWIFT)

    return SwiftRecipe, argv[:at] + argv[at + (1 if inside else 2) :]
