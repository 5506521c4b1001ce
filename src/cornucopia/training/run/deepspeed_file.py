"""A DeepSpeed configuration that a recipe names: looked at before anything is loaded, then handed to the Trainer.

DeepSpeed itself is optional. ZeRO 1 and 2 leave the weights whole, so that saving and resuming the adapter or model
are ours; ZeRO 3 does not, and FSDP2 is what shares weights out here.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError, reason

INSTALL = 'pip install "cornucopia-fin[deepspeed]"，从源码目录则是 pip install -e ".[deepspeed]"'


def deepspeed_arguments(path: str | None, processes: int) -> dict[str, Any]:
    """What the Trainer is told; nothing where no file is named.

    Args:
        path: of a JSON file as LLaMA-Factory and the Trainer take it ("auto" values are filled in by the Trainer).
        processes: of the run.

    Raises:
        ConfigError: unreadable, ZeRO 3, one process, or DeepSpeed is not installed.
    """
    if not path:
        return {}
    try:
        config = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("读不了 DeepSpeed 的配置", where=path, found=reason(error), fix="检查路径") from None
    except ValueError as error:
        raise ConfigError("DeepSpeed 的配置不是 JSON", where=path, found=str(error), fix="改好这一处") from None
    zero = config.get("zero_optimization") if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(zero or {}, dict):
        raise ConfigError("DeepSpeed 的配置应是「键: 值」", where=path, fix='如 {"zero_optimization": {"stage": 2}}')
    if (zero or {}).get("stage", 0) == 3:
        raise ConfigError("不支持 ZeRO 3", where=path, fix="权重也要分开就用 shard: fsdp2，去掉 deepspeed")
    if processes == 1:
        fix = "torchrun --nproc-per-node 卡数 -m cornucopia train 配方；只有一个进程就去掉 deepspeed"
        raise ConfigError("DeepSpeed 要几个进程一起", where=path, found="1 个进程", fix=fix)
    if importlib.util.find_spec("deepspeed") is None:
        raise ConfigError("没有装 DeepSpeed", where=path, fix=f"{INSTALL}；或去掉 deepspeed")
    return {"deepspeed": path}
