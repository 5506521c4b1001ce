"""Whole runs of updates: the fast step walks the same path as plain Transformers with PEFT, documents padded."""

from __future__ import annotations

import pytest
import torch
from families import make, with_lora

from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.data.batches import pack_row
from cornucopia.training.objectives.next_token import answer_loss
from cornucopia.training.run.fast import extras, speed_up

UPDATES, DOCUMENTS, MICRO = 6, 8, 4


def updates():
    """The same two updates in turn, so that something can be learnt."""
    for number in range(UPDATES):
        generator = torch.Generator().manual_seed(11 + number % 2)
        rows = []
        for length in torch.randint(3, 40, (DOCUMENTS,), generator=generator).tolist():
            ids = torch.randint(1, 96, (length,), generator=generator).tolist()
            rows.append(Example(ids, [IGNORE] * (length // 2) + ids[length // 2 :]))
        yield rows


def walk(model, step):
    """Losses of AdamW updates of two micro-batches each, and the trained weights at the end."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=3e-3)
    losses = []
    for rows in updates():
        items = sum(row.supervised for row in rows)
        parts = [step(model, rows[start : start + MICRO], items) for start in range(0, DOCUMENTS, MICRO)]
        sum(parts).backward()
        torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(sum(parts).detach()))
    return losses, {name: p.detach().clone() for name, p in trained.items()}


def plain_step(model, rows, items):
    return model(**collate(rows, 0), num_items_in_batch=items).loss


def fast_step(model, rows, items):
    batch = pack_row(rows) if "packed" in extras(model) else collate(rows, 0)
    return answer_loss(model, batch, items)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral", "glm4", "bloom"])
def test_the_fast_step_walks_the_path_of_plain_transformers_and_peft(family):
    slow, slow_weights = walk(with_lora(make(family), family), plain_step)
    model = with_lora(make(family), family)
    speed_up(model)
    fast, fast_weights = walk(model, fast_step)
    assert slow[0] > slow[-2], "the walk must learn something for the comparison to mean anything"
    assert fast == pytest.approx(slow, rel=1e-5)
    for name, weight in slow_weights.items():
        assert torch.allclose(fast_weights[name], weight, rtol=1e-3, atol=1e-4), name


def test_in_bfloat16_the_paths_stay_within_rounding():
    def autocast(step):
        def run(*arguments):
            with torch.autocast("cpu", torch.bfloat16):
                return step(*arguments)

        return run

    slow, _ = walk(with_lora(make("llama").bfloat16(), "llama"), autocast(plain_step))
    model = with_lora(make("llama").bfloat16(), "llama")
    assert speed_up(model) == ""
    fast, _ = walk(model, autocast(fast_step))
    assert fast == pytest.approx(slow, rel=2e-2)


def quantised(kind, tmp_path):
    """The tiny LLaMA with LoRA on an 8-bit base."""
    from transformers import AutoModelForCausalLM

    from cornucopia.models.eight_bit import EightBitConfig, register

    register()
    make("llama").save_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(
        tmp_path, dtype=torch.float32, quantization_config=EightBitConfig(kind)
    )
    return with_lora(model, "llama")


@pytest.mark.parametrize(
    ("kind", "rel", "whole"), [("int8", 1e-5, 1e-2), ("int8_dot", 1e-2, 2e-2), ("fp8", 3e-2, 5e-2)]
)
def test_on_8_bit_bases_the_fast_step_walks_the_path_of_the_plain_one_and_near_that_of_the_whole_base(
    kind, rel, whole, tmp_path
):
    slow, _ = walk(quantised(kind, tmp_path), plain_step)
    model = quantised(kind, tmp_path)
    assert speed_up(model) == "" and extras(model) == {"packed", "lora", "norm", "mlp", "rows"}
    fast, _ = walk(model, fast_step)
    assert fast == pytest.approx(slow, rel=rel)
    assert fast == pytest.approx(walk(with_lora(make("llama"), "llama"), plain_step)[0], rel=whole)
