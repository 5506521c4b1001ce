"""Prefix tuning: only the prefix learns and is saved, on bases with shared heads too; plain PEFT opens it."""

from __future__ import annotations

import pytest
import torch
from families import make
from safetensors.torch import load_file

import cornucopia
from cornucopia.core.errors import ConfigError
from cornucopia.inference.generate import Row, Settings, beam_search
from cornucopia.models.load import load_base
from cornucopia.models.memory import Step, read_shape
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.training.methods import METHODS
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run import planner
from cornucopia.training.run.loop import train

IDS = torch.tensor([[1, 5, 9, 30, 7, 12, 80]])


def method(**settings):
    recipe = TrainRecipe.build({"finetuning_type": "prefix", "pre_seq_len": 5} | settings)
    return METHODS[recipe.method](recipe)


@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3", "mistral", "glm4", "gemma2"])
@pytest.mark.parametrize("projection", [False, True])
def test_only_the_prefix_learns_and_plain_peft_opens_it(family, projection, tmp_path):
    from peft import PeftModel

    base = make(family)
    plain = base(input_ids=IDS).logits
    kind = method(prefix_projection=projection, prefix_hidden=16)
    model = kind.apply(base)
    model(input_ids=IDS, labels=IDS).loss.backward()
    trained = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert trained and all(name.startswith("prompt_encoder.") for name in trained)
    assert trained == set(kind.trained(model))
    own = model.eval()(input_ids=IDS).logits
    assert not torch.allclose(own, plain, atol=1e-3)
    kind.finish(model, tmp_path, None)
    assert set(load_file(tmp_path / "adapter_model.safetensors")) == {"prompt_embeddings"}
    opened = PeftModel.from_pretrained(make(family), str(tmp_path)).eval()
    assert torch.allclose(opened(input_ids=IDS).logits, own, atol=1e-5)


@pytest.mark.parametrize("projection", [False, True])
def test_it_resumes_to_the_same_bits(projection, short_run, tmp_path, capsys):
    settings = {"method": "prefix", "pre_seq_len": 4, "prefix_projection": projection, "max_steps": 4, "batch_size": 4}
    train(short_run("whole", **settings, learning_rate=2e-2))
    assert "虚拟词元" in capsys.readouterr().err
    train(short_run("cut", **settings, learning_rate=2e-2))
    for path in (tmp_path / "cut" / "checkpoint-4", tmp_path / "cut"):
        for file in ("complete.json", "train_result.json"):
            (path / file).unlink(missing_ok=True)
    train(short_run("cut", **settings, learning_rate=2e-2, resume=True))
    whole, cut = ((tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_padding_changes_no_loss():
    model = method().apply(make("llama")).eval()
    alone = model(input_ids=IDS).logits
    rows, mask = torch.zeros(2, 10, dtype=torch.long), torch.zeros(2, 10, dtype=torch.long)
    rows[0, :7], mask[0, :7], rows[1], mask[1] = IDS[0], 1, 3, 1
    assert torch.allclose(model(input_ids=rows, attention_mask=mask).logits[0, :7], alone[0], atol=1e-4)


@pytest.mark.parametrize("projection", [False, True])
def test_the_estimate_counts_what_is_trained(projection, small):
    kind = method(prefix_projection=projection)
    model = kind.apply(load_base(resolve(ModelSpec(base=str(small), dtype="float32"))).model)
    counted = kind.memory(read_shape(small), Step(tokens=64, supervised=32, compute_bytes=4)).gradients / 4
    assert counted == sum(p.numel() for p in kind.trained(model).values())


def test_what_recomputes_activations_is_refused_and_never_chosen(short_run):
    with pytest.raises(ConfigError, match="不能重算激活"):
        method(gradient_checkpointing=True)
    recipe = short_run("out", method="prefix", batch_size=1)
    assert planner.step_down(recipe, 1) is None


def test_another_adapter_as_start_is_refused_and_its_own_is_kept(short_run, adapter, tmp_path):
    with pytest.raises(ConfigError, match="不是 prefix"):
        train(short_run("out", method="prefix", resume_from_checkpoint=str(adapter)))
    settings = {"method": "prefix", "max_steps": 1, "batch_size": 4}
    train(short_run("first", **settings, pre_seq_len=3, prefix_projection=True))
    first = str(tmp_path / "first")
    train(short_run("next", **settings, resume_from_checkpoint=first, learning_rate=1e-9))
    before, after = (
        load_file(tmp_path / n / "adapter_model.safetensors")["prompt_embeddings"] for n in ("first", "next")
    )
    assert before.shape[0] == 3 and torch.allclose(before, after, atol=1e-6)


def test_what_it_leaves_answers_scores_and_stands_beside_its_base(short_run, small, tmp_path):
    train(short_run("out", method="prefix", pre_seq_len=3, max_steps=3, batch_size=4, learning_rate=2e-2))
    questions = ["第1问：怎么办？", "怎么", "贷款利率怎么算？等额本息与等额本金的总利息不同。"]
    tuned = cornucopia.load(str(small), adapter=str(tmp_path / "out"), dtype="float32", device="cpu")
    together = tuned.answer(questions, max_new_tokens=6)
    assert together == [tuned.answer(question, max_new_tokens=6) for question in questions]
    assert together != cornucopia.load(str(small), dtype="float32", device="cpu").answer(questions, max_new_tokens=6)
    assert tuned.answer(questions[0], max_new_tokens=6, num_beams=2)
    greedy, other = (tuned.score(questions[0], text) for text in (together[0], together[0] + "利率"))
    assert 0 < greedy.nats < other.nats


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_answers_are_what_the_trained_model_says_word_by_word(family):
    """Through Transformers' `generate`, padded or not, as through the forward pass of training."""
    model = method().apply(make(family)).eval()
    words = IDS
    with torch.no_grad():
        for _ in range(5):
            words = torch.cat([words, model(input_ids=words).logits[:, -1:].argmax(-1)], dim=1)
    prompts = [IDS[0].tolist(), [3, 8, 11, 12, 40, 41, 42, 9, 9, 77, 15]]
    settings = Settings(5, False, 1, 0, frozenset(), (), {})
    rows = [Row(str(number), prompt, 5, settings) for number, prompt in enumerate(prompts)]
    beam_search(model, rows, settings, "cpu")
    assert rows[0].tokens == words[0, IDS.shape[1] :].tolist()
