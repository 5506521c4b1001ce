"""`cornucopia export`: a base with its adapters as one folder for Transformers and vLLM, or one file for llama.cpp."""

from __future__ import annotations

from typing import Any

from cornucopia.core.console import say, show_table
from cornucopia.core.hub import human
from cornucopia.core.options import parse
from cornucopia.export.run import ExportOptions, export

EXAMPLES = """  cornucopia export --base-model nano --adapter runs/quickstart/adapter --out runs/quickstart/merged
  cornucopia export --base-model base_models/Qwen2.5-7B --adapter runs/甲 --adapter runs/乙 --out 合并 --dtype bfloat16
  cornucopia export --base-model runs/全参数调优 --out 上传      只整理，不合并
  cornucopia export --base-model nano --adapter runs/quickstart/adapter --gguf q8_0 --out runs/nano.q8_0.gguf
  cornucopia export --base-model nano --adapter runs/quickstart/adapter --lora-modules --out runs/nano-lora   给 vLLM"""


def run(argv: list[str]) -> int:
    """Run `cornucopia export`."""
    options, _ = parse(
        ExportOptions, argv, prog="cornucopia export", examples=EXAMPLES, positional="recipe",
        positional_help="YAML：选项写在里面；LLaMA-Factory 的导出配方也行",
        summary="把适配器按次序合并进基座，写成一个完整的模型目录：别的程序直接打开，回答与基座加适配器相同。\n"
        "写完从磁盘读回来比较 logits；不相同、什么也没有改变、权重不是数，都不留下任何文件。\n"
        "--gguf 写成 llama.cpp、Ollama 用的一个文件，用 llama.cpp 打开核对。",
    )  # fmt: skip
    report = export(options)
    if options.gguf:
        _show_gguf(report)
        say(f"{options.out}：用 llama.cpp 打开，如 llama-server -m {options.out}")
        return 0
    if options.lora_modules:
        _show_lora(report, options)
        return 0
    rows = [
        ("数据类型", report["dtype"]), ("改变的张量", report["changed_tensors"]),
        ("适配器使 logits 最多变", f"{report['adapter_effect']:.3g}"),
        ("读回来与基座加适配器最多差", f"{report['greatest_difference']:.3g}"),
        ("这种类型的舍入最多解释", f"{report['allowed_difference']:.3g}"),
    ]  # fmt: skip
    show_table("导出", ("项", "值"), rows)
    then = "打分 cornucopia data reward 回答.jsonl --out 分数.jsonl" if report["scores"] else "试问 cornucopia chat"
    say(f"{options.out}：{then} --model {options.out}")
    return 0


def _show_lora(report: dict[str, Any], options: ExportOptions) -> None:
    rows = [
        ("秩", report["rank"]), ("适配器使 logits 最多变", f"{report['adapter_effect']:.3g}"),
        ("改写前后最多差", f"{report['greatest_difference']:.3g}"),
        ("float32 的舍入最多解释", f"{report['allowed_difference']:.3g}"),
    ]  # fmt: skip
    show_table("改写适配器", ("项", "值"), rows)
    name, out = report["adapter"], options.out
    say(
        f"{out}：vllm serve {options.base} --enable-lora --max-lora-rank {report['max_lora_rank']} "
        f"--lora-modules {name}={out} --chat-template {out}/chat_template.jinja"
    )


def _show_gguf(report: dict[str, Any]) -> None:
    allowed = report["logprob_allowed"]
    rows = [
        ("文件大小", human(report["bytes"])),
        ("张量的类型", "、".join(f"{name} {count} 个" for name, count in report["types"].items())),
        ("改变的张量", report["changed_tensors"]),
        ("llama.cpp 的分词器", f"{report['tokenizer']}，{report['texts']} 段文字切分相同"),
        ("下一个词元相同", f"{report['agreement']:.1%}（{report['prompts']} 段提示，{report['places']} 处）"),
        ("对数概率最多差", f"{report['logprob_difference']:.3g}"),
        ("舍入最多解释", "量化，不设限" if allowed == float("inf") else f"{allowed:.3g}"),
    ]
    show_table("导出 GGUF", ("项", "值"), rows)
