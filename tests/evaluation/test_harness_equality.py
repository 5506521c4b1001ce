"""Our results are those of lm-evaluation-harness's own Hugging Face backend on the same YAML, item by item."""

from __future__ import annotations

import pytest

pytest.importorskip("lm_eval")

from cornucopia.evaluation.run import load_tasks, run_tasks
from cornucopia.evaluation.settings import EvalSettings
from cornucopia.inference.engine import Sampling
from evaluation_fakes import publish
from tiny_models import make_model, open_engines

pytestmark = pytest.mark.filterwarnings("ignore")
TASKS = ("fineval", "cflue_multiple", "finre", "fineval_gen")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    publish(folder)
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("wide") / "model", context=2048)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A template that adds nothing."""
    path = tmp_path_factory.mktemp("raw") / "raw.json"
    path.write_text(
        '{"prompt_input": "{instruction}", "prompt_no_input": "{instruction}", "response_split": ""}', encoding="utf-8"
    )
    return str(path)


def harness_samples(task, settings, model):
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=1)
    found = evaluate(lm=lm, task_dict=load_tasks([task], settings), bootstrap_iters=0, log_samples=True)
    return sorted(found["samples"][task], key=lambda sample: sample["doc_id"])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("fewshot", [0, 3])
def test_item_by_item(task, fewshot, data, model, raw):
    from cornucopia.evaluation.harness_model import EngineLM

    settings = EvalSettings(data_dir=data, plain=True, num_fewshot=fewshot, max_new_tokens=None)
    theirs = harness_samples(task, settings, model)
    (engine,) = open_engines(model, [None], template=raw, dtype="float32")
    (ours,) = run_tasks(engine, [task], settings)
    assert len(ours.items) == len(theirs) > 1
    for item, sample in zip(ours.items, theirs, strict=True):
        assert {name: item.scores[name] for name in sample["metrics"] if name != "ece"} == {
            name: sample[name] for name in sample["metrics"] if name != "ece"
        }
        if task.endswith("_gen"):
            assert item.answer == sample["filtered_resps"][0].strip().rstrip("\ufffd").strip()  # half a character
    if task.endswith("_gen"):
        return
    lm = EngineLM(engine, Sampling())
    pairs = [argument[:2] for sample in theirs for argument in sample["arguments"]]
    wanted = [response for sample in theirs for response in sample["filtered_resps"]]
    got = lm._score([(context, option) for context, option in pairs])
    for row, (their_score, their_greedy) in zip(got, wanted, strict=True):
        assert row["score"] == pytest.approx(float(their_score), abs=2e-3, rel=1e-4) and row["greedy"] == their_greedy


def test_a_prompt_beyond_the_context_is_cut_as_the_harness_cuts_it_and_told(data, tmp_path, raw):
    model = make_model(tmp_path / "short", context=96)
    settings = EvalSettings(data_dir=data, plain=True, num_fewshot=0)
    theirs = harness_samples("fineval", settings, model)
    (engine,) = open_engines(model, [None], template=raw, dtype="float32")
    (ours,) = run_tasks(engine, ["fineval"], settings)
    assert ours.cut == len(ours.items)
    assert [item.scores["acc"] for item in ours.items] == [sample["acc"] for sample in theirs]
