"""Adapters that start from a part of the base's weights, kept so that they fit the base as it is.

PiSSA and OLoRA take s B0 A0 out of a weight W and train from there: W - s B0 A0 + s B A. As a plain LoRA on W that is
s [B, -B0] [A; A0], of twice the rank (PEFT's conversion). The trained half stands first, so a checkpoint holds it
exactly; which singular vectors' signs another machine finds does not matter, for only the product B0 A0 counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cornucopia.core.jsonl import write_json


def low_rank_maps(model: Any) -> dict[str, Any]:
    """Copies of A and B of a PEFT model, by the names of PEFT's files."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: value.detach().clone() for name, value in state.items() if _axis(name) is not None}


def write_difference(folder: Path, first: dict[str, Any]) -> None:
    """Make an adapter folder, as PEFT wrote it, the difference between its maps and those at the start.

    Args:
        folder: with adapter_config.json and adapter_model.safetensors.
        first: A (R, I) and B (O, R) of each map at the start.
    """
    import torch
    from safetensors.torch import load_file, save_file

    file = folder / "adapter_model.safetensors"
    weights = load_file(str(file))
    for name, start in first.items():
        axis = 0 if ".lora_A." in name else 1
        start = start.to(weights[name])
        weights[name] = torch.cat([weights[name], -start if axis else start], dim=axis).contiguous()
    save_file(weights, str(file), metadata={"format": "pt"})
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    scale = 2**0.5 if config.get("use_rslora") else 2  # keeps alpha / r, or alpha / sqrt(r)
    config |= {"r": 2 * config["r"], "lora_alpha": scale * config["lora_alpha"], "init_lora_weights": True}
    config["rank_pattern"] = {key: 2 * rank for key, rank in config["rank_pattern"].items()}
    config["alpha_pattern"] = {key: scale * alpha for key, alpha in config["alpha_pattern"].items()}
    write_json(path, config)


def trained_half(weights: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """The maps as they were trained, out of what `write_difference` wrote."""
    halves = {}
    for name, value in weights.items():
        axis = _axis(name) if name in first else None
        halves[name] = value if axis is None else value.narrow(axis, 0, first[name].shape[axis]).contiguous()
    return halves


def _axis(name: str) -> int | None:
    """The dimension that is the rank: of A the first, of B the second."""
    return 0 if ".lora_A." in name else 1 if ".lora_B." in name else None
