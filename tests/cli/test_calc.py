"""`cornucopia calc`: the list, a result with steps and source, JSON, and mistakes told in Chinese."""

from __future__ import annotations

import json

import pytest

from cornucopia.cli.main import main
from cornucopia.finance.calculator import calculators

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


def test_inputs_as_people_write_them(capsys: pytest.CaptureFixture[str]) -> None:
    for principal, rate, months in (
        ("壹佰万元整", "4.9％", "360期"),
        ("100 万", "4.9%/年", "30年"),
        ("1,000,000元", "百分之四点九", "360"),
    ):
        assert main(["calc", "等额本息", "--principal", principal, "--rate", rate, "--months", months]) == 0
        out = capsys.readouterr().out
        assert "月供：5307.27元" in out and ("--months 30年 按 360 个月算" in out) == (months == "30年")


def test_wrong_units_and_sizes_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    loan = ["calc", "等额本息", "--principal", "100万", "--months", "360"]
    assert main([*loan, "--rate", "490%"]) == 1
    err = capsys.readouterr().err
    assert "36%" in err and "'490%'" in err and "4.90" not in err
    assert main(["calc", "活期存款", "--principal", "1万", "--rate", "0.1%", "--days", "3个月"]) == 1
    assert "天数" in capsys.readouterr().err
    assert main(["calc", "灵活就业养老", "--base", "6000", "--average", "8000", "--months", "2年"]) == 0
    assert "24个月" in capsys.readouterr().out


def test_zero_rate_is_not_a_division_by_zero(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        [*LOAN[1:4], "--rate", "0", "--months", "12"],
        ["年金", "--payment", "100", "--rate", "0", "--periods", "3"],
    ):
        assert main(["calc", *words]) == 0
        out = capsys.readouterr().out
        assert "利率为0" in out and "÷[" not in out and "÷i" not in out


def test_every_help_has_an_example_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for one in calculators():
        with pytest.raises(SystemExit):
            main(["calc", one.key, "--help"])
        example = capsys.readouterr().out.rsplit("cornucopia calc", 1)[1].split()
        assert main(["calc", *example]) == 0, example
        capsys.readouterr()
