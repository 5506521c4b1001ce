"""`cornucopia COMMAND ...`: looks the command up in a table and imports only that command's module."""

from __future__ import annotations

import importlib
import os
import sys

from cornucopia.core.errors import ConfigError, CornucopiaError, Interrupted, UsageError, nearest, refused
from cornucopia.core.version import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("cornucopia.cli.train", "微调：LoRA 指令微调，或继续预训练"),
    "infer": ("cornucopia.cli.infer", "批量推理：一个文件进，JSONL 出，可续跑"),
    "chat": ("cornucopia.cli.chat", "在终端里对话"),
    "serve": ("cornucopia.cli.serve", "HTTP 服务：OpenAI 兼容的接口，多个模型和适配器"),
    "compare": ("cornucopia.cli.compare", "多个模型并排比较，生成网页报告"),
    "judge": ("cornucopia.cli.judge", "评委：请模型给对比的回答评高下或打分，带一致程度"),
    "vote": ("cornucopia.cli.vote", "盲投：给比较的回答投票，看排名，写成偏好对"),
    "eval": ("cornucopia.cli.eval", "评测：在金融评测集上打分，带区间、报告，可查训练数据里有没有题"),
    "vocab": ("cornucopia.cli.vocab", "扩词表：给基座加上你的文本里常见的中文词，旧编号不变"),
    "export": ("cornucopia.cli.export", "导出：适配器合并进基座，写成能上传、能部署的模型目录"),
    "models": ("cornucopia.cli.models", "列出本地模型；models pull 下载模型"),
    "data": ("cornucopia.cli.data", "看数据：stats 统计、preview 预览损失掩码、convert 转换格式"),
    "calc": ("cornucopia.cli.calc", "金融计算：房贷、个税、基金、债券……带步骤和依据"),
    "doctor": ("cornucopia.cli.doctor", "体检：环境、显卡、内存、网络，逐项给出办法"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code (0 done, 1 input, 2 usage, 130 interrupted)."""
    try:
        return _told(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        print("已中断", file=sys.stderr)
        return 130


def _told(argv: list[str]) -> int:
    """Run one command; what a user can mend is told on standard error."""
    from cornucopia.core.console import settle_streams

    settle_streams()
    set_defaults()
    _quiet()
    try:
        code = _dispatch(argv)
        sys.stdout.flush()
        return code
    except CornucopiaError as error:
        return _tell(error)
    except BrokenPipeError:
        _close_output()
        return 0
    except (OSError, UnicodeEncodeError) as error:
        told = refused(error) if isinstance(error, OSError) else _not_encoded(error, argv)
        if told is None or os.environ.get("CORNUCOPIA_DEBUG"):
            raise
        _close_output()
        return _tell(told)


def _tell(error: CornucopiaError) -> int:
    print(error if isinstance(error, Interrupted) else f"错误：{error}", file=sys.stderr)
    return error.exit_code


def _close_output() -> None:
    """What standard output still holds goes nowhere: its reader is gone, or its disk is full."""
    output = sys.stdout
    if output is sys.__stdout__ and output is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


def _not_encoded(error: UnicodeEncodeError, argv: list[str]) -> CornucopiaError | None:
    """A name that this system's encoding lacks, or that is not in it; None for a fault of the program's own."""
    system = sys.getfilesystemencoding()
    half = any("\ud800" <= char <= "\udfff" for char in "".join(argv))
    if system.lower().replace("-", "") == "utf8" and not half:
        return None
    found = f"{error.object[error.start : error.end][:20]!a} 写不成 {error.encoding}；系统的编码是 {system}"
    fix = "export LC_ALL=C.UTF-8 PYTHONUTF8=1，名字用 UTF-8 写"
    return ConfigError("名字或路径里的字超出了系统的编码", found=found, fix=fix)


def set_defaults() -> None:
    """Environment that PyTorch's CPU libraries read when they are loaded; what the user has set stays."""
    # Threads that spin at barriers stop a run almost dead when any other program takes a core; sleeping ones do not.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # oneDNN and its wrapper each keep the code of 1024 matrix products of different shapes, about 0.6 MB apiece, and
    # packed rows are of another length in every step: gigabytes. A layer, forward and backward, has some two dozen.
    for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
        os.environ.setdefault(name, "64")
    # Large tensors in huge pages (Linux): training peaks lower, as aligned blocks leave fewer gaps, and is no slower.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")


def _quiet() -> None:
    """Keep the libraries' notices to their developers from the user; CORNUCOPIA_DEBUG=1 shows them."""
    if os.environ.get("CORNUCOPIA_DEBUG"):
        return
    import logging  # here, not above: Ctrl-C before main() has begun is a traceback
    import warnings

    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="(torch|peft|transformers|matplotlib)")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # nothing here forks after tokenising


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"cornucopia {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        close = nearest(argv[0], COMMANDS)
        fix = f"最接近的是 cornucopia {close}" if close else "cornucopia --help"
        raise UsageError("没有这个命令", found=argv[0], fix=fix)
    return importlib.import_module(COMMANDS[argv[0]][0]).run(argv[1:])


def _help() -> str:
    rows = [f"  {name:<10}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            f"聚宝盆 Cornucopia {__version__}：中文金融大语言模型工具箱",
            "",
            "用法：cornucopia 命令 [选项]",
            "",
            "命令：",
            *rows,
            "",
            "每个命令的选项：cornucopia 命令 --help",
            "第一次用：bash scripts/quickstart.sh",
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
