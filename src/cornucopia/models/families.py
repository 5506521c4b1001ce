"""What differs between model families for LoRA: names of the linear maps."""

from __future__ import annotations

from typing import Any

from cornucopia.core.errors import ConfigError, nearest


def lora_targets(model: Any, wanted: list[str]) -> list[str] | str:
    """The module names LoRA goes on, checked against the model.

    Args:
        model: a loaded causal language model.
        wanted: names such as q_proj, or ["all-linear"].

    Returns:
        The names, or "all-linear" (which PEFT expands to every linear map but the output layer).

    Raises:
        ConfigError: when a name is not in the model, with the names that are.
    """
    if wanted == ["all-linear"]:
        return "all-linear"
    linear = sorted(
        {
            name.rsplit(".", 1)[-1]
            for name, module in model.named_modules()
            if hasattr(module, "weight") and "Linear" in type(module).__name__
        }
    )
    present = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    missing = [name for name in wanted if name not in present]
    if not missing:
        return wanted
    if wanted == ["q_proj", "v_proj"]:
        # The original's default names LLaMA's maps; other families fuse or rename them.
        for names in (["query_key_value"], ["qkv_proj"], ["c_attn"], ["q_proj", "v_proj"]):
            if all(name in present for name in names):
                return names
    close = nearest(missing[0], linear)
    raise ConfigError(
        "模型里没有这个层",
        where=f"--lora-target-modules {missing[0]}",
        found=f"有 {'、'.join(linear)}",
        fix=f"最接近的是 {close}；或写 all-linear" if close else "写 all-linear",
    )
