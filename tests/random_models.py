"""Small models of many families with random weights, and answering rows of them in a running batch."""

from __future__ import annotations

import torch
import transformers

SIZES = {
    "vocab_size": 260, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.6, "pad_token_id": 3,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
SERVED = {
    "Llama": {"attention_bias": True, "tie_word_embeddings": True},
    "Qwen2": {},
    "Qwen3": {"head_dim": 12},
    "Mistral": {"sliding_window": None},
}


def made(family, options, seed=3):
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(**(SIZES | options))
    return getattr(transformers, f"{family}ForCausalLM")(config).eval()


def generated(model, prompt, limit=10):
    ids = torch.tensor([prompt])
    mask = torch.ones_like(ids)  # an id that equals the pad's is a token like others
    tokens = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=limit, do_sample=False, pad_token_id=3)
    return tokens[0, len(prompt) :].tolist()


def finish(line, rows):
    """Let a Scheduler answer rows; what each was answered."""
    for row in rows:
        line.add(row)
    while line.busy:
        line.step()
    assert not any(row.error for row in rows), [row.error for row in rows]
    return [row.tokens for row in rows]
