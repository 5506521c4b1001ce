"""Check-up of this machine: each check is one function that returns a Row; CHECKS is the table of them.

A check never raises for what a user's machine may be like, and never changes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cornucopia.core.doctor import machine, places, software
from cornucopia.core.doctor.row import BAD, GOOD, WARN, Row

__all__ = ["BAD", "CHECKS", "GOOD", "ONLINE", "WARN", "Check", "Row", "check_up"]

Check = Callable[[], Row]

CHECKS: dict[str, Check] = {
    "Python": software.check_python,
    **{name: partial(software.check_package, name) for name in software.CENTRAL},
    "其余依赖": software.check_others,
    "torchvision/torchaudio": software.check_companions,
    "protobuf 与 sentencepiece": software.check_tokenizer_readers,
    "CPU": machine.check_cpu,
    "训练快路": machine.check_fast_paths,
    "内存": machine.check_memory,
    "GPU": machine.check_gpu,
    "bf16": machine.check_bf16,
    "4 位量化": machine.check_4bit,
    "损失图": software.check_plot,
    "磁盘": places.check_disk,
    "写入权限": places.check_writable,
    "自带模型": places.check_bundled,
}
ONLINE: dict[str, Check] = {
    "Hugging Face": partial(places.check_site, "hf"),
    "Hugging Face 镜像": partial(places.check_site, "mirror"),
    "ModelScope": partial(places.check_site, "modelscope"),
}


def check_up(checks: dict[str, Check], done: Callable[[str], None] = lambda name: None) -> list[tuple[str, Row]]:
    """Run `checks` side by side (most of them wait: for a subprocess, for the network); rows in the table's order.

    Args:
        done: told each check's name as it is collected.
    """
    with ThreadPoolExecutor(8) as pool:
        jobs = {name: pool.submit(_run, check) for name, check in checks.items()}
        rows = []
        for name, job in jobs.items():
            rows.append((name, job.result()))
            done(name)
    return rows


def _run(check: Check) -> Row:
    try:
        return check()
    except Exception as error:  # a broken library may raise anything on import; the other rows must still be shown
        found = f"检查没能完成：{type(error).__name__}: {error}"[:200]
        return Row(WARN, found, "反馈时附上 cornucopia doctor --json 的输出")
