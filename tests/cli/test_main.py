"""`cornucopia`: help that loads nothing, unknown commands, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cornucopia.cli import main as module
from cornucopia.cli.main import COMMANDS, main
from cornucopia.core.errors import Interrupted, ModelError

HEAVY = ("torch", "transformers", "rich", "pydantic", "yaml", "numpy", "httpx", "peft", "tokenizers")


@pytest.mark.parametrize("words", [["--help"], [], ["-h"], ["help"], ["--version"], ["trian"]])
def test_help_imports_nothing_heavy(words):
    code = (
        f"import sys; from cornucopia.cli.main import main; main({words!r})\n"
        f"print('loaded', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert run.returncode == 0 and "loaded []" in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize("command", ["train", "infer", "chat", "compare"])
def test_a_commands_help_loads_no_model_library(command):
    code = (
        f"import sys; from cornucopia.cli.main import main\ntry: main([{command!r}, '--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "print('loaded', [m for m in ('torch', 'transformers', 'peft', 'matplotlib') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert run.returncode == 0 and "loaded []" in run.stdout, run.stdout + run.stderr
    assert "用法：cornucopia" in run.stdout


def test_help_names_every_command_in_chinese(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name}" in text for name in COMMANDS) and "微调" in text


@pytest.mark.parametrize(("word", "close"), [("trian", "train"), ("comapre", "compare"), ("docter", "doctor")])
def test_an_unknown_command_names_the_nearest(word, close, capsys):
    assert main([word]) == 2
    assert f"cornucopia {close}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ModelError("坏模型", where="某处", found="空", fix="重下"), 1, "办法：重下"),
        (Interrupted("停了"), 130, "停了\n"), (KeyboardInterrupt(), 130, "已中断"), (None, 0, ""),
    ],
)  # fmt: skip
def test_exit_codes(error, code, text, monkeypatch, capsys):
    class Command:
        @staticmethod
        def run(argv):
            if error:
                raise error
            return 0

    monkeypatch.setattr(module.importlib, "import_module", lambda name: Command)
    assert main(["train"]) == code
    assert text in capsys.readouterr().err


def test_an_error_of_the_program_itself_flies(monkeypatch):
    class Command:
        @staticmethod
        def run(argv):
            raise ZeroDivisionError

    monkeypatch.setattr(module.importlib, "import_module", lambda name: Command)
    with pytest.raises(ZeroDivisionError):
        main(["train"])


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m cornucopia --help | head -0"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, encoding="utf-8")
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(28, "No space left on device", "runs/x/model.safetensors"), ("runs/x/model.safetensors", "磁盘满了")),
        (PermissionError(13, "Permission denied", "/opt/x"), ("/opt/x", "没有权限")),
        (FileExistsError(17, "File exists", "README.md"), ("README.md", "同名的文件")),
    ],
)
def test_what_the_system_refuses_is_told_in_chinese_without_a_traceback(monkeypatch, capsys, failure, words):
    def refuse(argv):
        raise failure

    monkeypatch.setattr(module, "_dispatch", refuse)
    assert main(["train"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("错误：") and "办法：" in told and "Traceback" not in told
    assert all(word in told for word in words)


def test_an_error_that_is_not_about_files_is_not_dressed_up_as_one(monkeypatch):
    def fail(argv):
        raise OSError("Can't load the configuration of 'x'")

    monkeypatch.setattr(module, "_dispatch", fail)
    with pytest.raises(OSError, match="configuration"):
        main(["train"])


@pytest.mark.parametrize(
    "command",
    [
        ["infer", "{data}", "--model", "nano", "--out", "{data}/answers.jsonl"],
        ["data", "convert", "{data}", "--out", "{data}/x.jsonl"],
        ["train", "--base-model", "nano", "--data-path", "{data}", "--output-dir", "{data}"],
    ],
)
def test_a_file_where_a_folder_should_be_is_told(capsys, tmp_path, command):
    data = tmp_path / "data.jsonl"
    data.write_text('{"instruction": "退保扣钱吗？", "input": "", "output": "犹豫期内不扣。"}\n', encoding="utf-8")
    assert main([word.format(data=data) for word in command]) == 1
    told = capsys.readouterr().err
    assert "错误：" in told and str(data) in told and "Traceback" not in told
    assert not any("a" <= letter <= "z" for letter in told.split("实际：")[1].splitlines()[0])


@pytest.mark.parametrize(
    "command",
    [
        ["infer", "{data}", "--model", "nano", "--out", "{data}", "--overwrite"],
        ["data", "convert", "{data}", "--out", "{data}"],
        ["data", "rephrase", "{data}", "--out", "{data}"],
    ],
)
def test_no_command_writes_over_the_data_it_reads(capsys, tmp_path, command):
    data = tmp_path / "data.jsonl"
    text = '{"id": "bx-001", "instruction": "退保扣钱吗？", "input": "", "output": "犹豫期内不扣。"}\n'
    data.write_text(text, encoding="utf-8")
    assert main([word.format(data=data) for word in command]) == 2
    assert "输出文件就是输入文件" in capsys.readouterr().err and data.read_text(encoding="utf-8") == text


def test_a_new_model_is_not_made_over_another(capsys, tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert main(["models", "new", str(tmp_path), "--text", "README.md"]) == 1
    assert "已经有一个模型" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


CONSOLES = {
    "gbk": {"PYTHONIOENCODING": "gbk"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def in_console(name, *words, **more):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "PYTHONIO", "PYTHONUTF8"))}
    words = [word if isinstance(word, bytes) else os.fsencode(word) for word in words]
    command = [os.fsencode(sys.executable), b"-m", b"cornucopia", *words]
    return subprocess.run(command, env=env | CONSOLES[name], capture_output=True, timeout=120, **more)


@pytest.mark.parametrize("name", CONSOLES)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["data", "preview", "{data}", "--template", "fin_template", "-n", "1"], 0), (["data", "stats", "{data}"], 0),
        (["train", "--help"], 0), (["calc", "等额本息", "--principal", "100万", "--rate", "4%", "--months", "12"], 0),
        (["data", "check", "没有✅.jsonl"], 1), (["compare", "--qestions"], 2),
        (["compare", "--questions", "{data}", "--output-dir", "{out}", "--contestant", "没有✅=没有的模型"], 1),
    ],
)  # fmt: skip
def test_no_consoles_encoding_ends_in_a_traceback(name, words, code, tmp_path):
    data = tmp_path / "题📈.jsonl"
    data.write_text('{"instruction": "涨📈 5€ ✅？", "output": "能⚠️。"}\n', encoding="utf-8")
    done = in_console(name, *(word.format(data=data, out=tmp_path / "o") for word in words))
    assert b"Traceback" not in done.stderr and (done.returncode == code or name == "C"), done.stderr.decode()
    if words[:2] == ["data", "preview"] and name == "gbk":
        shown = done.stdout.decode("gbk")
        assert "涨\\ud83d\\udcc8 5" in shown and "模板 fin_template：1 条可训练" in shown


@pytest.mark.parametrize("name", ["gbk", "C"])
def test_names_that_are_no_utf8_are_told_or_used(name, tmp_path):
    data = os.fsencode(tmp_path) + b"/\xce\xca\xcc\xe2.jsonl"  # a name from a GBK archive
    with open(data, "w", encoding="utf-8") as file:  # noqa: PTH123 - bytes
        file.write('{"instruction": "问", "output": "答"}\n')
    assert in_console(name, "data", "check", data).returncode == 0
    out = os.fsencode(tmp_path / "o")
    words = ["--questions", data, "--output-dir", out, "--contestant", b"\xc3\xfb=nano", "--max-new-tokens", "2"]
    done = in_console(name, "compare", *words)
    assert done.returncode == 0, done.stderr
    assert "nano" in (tmp_path / "o" / "report.html").read_text(encoding="utf-8")


def test_ctrl_c_while_the_program_loads_is_no_traceback():
    """From the first moment that the package's own code runs."""
    code = (
        "import builtins, importlib.abc, sys\n"
        "from cornucopia.cli import main as module\n"
        "class Stop(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, *_):\n"
        "        raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\n"
        "sys.exit(module.main(['data', 'stats', 'x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (130, "已中断\n")


def test_loading_the_command_line_itself_is_short():
    code = (
        "import sys; before = set(sys.modules); import cornucopia.cli.main\n"
        "print([name for name in ('logging', 'difflib', 'argparse', 'json', 'typing', 'inspect') if name in "
        "set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, encoding="utf-8",
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})  # fmt: skip
    assert done.stdout == "[]\n", done.stdout + done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_standard_output_on_a_full_disk_is_told():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([sys.executable, "-m", "cornucopia", "--help"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and "磁盘满了" in done.stderr.decode() and b"Exception" not in done.stderr
