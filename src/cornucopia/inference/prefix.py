"""Prefix tuning at inference: the base model with the learnt keys and values as its cache.

PEFT's own way through `generate` gives other positions than training does, and drops those of padded rows.
"""

from __future__ import annotations

from typing import Any

import torch


def has_prefix(model: Any) -> bool:
    """Whether the active adapter is prefix tuning."""
    config = getattr(model, "active_peft_config", None)
    return config is not None and config.peft_type == "PREFIX_TUNING"


def behind_prefix(model: Any, inputs: dict[str, Any], copies: int = 1) -> tuple[Any, dict[str, Any]]:
    """The base model and its inputs, with the prefix before them.

    Args:
        model: a PEFT model whose active adapter has a prefix of P tokens.
        inputs: with attention_mask (B, T), and position_ids (B, T) if the model takes them.
        copies: rows of the cache for each row of the inputs: beams.

    Returns:
        The base, and inputs with a cache of P tokens, attention_mask (B, P + T), and positions from P on.
    """
    mask, length = inputs["attention_mask"], model.active_peft_config.num_virtual_tokens
    inputs = inputs | {
        "attention_mask": torch.cat([mask.new_ones(len(mask), length), mask], dim=1),
        "past_key_values": model.get_prompt(len(mask) * copies),
    }
    if inputs.get("position_ids") is not None:
        inputs["position_ids"] = inputs["position_ids"] + length
    return model.get_base_model(), inputs


def behind_filler(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Prompts (B, T) with P tokens before them, which `generate` takes for those the cache holds and never reads."""
    length = model.active_peft_config.num_virtual_tokens
    return torch.cat([ids[:, -1:].expand(-1, length), ids], dim=1)
