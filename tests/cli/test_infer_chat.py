"""`cornucopia infer` and `cornucopia chat` as typed, on a tiny model, in this process."""

from __future__ import annotations

import io
import json
import sys

import pytest

from cornucopia.cli import chat, infer
from cornucopia.cli.main import main
from tiny_models import make_adapter, make_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(make_model(tmp_path_factory.mktemp("m") / "小模型"))


@pytest.fixture
def data(tmp_path):
    rows = [{"instruction": f"问{i}", "input": "", "output": f"金{i}"} for i in range(3)]
    path = tmp_path / "q.json"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + "....\n", encoding="utf-8")
    return str(path)


def test_the_original_command_line_works_and_use_lora_false_means_none(model, data, tmp_path, capsys):
    out = tmp_path / "o.jsonl"
    words = ["--base_model", model, "--load_8bit", "False", "--use_lora", "False", "--lora_weights", "不存在"]
    words += ["--instruct_dir", data, "--prompt_template", "fin_template", "--max_new_tokens", "6", "--out", str(out)]
    assert infer.run([*words, "--show"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("###instruction###") == shown.out.count("###model output###") == 3
    assert "###golden output###\n金1" in shown.out and "行数" in shown.out
    assert "跳过 1 处" in shown.err
    assert len(out.read_text(encoding="utf-8").splitlines()) == 3
    assert json.loads((tmp_path / "o.settings.json").read_text(encoding="utf-8"))["settings"]["adapter"] is None


def test_an_adapter_changes_the_answers(model, data, tmp_path):
    adapter = make_adapter(model, tmp_path / "适配器")
    common = [data, "-m", model, "--max-new-tokens", "6", "--template", "fin_template"]
    answers = []
    for name, extra in (("a", []), ("b", ["--adapter", str(adapter)])):
        assert infer.run([*common, *extra, "--out", str(tmp_path / f"{name}.jsonl")]) == 0
        lines = (tmp_path / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        answers.append([json.loads(line)["answer"] for line in lines])
    assert answers[0] != answers[1]


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["没有.json"], 1, "找不到数据"), (["--bits", "3"], 1, "0、4、8"), (["--tempreture", "1"], 2, "--temperature"),
        (["--temperature", "热"], 1, "数字"), (["{data}", "--out", "{data}"], 2, "输出文件就是输入文件"),
        (["{data}", "-m", "没有的模型", "--out", "{data}.out.jsonl"], 1, "本地没有这个模型"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_chinese(words, code, text, data, capsys):
    assert main(["infer", *(word.replace("{data}", data) for word in words)]) == code
    assert text in capsys.readouterr().err


def test_one_question_prints_only_the_answer(model, capsys):
    assert chat.run(["-q", "什么是保险", "--model", model, "--max-new-tokens", "8"]) == 0
    once = capsys.readouterr()
    assert once.out.strip() and "问：" not in once.out + once.err


def test_a_piped_question_prints_only_the_answer(model, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("什么是保险\n".encode())))
    assert chat.run(["--model", model, "--max-new-tokens", "8"]) == 0
    piped = capsys.readouterr().out
    chat.run(["-q", "什么是保险", "--model", model, "--max-new-tokens", "8"])
    assert piped == capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))
    assert main(["chat", "--model", model]) == 1


def test_a_conversation_in_the_terminal(model, capsys, monkeypatch, tmp_path):
    typed = iter(
        ["什么是保险", "++", '"""多', '行"""', f"save {tmp_path}/c.jsonl", "clear", "/history", "/help", "stop"]
    )
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    assert chat.run(["--model", model, "--max-new-tokens", "6", "--system", "你是助手"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("答：") == 3 and "已存 2 轮" in shown.err and "贪心" in shown.err
    messages = json.loads((tmp_path / "c.jsonl").read_text(encoding="utf-8"))["messages"]
    assert [m["content"] for m in messages if m["role"] != "assistant"] == ["你是助手", "什么是保险", "多\n行"]
    assert next(typed, None) is None


def test_what_is_thought_is_neither_shown_nor_remembered(model, capsys, monkeypatch, tmp_path):
    from cornucopia.inference.text import Thought
    from cornucopia.inference.transformers_engine import TransformersEngine

    def thinking(self, record, sampling):
        yield from (Thought("先想"), Thought("条款"), "能退", "。")

    monkeypatch.setattr(TransformersEngine, "stream", thinking)
    typed = iter(["能退吗", f"save {tmp_path}/c.jsonl", "stop"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    assert chat.run(["--model", model]) == 0
    shown = capsys.readouterr()
    assert "答：能退。" in shown.out and shown.err.count("（在想……）") == 1
    assert "条款" not in shown.out + shown.err + (tmp_path / "c.jsonl").read_text(encoding="utf-8")
    chat.run(["--model", model, "-q", "能退吗"])
    assert capsys.readouterr().out == "能退。\n"
    monkeypatch.setattr(TransformersEngine, "stream", lambda *_: iter([Thought("先想")]))
    assert chat.run(["--model", model, "-q", "能退吗"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and "没有写出回答" in shown.err


def test_ctrl_c_stops_the_answer_and_keeps_the_session(model, capsys, monkeypatch):
    from cornucopia.inference.transformers_engine import TransformersEngine

    def interrupted(self, record, sampling):
        yield f"说了{len(record.messages)}"
        raise KeyboardInterrupt

    typed = iter(["一", "二", KeyboardInterrupt, EOFError])

    def read(prompt):
        word = next(typed)
        if isinstance(word, str):
            return word
        raise word

    monkeypatch.setattr(TransformersEngine, "stream", interrupted)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", read)
    assert chat.run(["--model", model]) == 0
    shown = capsys.readouterr()
    assert "说了1（已停）" in shown.out and "说了3（已停）" in shown.out and "Ctrl-D" in shown.err


def test_material_that_does_not_fit_is_told_with_how_much(tmp_path, capsys):
    short = str(make_model(tmp_path / "短", context=256))
    text = tmp_path / "长.txt"
    text.write_text("材料很长。" * 400, encoding="utf-8")
    words = ["-q", "总结", "--model", short, "--max-new-tokens", "8", "--template", "fin_template"]
    assert chat.run([*words, "--material", str(text)]) in (0, 1)
    told = capsys.readouterr().err
    assert "没有给模型看" in told and "%" in told and "256" not in told.split("最多")[0]
    text.write_text("短", encoding="utf-8")
    chat.run([*words, "--material", str(text)])
    assert "没有给模型看" not in capsys.readouterr().err


def test_an_unknown_command_is_told_and_not_asked(model, capsys, monkeypatch):
    typed = iter(["/hlep", "stop"])
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    assert chat.run(["--model", model, "--max-new-tokens", "4"]) == 0
    shown = capsys.readouterr()
    assert "/help" in shown.err and "没有这个命令" in shown.err and "答：" not in shown.out


def test_an_adapter_given_as_the_model_is_told_with_the_right_option(model, data, tmp_path, capsys):
    adapter = make_adapter(model, tmp_path / "适配器")
    for command in (["infer", data], ["chat", "-q", "问"]):
        assert main([*command, "--model", str(adapter)]) == 1
        assert "--adapter" in capsys.readouterr().err


def test_a_script_gets_the_answer_without_thoughts_whose_opening_nobody_saw(capsys):
    from servers import chat_server

    message = {"role": "assistant", "content": "先看条款</think>\n能退。"}
    thinking = (200, {}, {"choices": [{"message": message, "finish_reason": "stop"}]})
    with chat_server(script=[thinking]) as server:
        assert chat.run(["-q", "能退吗", "--model", f"{server.url}#m"]) == 0
    assert capsys.readouterr().out == "能退。\n"


def test_infer_and_chat_ask_an_endpoint_and_resume(data, tmp_path, capsys, monkeypatch):
    from servers import chat_server

    out = tmp_path / "o.jsonl"
    monkeypatch.setenv("MY_KEY", "sk-secret-123456")
    refused = (403, {}, {"error": {"message": "flagged", "metadata": {"flagged_input": "问1"}}})
    with chat_server(key="sk-secret-123456", script=[None, refused]) as server:
        words = [data, "--model", f"{server.url}#m", "--key-env", "MY_KEY", "--out", str(out), "--concurrency", "1"]
        assert infer.run(words) == 1
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        assert [row["finish_reason"] for row in rows] == ["stop", "error", "stop"] and "审核" in rows[1]["error"]
        assert infer.run(words) == 0 and len(server.requests) == 4
        assert chat.run(["-q", "你好", "--model", f"{server.url}#m", "--key-env", "MY_KEY"]) == 0
    assert capsys.readouterr().out.endswith("答：你好\n")
    for path in tmp_path.iterdir():
        assert b"sk-secret" not in path.read_bytes()


def test_answers_go_below_the_current_folder(model, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert infer.run([data, "--model", model, "--max-new-tokens", "2"]) == 0
    assert next((tmp_path / "runs" / "infer").glob("*.jsonl")).name.startswith("q--小模型")
