"""`cornucopia models`: what is on this disk, the catalogue, and downloading from a model hub."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cornucopia.core.config import Config, option
from cornucopia.core.console import say, show_table
from cornucopia.core.errors import ModelError, UsageError, nearest
from cornucopia.core.options import parse
from cornucopia.core.paths import bundled_model, project_root

if TYPE_CHECKING:
    from cornucopia.models.memory import Shape

ASK_ABOVE = 1_000_000_000  # bytes: larger downloads are confirmed when somebody is there to answer

_HELP = """用法：cornucopia models [子命令]

  （无）               列出本地模型和适配器
  list --all           模型目录：许可、大小、需要多少内存（不带 --all 时同「无」）
  show 名字            一个模型的详情和下载命令
  pull 名字            下载模型到 base_models/（可断点续传、逐文件校验）
  new 目录             从零造一个小模型：用文本训练分词器，权重随机（再用 cornucopia train --stage pretrain 预训练）

每个子命令的选项：cornucopia models pull --help"""


class ListOptions(Config):
    """Options of `models list`."""

    all: bool = option(False, "列出目录里的全部模型，而不只是本地已有的")


class ShowOptions(Config):
    """Options of `models show`."""

    name: str = option(..., "目录里的名字")


class PullOptions(Config):
    """Options of `models pull`."""

    name: str = option(..., "目录里的名字，或「组织/名字」，或「ms:组织/名字」（ModelScope）")
    hub: Literal["hf", "mirror", "modelscope"] | None = option(
        None, "从哪个站下载：hf、mirror（hf-mirror.com 或 HF_ENDPOINT）、modelscope；不设时看 CORNUCOPIA_HUB，再默认 hf"
    )
    revision: str | None = option(None, "分支、标签或提交号；不设时用默认分支")
    dir: str | None = option(None, "存到哪个目录；不设时存到 base_models/名字")
    include: list[str] = option([], "额外下载的文件（通配符），如 '*.gguf'；默认只取 safetensors、分词器和说明")
    config_only: bool = option(False, "只取配置和分词器（几 MB），够 cornucopia train --dry-run 估算内存；权重以后再取")
    yes: bool = option(False, "不询问，直接下载")


def run(argv: list[str]) -> int:
    """Dispatch on the sub-command."""
    commands: dict[str, Callable[[list[str]], int]] = {
        "list": run_list,
        "show": run_show,
        "pull": run_pull,
        "new": run_new,
    }
    if not argv:
        return run_list([])
    if argv[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    if argv[0] not in commands:
        close = nearest(argv[0], commands)
        fix = f"最接近的是 cornucopia models {close}" if close else "cornucopia models --help"
        raise UsageError("models 没有这个子命令", found=argv[0], fix=fix)
    return commands[argv[0]](argv[1:])


def run_list(argv: list[str]) -> int:
    """Local models, or the catalogue."""
    options, _ = parse(ListOptions, argv, prog="cornucopia models list", summary="列出本地模型；--all 列出目录。")
    if options.all:
        _show_catalogue()
    else:
        _show_local()
    return 0


def run_new(argv: list[str]) -> int:
    """A model from nothing."""
    from cornucopia.models.create import NewModel, create
    from cornucopia.records.read import read_records

    summary = "从零造一个 LLaMA 结构的小模型：分词器由文本训练（字节回退、不做归一化），权重由种子随机生成。"
    options, _ = parse(
        NewModel,
        argv,
        prog="cornucopia models new",
        summary=summary,
        positional="output_dir",
        positional_help="新模型的目录",
    )
    texts = [record.text for path in options.text for record in read_records(path, rejects=False).records]
    count = create(options.output_dir, texts, options)
    say(f"{options.output_dir}：{count:,} 个参数，词表由 {len(texts)} 篇文本训练")
    return 0


def run_show(argv: list[str]) -> int:
    """One entry of the catalogue, or a local model that the catalogue does not know."""
    from cornucopia.models import catalogue, local

    options, _ = parse(ShowOptions, argv, prog="cornucopia models show", summary="一个模型的详情。", positional="name")
    entry = catalogue.find(options.name)
    if entry is None and options.name in local.names():
        return _show_one(options.name)
    if entry is None:
        raise ModelError("没有这个名字的模型", found=options.name, fix=local.how_to_get(options.name))
    need = entry.memory
    state = (["已下架"] if entry.gone else []) + ([] if entry.verified else ["未核实是否仍在"])
    state += ["需在网页上同意许可，并设 HF_TOKEN"] if entry.gated else []
    rows = {
        "名字": "、".join([entry.name, *entry.aliases]),
        "种类": _KINDS[entry.kind],
        "Hugging Face": entry.hf,
        "ModelScope": entry.modelscope,
        "替代来源": "、".join(entry.alternatives),
        "许可": entry.licence,
        "参数量": f"{entry.parameters} B" if entry.parameters else "",
        "结构": _shape(entry.shape),
        "下载": f"{entry.size_gb} GB" if entry.size_gb else "",
        "推理内存": f"16 位 {need.infer} GB，4 位 {need.infer4} GB" if need else "",
        "微调内存": f"LoRA 16 位 {need.lora} GB，QLoRA 4 位 {need.qlora} GB" if need else "",
        "基座": entry.base,
        "状态": "、".join(state),
        "说明": entry.note,
        "下载命令": f"cornucopia models pull {entry.replaced_by or entry.name}",
    }
    print("\n".join(f"{label}：{value}" for label, value in rows.items() if value))
    if need:
        say(catalogue.FORMULA)
    return 0


def _shape(shape: Shape | None) -> str:
    if shape is None:
        return ""
    return f"{shape.layers} 层，宽 {shape.hidden}，前馈 {shape.mlp}，键值 {shape.kv}，词表 {shape.vocabulary}"


def _show_one(name: str) -> int:
    from cornucopia.core.hub import human
    from cornucopia.models import local

    model = local.read_model(bundled_model() if name == "nano" else project_root() / "base_models" / name)
    rows = {
        "目录": _short(model.folder) + ("（自带）" if model.bundled else ""),
        "结构": model.architecture,
        "参数量": _count(model.parameters),
        "大小": human(model.size),
        "状态": model.problem or "完整",
    }
    print("\n".join(f"{label}：{value}" for label, value in rows.items() if value))
    return 0


def run_pull(argv: list[str]) -> int:
    """Download one model."""
    from cornucopia.models import catalogue, local

    options, _ = parse(
        PullOptions,
        argv,
        prog="cornucopia models pull",
        positional="name",
        summary="下载模型：先告知大小，可断点续传，逐文件校验 SHA-256。",
        positional_help="目录里的名字，或「组织/名字」，或「ms:组织/名字」",
        examples="  cornucopia models pull Qwen2.5-0.5B-Instruct\n  cornucopia models pull llama-7b --hub mirror\n"
        "  cornucopia models pull ms:Qwen/Qwen3-4B --yes",
    )
    if options.name in local.names() and catalogue.find(options.name) is None:
        say(f"{options.name} 已在本地（cornucopia models show {options.name}），不用下载")
        return 0
    folder = catalogue.pull(
        options.name,
        site=options.hub or "",
        revision=options.revision,
        folder=Path(options.dir) if options.dir else None,
        include=options.include,
        weights=not options.config_only,
        agree=lambda size: options.yes or size < ASK_ABOVE or _agreed(),
    )
    print(folder)
    return 0


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return True
    print("继续下载？[Y/n] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("", "y", "yes", "是")


_KINDS = {"base": "基座", "chat": "对话", "adapter": "LoRA"}


def _show_catalogue() -> None:
    from cornucopia.models import catalogue

    rows = []
    for entry in catalogue.entries():
        need = entry.memory
        cells = [f"{need.infer} / {need.infer4}", f"{need.lora} / {need.qlora}"] if need else ["", ""]
        kind = "已下架" if entry.gone else _KINDS[entry.kind]
        rows.append((entry.name, kind, entry.licence, entry.parameters or "", entry.size_gb or "", *cells))
    columns = ("名字", "种类", "许可", "参数 B", "下载 GB", "推理 16/4 位", "微调 16/4 位")
    show_table("模型目录（cornucopia models pull 名字）", columns, rows)
    say(catalogue.FORMULA)


def _show_local() -> None:
    from cornucopia.core.hub import human
    from cornucopia.models import local

    models, adapters = local.list_models(), local.list_adapters()
    rows = [
        (
            _short(model.folder) + ("（自带）" if model.bundled else ""),
            model.architecture,
            _count(model.parameters),
            human(model.size),
            model.problem or "完整",
        )
        for model in models
    ]
    if rows:
        show_table("本地模型", ("目录", "结构", "参数量", "大小", "状态"), rows)
    else:
        say(f"{project_root() / 'base_models'} 下没有模型")
    if adapters:
        show_table(
            "本地适配器",
            ("目录", "基座", "类型", "大小", "状态"),
            [
                (
                    _short(one.folder),
                    one.base,
                    f"{one.kind} r={one.rank}" if one.rank else one.kind,
                    human(one.size),
                    one.problem or "完整",
                )
                for one in adapters
            ],
        )
    if any(model.problem == "下载未完成" for model in models):
        say("未完成的下载：再运行一次同样的 cornucopia models pull 即可续传")
    say("下载更多：cornucopia models list --all 看目录，cornucopia models pull 名字 下载")


def _short(folder: Path) -> str:
    return str(folder.relative_to(project_root())) if folder.is_relative_to(project_root()) else str(folder)


def _count(count: int) -> str:
    if not count:
        return "未知"
    return f"{count / 1e9:.2f}B" if count >= 1e8 else f"{count / 1e6:.1f}M"
