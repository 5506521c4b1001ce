"""The Python API as a script uses it: docs/python.md run word for word, and what it does with wrong input."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import cornucopia
from cornucopia.core.paths import project_root
from cornucopia.inference.text import Thought
from tiny_models import make_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("api") / "tiny")


@pytest.fixture(scope="module")
def model(tiny):
    return cornucopia.load(tiny, dtype="float32", template="fin_template")


def test_the_docs_run_as_one_script_from_the_checkout(tmp_path):
    text = (project_root() / "docs" / "python.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.S))
    for name in ("instruction_data", "base_models"):
        (tmp_path / name).symlink_to(project_root() / name)
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "runs" / "python-compare" / "report.html").is_file()
    assert sum(line.startswith(("基座 ", "调优后 ")) for line in done.stdout.splitlines()) == 6


def test_several_questions_are_answered_in_order_as_each_alone(model):
    questions = ["什么是净值？", "什么是保费？还有一句更长的话。", "复利"]
    together = model.answer(questions, max_new_tokens=6)
    assert together == [model.answer(question, max_new_tokens=6) for question in questions]


def test_a_stream_is_the_answer_in_pieces(model):
    pieces = [str(piece) for piece in model.stream("什么是汇率？", max_new_tokens=12) if not isinstance(piece, Thought)]
    assert "".join(pieces).strip() == model.answer("什么是汇率？", max_new_tokens=12)


def test_a_conversation_remembers_and_material_and_system_reach_the_model(model):
    chat = model.chat(system="请简短。")
    first = chat.ask("什么是股息？", max_new_tokens=4)
    chat.ask("再说一遍", max_new_tokens=4)
    assert chat.session.turns[0] == ("什么是股息？", first) or not first
    plain, with_text = (model.score("总结", "好", material=text) for text in ("", "一段材料"))
    told = model.score("总结", "好", system="请简短。")
    assert plain.tokens == with_text.tokens and len({plain.nats, with_text.nats, told.nats}) == 3


def test_training_works_off_the_main_thread(tiny, tmp_path):
    data = tmp_path / "d.jsonl"
    data.write_text('{"instruction": "甲？", "output": "乙。"}\n', encoding="utf-8")
    results = []

    def work():
        results.append(
            cornucopia.train(
                base=str(tiny), data_path=str(data), output_dir=str(tmp_path / "out"), max_steps=1, batch_size=1,
                template="fin_template", report_to="none", compile="off",
            )
        )  # fmt: skip

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results and results[0]["finished"] and results[0]["steps"] == 1


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda tiny: cornucopia.load("没有的模型"), "没有的模型"),
        (lambda tiny: cornucopia.load(tiny, tempalte="chat"), "template"),
        (lambda tiny: cornucopia.load(tiny).answer("甲", max_tokenz=3), "max_tokens"),
        (lambda tiny: cornucopia.train(lora_rr=8), "lora_r"),
        (lambda tiny: cornucopia.compare(questions="没有.jsonl", contestants=["nano"]), "没有.jsonl"),
    ],
)
def test_wrong_input_is_told_as_on_the_command_line(call, told, tiny):
    with pytest.raises(cornucopia.CornucopiaError, match=told):
        call(tiny)


def test_importing_gives_the_names_and_no_others():
    assert {"load", "train", "compare", "Model", "CornucopiaError"} <= set(dir(cornucopia))
    with pytest.raises(AttributeError):
        _ = cornucopia.no_such_name
    assert Path(cornucopia.__file__).name == "__init__.py"
