"""Device and dtype choice, each with one rule and its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError

SMALL_MODEL = 1e9  # parameters; below it float32 fits in any laptop's memory


def cpu_has_fast_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware (AVX512-BF16 or AMX); else float32 is faster."""
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name)() for name in checks if hasattr(torch.cpu, name))


def free_bytes(device: str) -> int:
    """Memory that this program may still take on a device, in bytes; a container's limit counts as the machine's."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info()[0]) + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    import psutil

    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        kept = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no control group, or "max"
        return free
    return min(free, limit - used + int(kept.get("inactive_file", 0)))  # what files left in memory is given up


def choose_device(wanted: str = "auto") -> str:
    """ "cuda" when a GPU is usable, else "cpu"; or what was asked for.

    Raises:
        ConfigError: if CUDA was asked for and is not there.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(
            "没有可用的 GPU", where=f"--device {wanted}", fix="cornucopia doctor 查原因，或用 --device cpu"
        )
    return wanted


def choose_dtype(wanted: str, device: str, parameters: float) -> Any:
    """The torch dtype: bfloat16 where the hardware has it; else float16 on GPUs, and on CPU float32 for small models.

    Args:
        wanted: auto | float32 | bfloat16 | float16.
        device: as from choose_device.
        parameters: number of parameters of the model.

    Raises:
        ConfigError: on another name.
    """
    import torch

    names = {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
        "fp32": torch.float32,
        "bf16": torch.bfloat16,
        "fp16": torch.float16,
    }
    if wanted != "auto":
        if wanted not in names:
            raise ConfigError("没有这种数据类型", where="--dtype", found=wanted, fix=f"可选 auto、{'、'.join(names)}")
        return names[wanted]
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float32 if parameters < SMALL_MODEL and not cpu_has_fast_bfloat16() else torch.bfloat16
