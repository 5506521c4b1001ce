"""`cornucopia calc`: the list, a result with steps and source, JSON, and mistakes told in Chinese."""

from __future__ import annotations

import json

import pytest

from cornucopia.cli.main import main

LOAN = ["calc", "等额本息", "--principal", "100万", "--rate", "4.9%", "--months", "30年"]


def test_list_and_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calc"]) == 0
    assert "等额本息（equal-payment）" in capsys.readouterr().out
    assert main(LOAN) == 0
    out = capsys.readouterr().out
    assert all(text in out for text in ("月供：5307.27元", "步骤：", "依据：", "--table"))
    assert main([*LOAN, "--table"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 360


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LOAN, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["values"]["月供"] == {"value": "5307.27", "unit": "元", "text": "5307.27元"}
    assert content["inputs"]["months"] == 360 and len(content["table"]) == 361
    assert main(["calc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["key"] == "equal-payment"


def test_negative_values_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "LPR重定价",
        "--balance",
        "80万",
        "--months",
        "300",
        "--old-lpr",
        "3.95%",
        "--new-lpr",
        "3.5%",
        "--spread",
        "-30BP",
    ]
    assert main(["calc", *words]) == 0
    assert "新利率：3.2%" in capsys.readouterr().out
    assert main(["calc", "夏普比率", "--returns", "-1%", "2%", "0.5%"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["等额本西"], 2, "最接近的是"),
        (["--principal", "1"], 2, "名字"),
        (["等额本息", "--principle", "1"], 2, "--principal"),
        (["等额本息", "--principal", "100万", "--rate", "4.9", "--months", "360"], 1, "百分数"),
        (["等额本息", "--principal", "100万"], 2, "缺少必填项"),
        (["涨跌停", "--close", "10", "--board", "科创板", "--listed-day", "1"], 1, "不设涨跌幅"),
    ],
)
def test_mistakes(words: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calc", *words]) == code
    assert text in capsys.readouterr().err


def test_help_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["calc", "等额本息", "--help"])
    assert "贷款本金，元" in capsys.readouterr().out
