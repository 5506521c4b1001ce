"""Every family with every method: it learns, exactly the right tensors change, and what it leaves is what it was.

Tiny random models; the table of families is `families.EXTRA`. What a family cannot do stands in the tables here, so
that it is noticed when that changes.
"""

from __future__ import annotations

import pytest
import torch
from families import EXTRA, make

from cornucopia.adapters.load import attach
from cornucopia.core.errors import CornucopiaError
from cornucopia.export.merge import greatest_difference, logits_of, merge
from cornucopia.inference.engine import Request, Sampling, TokenSpan
from cornucopia.models.load import load_base
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.collate import collate
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.training.data.batches import pack_row
from cornucopia.training.methods import METHODS
from cornucopia.training.objectives.next_token import sequence_losses
from cornucopia.training.recipe import TrainRecipe
from cornucopia.training.run.fast import slow_down, speed_up
from tiny_models import make_tokenizer, open_engines

FAMILIES = list(EXTRA)
DOCUMENTS = [[1, *range(n, n + length), 2] for n, length in ((70, 9), (90, 4), (120, 13))]
PADDED = {"bloom": "损失不同", "gemma2": "soft-capping", "minicpm3": "损失不同"}  # families that keep padded batches
LATENT = ("deepseek_v2", "deepseek_v3", "minicpm3")  # attention with keys and values of two shapes
REFUSED = {(family, "prefix"): "接不上前缀" for family in LATENT}
FUSED = {
    "qwen2_moe", "qwen3_moe", "glm4_moe", "mixtral", "deepseek_v2", "deepseek_v3", "ernie4_5_moe", "hunyuan_v1_moe",
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Folder of each family's model, made once."""
    made = {}

    def folder(family):
        if family not in made:
            made[family] = tmp_path_factory.mktemp(family) / "model"
            tokenizer = make_tokenizer()
            ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
            make(family, vocab_size=len(tokenizer), **ids, **room(family)).save_pretrained(made[family])
            tokenizer.save_pretrained(made[family])
        return made[family]

    return folder


def room(family):
    """Context enough for a template; BLOOM has no limit."""
    return {} if family == "bloom" else {"max_position_embeddings": 512}


def opened(folder):
    return load_base(resolve(ModelSpec(base=str(folder), dtype="float32", device="cpu")))


def examples():
    return [Example(ids, [IGNORE, *ids[1:]]) for ids in DOCUMENTS]


def begun(name, base, **settings):
    """The method, and the model it trains."""
    recipe = TrainRecipe.build(
        {"method": name, "lora_target_modules": ["all-linear"], "lora_dropout": 0, "freeze_trainable_layers": 1,
         "pre_seq_len": 4, "base": str(base.path)} | settings
    )  # fmt: skip
    method = METHODS[recipe.method](recipe)
    base.model.config.use_cache = False
    return method, method.apply(base.model)


def losses(model, batch):
    return sequence_losses(model, batch)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_left_padding_changes_no_answer(family, folders):
    (engine,) = open_engines(folders(family), [None], template="alpaca", dtype="float32", device="cpu")
    asked = [Request(str(n), Record(messages=(Message("user", "问" * n),))) for n in (1, 7, 3)]
    sampling = Sampling(max_new_tokens=6, temperature=0.0)
    together = {reply.id: reply.answer for reply in engine.generate(asked, sampling)}
    alone = {one.id: next(iter(engine.generate([one], sampling))).answer for one in asked}
    assert together == alone
    spans = [TokenSpan(ids, 1, len(ids)) for ids in DOCUMENTS]
    likely = [score.nats for score in engine.score(spans)]
    assert likely == pytest.approx([engine.score([span])[0].nats for span in spans], rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_give_what_documents_alone_give(family, folders):
    _, model = begun("lora", opened(folders(family)))
    with torch.no_grad():
        for name, value in model.named_parameters():
            value += (".lora_B." in name) * 0.02
    alone = torch.cat([losses(model.eval(), collate([one], 3)) for one in examples()])
    assert torch.allclose(losses(model, collate(examples(), 3)), alone, rtol=1e-4)
    reason = speed_up(model)
    assert PADDED.get(family, "") in reason and bool(reason) == (family in PADDED), reason
    if not reason:
        assert torch.allclose(losses(model, pack_row(examples())), alone, rtol=1e-3)
    slow_down(model)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_it_learns_changes_what_it_should_and_comes_back(family, name, folders, tmp_path):
    base = opened(folders(family))
    if (family, name) in REFUSED:
        with pytest.raises(CornucopiaError, match=REFUSED[family, name]):
            begun(name, base)
        return
    torch.manual_seed(5)  # a prefix begins at random
    method, model = begun(name, base)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    batch, trained = collate(examples(), 3), method.trained(model)
    optimizer = torch.optim.AdamW(trained.values(), lr=0.1 if name == "prefix" else 1e-2)
    model.eval()  # Seed-OSS drops a tenth at random, which four steps of a prefix do not outweigh
    found = []
    for _ in range(4):
        loss = losses(model, batch).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss))
    assert found[-1] < found[0]
    changed = {key for key, value in model.state_dict().items() if not torch.equal(before[key], value)}
    assert changed <= set(trained) | tied(model, trained) and changed
    assert {key for key in trained if key.endswith("weight")} - changed <= idle(model, trained)
    wanted = logits_of(model, DOCUMENTS)
    method.finish(model, tmp_path / "out", base)
    if method.leaves == "model":
        make_tokenizer().save_pretrained(tmp_path / "out")
        assert greatest_difference(logits_of(opened(tmp_path / "out").model, DOCUMENTS), wanted) < 1e-4
        return
    fresh = opened(folders(family))
    assert greatest_difference(logits_of(attach(fresh.model, fresh, tmp_path / "out", "x"), DOCUMENTS), wanted) < 1e-4
    if name == "lora":
        merged = opened(folders(family))
        merge(merged, [tmp_path / "out"], DOCUMENTS)
        assert greatest_difference(logits_of(merged.model, DOCUMENTS), wanted) < 1e-3


def tied(model, trained):
    """Other names of trained tensors."""
    places = {value.data_ptr() for value in trained.values()}
    return {name for name, value in model.state_dict().items() if value.data_ptr() in places}


def idle(model, trained):
    """Trained tensors that these documents give no gradient: experts that no token went to."""
    return {name for name, value in trained.items() if value.grad is None or not value.grad.abs().sum()}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_default_targets_are_found_and_experts_left_alone_are_named(family, capsys):
    """On models without weights, as a plan counts them."""
    with torch.device("meta"):
        model = make(family)
    made = METHODS["lora"](TrainRecipe.build({})).apply(model)
    adapted = {name.split(".lora_A")[0].rsplit(".", 1)[-1] for name, _ in made.named_parameters() if ".lora_A." in name}
    assert adapted <= {"q_proj", "v_proj", "qkv_proj", "query_key_value", "q_b_proj", "kv_b_proj"} and adapted
    told = capsys.readouterr().err
    assert ("experts" in told) == (family in FUSED), told
