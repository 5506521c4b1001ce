"""Tiny random models of the families people train, in float32."""

from __future__ import annotations

SIZES = {
    "vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "initializer_range": 0.25, "pad_token_id": 0,
}  # fmt: skip
TARGETS = {"bloom": ["query_key_value"]}
_EXPERTS = {"moe_intermediate_size": 24, "num_experts_per_tok": 2}
_LATENT = {  # DeepSeek's attention
    "num_key_value_heads": 4, "kv_lora_rank": 16, "q_lora_rank": None, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
    "v_head_dim": 8, "first_k_dense_replace": 1, "n_routed_experts": 4, "n_shared_experts": 1, "topk_group": 1,
    "n_group": 1,
}  # fmt: skip
EXTRA = {
    "llama": {},
    "qwen2": {},
    "qwen2_moe": _EXPERTS | {"num_experts": 4, "shared_expert_intermediate_size": 24},
    "qwen3": {"head_dim": 8},
    "qwen3_moe": _EXPERTS | {"head_dim": 8, "num_experts": 4},
    "glm": {"head_dim": 8},
    "glm4": {"head_dim": 8},
    "glm4_moe": _EXPERTS | {"head_dim": 8, "n_routed_experts": 4, "first_k_dense_replace": 1},
    "mistral": {"sliding_window": 5},
    "mixtral": {"num_local_experts": 4},
    "internlm3": {"head_dim": 8},
    "deepseek_v2": _EXPERTS | _LATENT | {"topk_method": "greedy"},
    "deepseek_v3": _EXPERTS | _LATENT,
    "bloom": {},
    "gemma2": {"head_dim": 8, "attn_logit_softcapping": 5.0, "query_pre_attn_scalar": 8},
    "gemma3_text": {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 5},
    "phi3": {},
    "minicpm3": {
        "num_key_value_heads": 4, "kv_lora_rank": 16, "q_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8,
        "v_head_dim": 8,
    },
    "ernie4_5": {"head_dim": 8},
    "ernie4_5_moe": {"moe_intermediate_size": 24, "moe_k": 2, "moe_num_experts": 4, "moe_num_shared_experts": 1},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8, "num_experts": 4, "moe_topk": 2},
    "seed_oss": {"head_dim": 8},
}  # fmt: skip


def make(family: str, **sizes):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    given = SIZES | EXTRA.get(family, {}) | sizes
    if family == "bloom":
        own = {"vocab_size": 96, "hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.25}
        given = own | sizes
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **given)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


def with_lora(model, family: str):
    """The model with LoRA whose B is not zero, so that every gradient counts."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    targets = TARGETS.get(family, ["q_proj", "v_proj"])
    config = LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM", init_lora_weights=False)
    return get_peft_model(model, config)
