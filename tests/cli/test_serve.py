import pytest

from cornucopia.cli.main import main
from cornucopia.serving.settings import ServeSettings


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--host", "0.0.0.0", "--keys-env", "NO_SUCH_KEYS"], 1, "必须有密钥"), (["--prot", "1"], 2, "--port"),
    (["--model", "a="], 1, "写法有误"), (["--keys-file", "nowhere.txt"], 1, "密钥文件"),
    (["--model", "甲=nano+不存在"], 1, "找不到适配器"), (["--model", "乙=没有的模型"], 1, "本地没有"),
    (["--model", "丙=没有.gguf"], 1, "GGUF"),
])  # fmt: skip
def test_what_is_wrong_is_told_before_anything_is_served(words, code, said, capsys):
    assert main(["serve", *words]) == code
    assert said in capsys.readouterr().err


def test_a_configuration_sends_no_key_where_it_does_not_belong(tmp_path, monkeypatch, capsys):
    """It may come from a stranger."""
    monkeypatch.setenv("MY_SECRET", "x")
    file = tmp_path / "serve.yaml"
    file.write_text("models: [{id: a, base: 'https://evil.example/v1#m', key_env: MY_SECRET}]\n", encoding="utf-8")
    assert main(["serve", str(file)]) == 1 and "MY_SECRET" in capsys.readouterr().err
    file.write_text(file.read_text(encoding="utf-8") + "allow_key: [MY_SECRET=evil.example]\n", encoding="utf-8")
    assert main(["serve", str(file)]) == 1 and "命令行" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "--port" in capsys.readouterr().err


def test_the_bundled_model_is_asked_as_it_was_built():
    assert ServeSettings().table()["nano"].template == "nano"
    assert ServeSettings(template="alpaca").table()["nano"].template == "alpaca"
    assert ServeSettings.build({"model": ["a=nano+x"]}).table()["a"].template is None
