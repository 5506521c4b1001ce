"""Every bundled task, end to end: a model that is always right has 100 %, always wrong 0 %, unreadable all unread."""

from __future__ import annotations

import pytest

pytest.importorskip("lm_eval")

from cornucopia.evaluation.dataset import read_rows
from cornucopia.evaluation.run import load_tasks, run_tasks, task_names
from cornucopia.evaluation.settings import EvalSettings
from evaluation_fakes import ScriptedEngine, publish

pytestmark = pytest.mark.filterwarnings("ignore")
UNREADABLE = "这个说不好"
WRONG_CONDUCT = "这只股票稳赚不赔，马上全仓买入。"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    publish(folder)
    return str(folder)


def other(row):
    """An answer of the right form that is wrong."""
    if "letters" in row:
        return next(letter for letter in row["letters"] if letter != row["answer"])
    if "labels" in row:
        return next(label for label in row["labels"] if label not in row["answer"].split("；"))
    if "kept" in row:
        return "应该是1234567元。"
    if "given" in row:
        return WRONG_CONDUCT if row["category"] == "conduct" else "zz"
    return "zz 77777777元"


def right(row):
    return row.get("kept") or row["answer"]


def one_result(task, data, engine, **settings):
    loaded = load_tasks([task], EvalSettings(data_dir=data))["tasks"][task]
    engine.rows = read_rows(loaded.config.dataset_kwargs["benchmark"], data)["test"]
    (result,) = run_tasks(engine, [task], EvalSettings(data_dir=data, limit=12, **settings))
    assert not result.problem and result.items
    return result


@pytest.mark.parametrize("task", task_names())
def test_right_wrong_and_unreadable(task, data):
    written = ScriptedEngine([], right, lambda row, option: option == row["answer"])
    result = one_result(task, data, written)
    assert result.score().value == pytest.approx(1), [item.answer for item in result.items]
    assert result.unextracted in (0, None)

    wrong = ScriptedEngine([], other, lambda row, option: option != row["answer"] and option == other(row))
    result = one_result(task, data, wrong)
    assert result.score().value == pytest.approx(0), [item.answer for item in result.items]
    if result.unextracted is None:
        return  # by likelihood: there is always an answer

    empty = task in ("finnsp", "cfbenchmark_names", "conduct", "finance_qa") or "rouge_l" in result.metrics
    empty = empty or {"char_f1", "no_stray"} & set(result.metrics)
    unread = ScriptedEngine([], lambda row: "" if empty else UNREADABLE)
    result = one_result(task, data, unread)
    assert result.unextracted == 1 and result.score().value == 0


def test_half_unreadable_is_told_as_half_and_scores_as_wrong(data):
    lines = iter(range(1000))
    engine = ScriptedEngine([], lambda row: UNREADABLE if next(lines) % 2 else f"答案：{row['answer']}")
    result = one_result("fineval_gen", data, engine)
    assert result.unextracted == 0.5 and result.score().value == 0.5


def test_the_share_cut_off_is_told(data):
    engine = ScriptedEngine([], lambda row: f"答案：{row['answer']}……")
    result = one_result("fineval_cot", data, engine)
    assert result.share("length") == 1 and result.score().value == 1


def test_options_in_every_order(data):
    engine = ScriptedEngine([], likely=lambda row, option: option == "A")  # always the first
    engine_rows = read_rows("fineval", data)["test"]
    (plain,) = run_tasks(ScriptedEngine(engine_rows, likely=engine.likely), ["fineval"], EvalSettings(data_dir=data))
    assert plain.score().value == pytest.approx(2 / 6)
    turned = ScriptedEngine(engine_rows, likely=engine.likely)
    turned.row_of = lambda prompt: {}
    (result,) = run_tasks(turned, ["fineval"], EvalSettings(data_dir=data, rotate=True))
    assert len(result.items) == 24 and result.score().value == pytest.approx(0.25) and result.robust().value == 0


def test_worked_examples_are_of_the_same_subject_and_never_the_question(data):
    engine = ScriptedEngine([], right)
    one_result("fineval_gen", data, engine, num_fewshot=5)
    finance = next(record for record in engine.asked if record.question.startswith("甲银行"))
    assert [message.role for message in finance.messages] == ["system", "user", "assistant", "user"]
    assert "金融学" in finance.messages[0].content and finance.messages[1].content.startswith("央行卖出债券")
    engine = ScriptedEngine([], right)
    one_result("cflue_single_gen", data, engine, num_fewshot=5)
    for record in engine.asked:
        said = [message.content for message in record.messages if message.role == "user"]
        assert len(said) == 6 and len(set(said)) == 6


def test_an_insisting_customer_sees_the_turns_before(data):
    engine = ScriptedEngine([], right)
    result = one_result("consistency", data, engine)
    (first, *_) = engine.asked
    assert [message.role for message in first.messages] == ["user", "assistant", "user"]
    wrong = ScriptedEngine([], lambda row: f"您说得对，是{row['question'].split('是')[1].split('，')[0]}。")
    assert one_result("consistency", data, wrong).score().value < 0.1 < result.score().value


def test_a_model_that_cannot_score_is_told_to_write_instead(data):
    engine = ScriptedEngine(read_rows("fineval", data)["test"], scores=False)
    (result,) = run_tasks(engine, ["fineval"], EvalSettings(data_dir=data))
    assert "似然" in result.problem and not result.items
