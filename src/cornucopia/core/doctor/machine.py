"""Checks of the machine: processor, memory, GPU, and the number formats that they really compute."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from cornucopia.core.doctor import software
from cornucopia.core.doctor.row import BAD, GOOD, WARN, Row, try_code

# Quantises one small layer and runs it: importing bitsandbytes alone proves nothing.
_FOUR_BIT = """
import torch, bitsandbytes as bnb
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.manual_seed(0)
plain = torch.nn.Linear(64, 64, bias=False)
layer = bnb.nn.Linear4bit(64, 64, bias=False, compute_dtype=torch.float32, quant_type="nf4")
layer.load_state_dict(plain.state_dict())
layer = layer.to(device)
x = torch.randn(2, 64)
with torch.no_grad():
    error = (layer(x.to(device)).float().cpu() - plain(x)).norm() / plain(x).norm()
assert layer.weight.dtype == torch.uint8, "没有真的量化"
assert error < 0.3, f"误差 {error:.2f}"
print(f"bitsandbytes {bnb.__version__} 在 {device} 上量化成功，误差 {100 * error:.0f}%")
"""


def check_cpu() -> Row:
    """Cores, and the vector instructions on which CPU training speed depends."""
    import torch

    flags = cpu_flags()
    level = torch.backends.cpu.get_cpu_capability()
    extra = [name for name, flag in (("AVX512-bf16", "avx512_bf16"), ("AMX-bf16", "amx_bf16")) if flag in flags]
    found = f"{os.cpu_count()} 核，{platform.machine()}，{'、'.join([level, *extra])}"
    if level in ("DEFAULT", "NO AVX"):
        return Row(WARN, found, "这颗 CPU 没有 AVX2，训练会很慢；换机器或用 GPU")
    return Row(GOOD, found)


def check_fast_paths() -> Row:
    """Which of the ways to train quicker this processor can take, and whether `--compile on` pays (docs/speed.md)."""
    import torch

    if torch.cuda.is_available():
        return Row(GOOD, "在 GPU 上训练；--compile on 由 Triton 编译逐元素的运算")
    flags, compiler = cpu_flags(), _compiler()
    if {"amx_bf16", "amx_tile"} <= flags:
        found = "AMX：矩阵乘用 bf16，很快，逐元素的运算占到三分之一；--compile on 值得（一台这样的机器上快到 1.37 倍）"
    elif "avx512_bf16" in flags:
        found = "AVX512-BF16：矩阵乘用 bf16；--compile on 快多少没有测过，长的训练开头会自动试，取快的"
    else:
        level = torch.backends.cpu.get_cpu_capability()
        return Row(GOOD, f"{level}：矩阵乘用 float32，占去大半时间；--compile on 在这样的 CPU 上看不出差别，不必开")
    if not compiler:
        return Row(WARN, f"{found}；但没有 C++ 编译器，编译不了", "sudo apt-get install -y g++")
    return Row(GOOD, f"{found}；编译器 {compiler}")


def _compiler() -> str:
    """The C++ compiler that PyTorch's own compiler would call, or ''."""
    names = [os.environ.get("CXX", ""), "g++", "clang++"]
    return next((path for name in names if name and (path := shutil.which(name))), "")


def cpu_flags() -> set[str]:
    """Instruction sets by Linux's names; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return set(next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), []))


def check_memory() -> Row:
    """Main memory, total and free."""
    import psutil

    memory = psutil.virtual_memory()
    free, found = memory.available / 1e9, f"共 {memory.total / 1e9:.0f} GB，可用 {memory.available / 1e9:.0f} GB"
    if free < 2:
        return Row(BAD, found, "至少要 2 GB 可用内存才能跑自带小模型：关掉别的程序")
    if free < 8:
        return Row(WARN, found, "够用自带小模型和 0.5B 模型；更大的看 cornucopia models list --all 的内存一栏")
    return Row(GOOD, found)


def check_gpu() -> Row:
    """GPUs that torch can use, or why it cannot use the one that is there."""
    import torch

    if torch.cuda.is_available():
        return Row(GOOD, "；".join(_describe(index) for index in range(torch.cuda.device_count())))
    if getattr(torch.backends, "mps", None) and torch.backends.mps.is_available():
        return Row(GOOD, "Apple GPU（MPS），默认不用，算在 CPU 上")
    seen = nvidia_smi()
    if not seen:
        return Row(GOOD, "没有 GPU，用 CPU（自带小模型和 0.5B 模型够用）")
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return Row(WARN, f"有 {seen}，但 CUDA_VISIBLE_DEVICES 把它藏起来了", "unset CUDA_VISIBLE_DEVICES")
    if torch.version.cuda is None:
        fix = f"{sys.executable} -m pip install --force-reinstall '{software.requirements()['torch']}'"
        found = f"有 {seen}，但装的是 CPU 版 torch（{torch.__version__}）"
        return Row(BAD, found, f"{fix}（Windows 按 pytorch.org 的说明选 CUDA 版）")
    found = f"有 {seen}，但 torch（CUDA {torch.version.cuda}）用不了它"
    return Row(BAD, found, "多半是驱动太旧：升级 NVIDIA 驱动后重启，再 nvidia-smi")


def _describe(index: int) -> str:
    import torch

    free, total = torch.cuda.mem_get_info(index)
    name, capability = torch.cuda.get_device_name(index), ".".join(map(str, torch.cuda.get_device_capability(index)))
    return f"{name}（{capability}），显存 {total / 1e9:.0f} GB，空闲 {free / 1e9:.0f} GB"


def nvidia_smi() -> str:
    """Names of NVIDIA GPUs as the driver tells them, or ''."""
    tool = shutil.which("nvidia-smi")
    if not tool:
        return ""
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=15, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "、".join(done.stdout.decode(errors="replace").split("\n")).strip("、") if done.returncode == 0 else ""


def check_bf16() -> Row:
    """Whether 16-bit brain floats are computed by the hardware."""
    import torch

    if torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Row(GOOD, "GPU 支持 bf16")
        return Row(WARN, "GPU 不支持 bf16（要 Ampere 或更新）", "训练加 --dtype float16")
    if {"avx512_bf16", "amx_bf16"} & cpu_flags():
        return Row(GOOD, "CPU 有 bf16 指令")
    return Row(GOOD, "CPU 没有 bf16 指令：1B 以下的模型自动用 float32，更大的用 bfloat16，会慢")


def check_4bit() -> Row:
    """Whether bitsandbytes really quantises here."""
    import importlib.util

    fix = f"{sys.executable} -m pip install 'bitsandbytes>=0.48'"
    if not importlib.util.find_spec("bitsandbytes"):
        return Row(WARN, "没有安装 bitsandbytes（4 位加载要用）", fix)
    well, said = try_code(_FOUR_BIT)
    if not well:
        return Row(WARN, f"bitsandbytes 用不了：{said}", f"{fix} --upgrade；修好之前不量化（--bits 0）")
    return Row(GOOD, said)
