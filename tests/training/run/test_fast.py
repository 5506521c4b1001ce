"""The fast step against Transformers' own: padded batch, its loss, its gradients."""

from __future__ import annotations

import shutil

import pytest
import torch
from families import make, with_lora

import avx512_cpu
from cornucopia.kernels import fusion
from cornucopia.models.load import load_base
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.data.batches import pack_row
from cornucopia.training.objectives.next_token import answer_loss
from cornucopia.training.run.fast import extras, left_out, slow_down, speed_up, speed_up_layers
from tiny_models import make_model

FAST = ("llama", "qwen2", "qwen3", "mistral", "glm4")


PARTS = {"llama": {"packed", "lora", "norm", "mlp", "rows"}, "glm4": {"packed", "lora", "norm"}, "bloom": {"lora"}}


def examples(lengths=(9, 23, 4, 17)):
    generator = torch.Generator().manual_seed(3)
    made = []
    for length in lengths:
        ids = torch.randint(1, 96, (length,), generator=generator).tolist()
        made.append(Example(ids, [IGNORE] * (length // 2) + ids[length // 2 :]))
    return made


def gradients(model, loss):
    model.zero_grad(set_to_none=True)
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


def reference(model, batch, items):
    """Transformers' own padded step: its forward pass with labels and its loss, num_items_in_batch given."""
    return model(**batch, num_items_in_batch=items).loss


@pytest.mark.parametrize("family", FAST)
def test_loss_and_gradients_equal_transformers_own_padded_step(family):
    model = with_lora(make(family), family)
    items = sum(e.supervised for e in examples())
    slow = reference(model, collate(examples(), 0), items)
    expected = gradients(model, slow)
    plain = answer_loss(model, collate(examples(), 0), items)
    assert torch.allclose(plain, slow, rtol=1e-5)
    assert speed_up(model) == ""
    fast = answer_loss(model, pack_row(examples()), items)
    assert torch.allclose(fast, slow, rtol=1e-5, atol=1e-6)
    found = gradients(model, fast)
    assert set(found) == set(expected) and all(g.abs().max() > 0 for g in expected.values())
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-5), name
    slow_down(model)
    assert torch.allclose(reference(model, collate(examples(), 0), items), slow, rtol=1e-6)


@pytest.mark.parametrize("family", FAST)
def test_parts_of_an_update_add_up_to_the_whole(family):
    model = with_lora(make(family), family)
    assert speed_up(model) == ""
    rows = examples((9, 23, 4, 17, 6, 12, 8, 5))
    items = sum(e.supervised for e in rows)
    whole = gradients(model, answer_loss(model, pack_row(rows), items))
    parts = sum(answer_loss(model, pack_row(rows[i : i + 2]), items) for i in range(0, 8, 2))
    for name, gradient in gradients(model, parts).items():
        assert torch.allclose(gradient, whole[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("family", ["bloom", "gemma2"])
def test_a_model_that_would_give_another_result_keeps_the_plain_step(family):
    """BLOOM's positions and Gemma 2's soft-capping are not in the packed attention."""
    model = with_lora(make(family), family)
    before = answer_loss(model, collate(examples(), 0), 1)
    items = sum(e.supervised for e in examples())
    expected = gradients(model, reference(model, collate(examples(), 0), items))
    reason = speed_up(model)
    assert reason and extras(model) == {"lora"}
    assert torch.allclose(answer_loss(model, collate(examples(), 0), 1), before, rtol=1e-6)
    for name, gradient in gradients(model, reference(model, collate(examples(), 0), items)).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-6), name
    slow_down(model)
    assert torch.equal(answer_loss(model, collate(examples(), 0), 1), before)


def test_full_training_gets_the_same_gradients_in_every_parameter():
    model = make("llama").train()
    items = sum(e.supervised for e in examples())
    expected = gradients(model, reference(model, collate(examples(), 0), items))
    assert speed_up(model) == "" and model.training
    found = gradients(model, answer_loss(model, pack_row(examples()), items))
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-4, atol=1e-5), name


def test_gradient_checkpointing_changes_nothing():
    model = with_lora(make("llama"), "llama")
    assert speed_up(model) == ""
    expected = gradients(model, answer_loss(model, pack_row(examples()), 1))
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable()
    model.train()
    for name, gradient in gradients(model, answer_loss(model, pack_row(examples()), 1)).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-5), name


def test_documents_that_leak_into_each_other_are_noticed(monkeypatch):
    """Attention over the whole row: with flat random weights the loss hardly moves, yet it must be refused."""
    from cornucopia.kernels import packed_attention as kernel

    def leaky(module, query, key, value, mask, cu_seq_lens_q=None, **rest):
        return kernel.packed_attention(module, query, key, value, mask, **rest)

    def register():
        from transformers import AttentionInterface

        AttentionInterface.register("leaky", leaky)
        return "leaky"

    monkeypatch.setattr(kernel, "register", register)
    model = make("llama")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.2)
    assert "不同" in speed_up(model) or "改变" in speed_up(model)
    assert "packed" not in extras(model)


def test_every_part_is_on_where_it_applies():
    for family, parts in PARTS.items():
        model = with_lora(make(family), family)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        speed_up(model)
        assert extras(model) == parts, family
        assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
        slow_down(model)
        assert extras(model) == set() and not any("forward" in m.__dict__ for m in model.modules())


def test_a_part_that_computes_something_else_is_left_out(monkeypatch):
    from cornucopia.kernels import lora_linear as kernel

    def wrong(x, frozen, bias, down, up, kept=None):
        return x @ frozen.weight.T + (x @ down.T) @ up.T * 1.5

    monkeypatch.setattr(kernel, "lora_linear", wrong)
    model = with_lora(make("llama"), "llama")
    assert speed_up(model) == "" and extras(model) == PARTS["llama"] - {"lora"}
    assert set(left_out(model)) == {"lora"} and "不同" in left_out(model)["lora"]


def test_one_document_does_not_change_anothers_gradient():
    """The gradient of the second document's answer is the same whatever the first one says."""
    model = with_lora(make("llama"), "llama")
    assert speed_up(model) == ""
    first, second, third = examples((9, 23, 11))
    silent = [Example(e.input_ids, [IGNORE] * len(e.input_ids)) for e in (first, third)]
    found = [gradients(model, answer_loss(model, pack_row([other, second]), 1)) for other in silent]
    alone = gradients(model, answer_loss(model, pack_row([second]), 1))
    for name, gradient in alone.items():
        assert torch.allclose(found[0][name], gradient, rtol=1e-4, atol=1e-6), name
        assert torch.allclose(found[1][name], gradient, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("family", [*FAST, "bloom"])
def test_another_loop_gets_the_layers_and_keeps_its_batches_and_loss(family):
    model = with_lora(make(family), family)
    items = sum(e.supervised for e in examples())
    slow = reference(model, collate(examples(), 0), items)
    expected = gradients(model, slow)
    assert speed_up_layers(model) == PARTS.get(family, PARTS["llama"]) - {"packed", "rows"}
    fast = reference(model, collate(examples(), 0), items)
    assert torch.allclose(fast, slow, rtol=1e-5)
    for name, gradient in gradients(model, fast).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-5), name
    slow_down(model)
    assert not any("forward" in m.__dict__ for m in model.modules())


@pytest.mark.parametrize("family", FAST)
def test_another_loop_with_packed_rows_gets_attention_by_documents(family):
    model = with_lora(make(family), family)
    items = sum(e.supervised for e in examples())
    expected = gradients(model, reference(model, collate(examples(), 0), items))
    assert "packed" in speed_up_layers(model, packed=True)
    row = pack_row(examples())
    row = {name: row[name] for name in ("input_ids", "labels", "position_ids", "cu_seq_lens_q")}
    for name, gradient in gradients(model, reference(model, row, items)).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-5), name


def test_a_part_of_another_loop_that_computes_something_else_is_left_out(monkeypatch):
    from cornucopia.training.run import fast

    def wrong(norm):
        norm.forward = lambda x: x * norm.weight
        return lambda: norm.__dict__.pop("forward")

    monkeypatch.setattr(fast, "patch_norm", wrong)
    model = with_lora(make("llama"), "llama")
    assert speed_up_layers(model) == {"lora", "mlp"}


@pytest.mark.parametrize("packing", [False, True])
def test_trls_trainer_walks_the_same_path_with_our_layers(packing, tmp_path):
    """TRL's SFTTrainer as its documentation sets it up; one line more."""
    trl = pytest.importorskip("trl")
    from datasets import Dataset

    from tiny_models import make_tokenizer

    def losses(ours):
        model = with_lora(make("llama"), "llama")
        rows = [{"input_ids": e.input_ids, "labels": e.labels} for e in examples((9, 23, 4, 17, 12, 30, 8, 5))]
        settings = trl.SFTConfig(
            output_dir=str(tmp_path), max_steps=4, per_device_train_batch_size=2, packing=packing, max_length=40,
            use_cpu=True, bf16=False, report_to="none", logging_steps=1, save_strategy="no", learning_rate=3e-3,
            gradient_checkpointing=False, disable_tqdm=True, dataset_kwargs={"skip_prepare_dataset": True},
        )  # fmt: skip
        data = Dataset.from_list(rows)
        if packing:
            data = trl.pack_dataset(data, 40, "bfd")
        trainer = trl.SFTTrainer(model, args=settings, train_dataset=data, processing_class=make_tokenizer())
        if ours:
            assert speed_up_layers(trainer.model, packed=packing) == {"lora", "norm", "mlp"} | (
                {"packed"} if packing else set()
            )
        trainer.train()
        return [row["loss"] for row in trainer.state.log_history if "loss" in row]

    slow = losses(False)
    assert len(slow) == 4 and losses(True) == pytest.approx(slow, rel=1e-4)


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="needs a C++ compiler")
def test_compiled_it_gives_the_same_and_is_undone():
    from transformers.models.llama import modeling_llama

    plain = modeling_llama.apply_rotary_pos_emb
    model = with_lora(make("llama"), "llama")
    speed_up(model)
    expected = gradients(model, answer_loss(model, pack_row(examples()), 1))
    assert speed_up(model, compiled=True) == "" and extras(model) == PARTS["llama"] | {"compiled"}
    assert modeling_llama.apply_rotary_pos_emb is not plain and fusion.in_use()
    for name, gradient in gradients(model, answer_loss(model, pack_row(examples()), 1)).items():
        assert torch.allclose(gradient, expected[name], rtol=1e-4, atol=1e-5), name
    slow_down(model)
    assert modeling_llama.apply_rotary_pos_emb is plain and not fusion.in_use()


def test_where_nothing_can_be_compiled_the_other_parts_stay(monkeypatch):
    def broken(*_):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(fusion, "fuse_rotary", broken)
    model = with_lora(make("llama"), "llama")
    assert speed_up(model, compiled=True) == "" and extras(model) == PARTS["llama"]
    assert not fusion.in_use()


@pytest.mark.parametrize("width", [32, 64])
def test_4_bit_bases_train_fast_where_bitsandbytes_rewrites_weights_for_inference(width, tmp_path, monkeypatch):
    """Of width 64 it rewrites them, of width 32 it fails at them: in the probe, and at the first validation."""
    pytest.importorskip("bitsandbytes", minversion="0.49")
    avx512_cpu.pretend(monkeypatch)
    folder = make_model(tmp_path, width=width)
    spec = resolve(ModelSpec(base=str(folder), bits=4, dtype="float32", device="cpu"))
    model = with_lora(load_base(spec).model, "llama")
    with torch.no_grad():
        model(**collate(examples(), 0))
    assert speed_up(model) == "" and extras(model) == PARTS["llama"] and left_out(model) == {}
    before = gradients(model.train(), answer_loss(model, pack_row(examples()), 1))
    with torch.no_grad():
        answer_loss(model.eval(), pack_row(examples()), 1)
    after = gradients(model.train(), answer_loss(model, pack_row(examples()), 1))
    assert all(g.abs().max() > 0 and torch.equal(g, after[name]) for name, g in before.items())
