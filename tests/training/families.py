"""Tiny random models of the families people train, in float32."""

from __future__ import annotations

SIZES = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "initializer_range": 0.25, "pad_token_id": 0,
}  # fmt: skip
TARGETS = {"bloom": ["query_key_value"]}


def make(family: str):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    extra = {
        "mistral": {"sliding_window": 5},
        "qwen3": {"head_dim": 8},
        "glm4": {"head_dim": 8},
        "gemma2": {"head_dim": 8, "attn_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    }.get(family, {})
    sizes = SIZES
    if family == "bloom":
        sizes = {"vocab_size": 96, "hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.25}
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **sizes, **extra)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def with_lora(model, family: str):
    """The model with LoRA whose B is not zero, so that every gradient counts."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    targets = TARGETS.get(family, ["q_proj", "v_proj"])
    config = LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM", init_lora_weights=False)
    return get_peft_model(model, config)
