"""`cornucopia data build` and the command that every stage has."""

from __future__ import annotations

import json

import pytest

from cornucopia.cli.main import main
from factory_stages import register


@pytest.fixture(autouse=True)
def stages(monkeypatch):
    register(monkeypatch)


@pytest.fixture
def files(tmp_path):
    """Two files; one question is in both."""
    paths = [tmp_path / "a.jsonl", tmp_path / "b.csv"]
    asked = [("问题一怎么办", "答" * 50), ("问题二怎么办", "答案二")]
    paths[0].write_text("".join(json.dumps({"id": q, "question": q, "answer": a}, ensure_ascii=False) + "\n"
                                for q, a in asked), encoding="utf-8")  # fmt: skip
    paths[1].write_text("提问,答复\n问题二怎么办,答案二\n问题三怎么办,答案三\n", encoding="utf-8")
    return paths


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_stage_on_several_files(tmp_path, files, capsys):
    out = tmp_path / "made" / "out.jsonl"
    words = ["data", "once", *map(str, files), "--out", str(out), "--columns", "question=提问,answer=答复"]
    assert main([*words[:3], "--out", str(out), "--no-strict"]) == 0
    assert [row["id"] for row in rows(out)] == ["问题一怎么办", "问题二怎么办"]
    assert not out.with_name("out.dropped.jsonl").exists()
    assert main(["data", "once", str(files[0]), str(files[0]), "--out", str(out)]) == 0
    dropped = rows(out.with_name("out.dropped.jsonl"))
    assert [(row["stage"], row["rule"], row["record"]["id"]) for row in dropped] == [
        ("1-once", "exact", "in2:1"), ("1-once", "exact", "in2:2")
    ]  # fmt: skip
    assert "1-once" in capsys.readouterr().out and not list(out.parent.glob(".*"))


def test_the_settings_of_a_stage_are_flags(tmp_path, files, capsys):
    out = tmp_path / "out.jsonl"
    assert main(["data", "trim", str(files[0]), "--longest", "3", "--out", str(out), "--format", "alpaca"]) == 0
    assert rows(out)[0]["output"] == "答答答"
    with pytest.raises(SystemExit):
        main(["data", "trim", "--help"])
    assert "回答最多多少字" in capsys.readouterr().out
    assert main(["data", "trim", str(files[0]), "--longst", "3", "--out", str(out)]) == 2
    assert "--longest" in capsys.readouterr().err


def test_what_could_not_be_read_is_where_it_is_said_to_be(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"instruction": "问？", "output": "答。"}\n{bad\n', encoding="utf-8")
    assert main(["data", "once", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "out.jsonl")]) == 0
    told = capsys.readouterr().err
    assert str(tmp_path / "out.rejects.jsonl") in told and ".work" not in told
    assert len(rows(tmp_path / "out.rejects.jsonl")) == 1


def test_a_stage_that_splits_writes_a_file_a_split(tmp_path, files):
    out = tmp_path / "out.jsonl"
    many = tmp_path / "many.jsonl"
    many.write_text("".join(json.dumps({"question": f"问{n}", "answer": "答"}) + "\n" for n in range(40)))
    assert main(["data", "part", str(many), "--out", str(out)]) == 0
    assert {row["split"] for row in rows(tmp_path / "out-valid.jsonl")} == {"valid"}
    assert len(rows(tmp_path / "out-valid.jsonl")) + len(rows(tmp_path / "out-train.jsonl")) == 40


def test_an_unknown_stage_names_the_nearest(capsys):
    assert main(["data", "onse", "a", "--out", "b"]) == 2
    assert "cornucopia data once" in capsys.readouterr().err


def test_the_input_is_not_overwritten(files, capsys):
    assert main(["data", "once", str(files[0]), "--out", str(files[0])]) == 2
    assert "输出文件就是输入文件" in capsys.readouterr().err


def test_build_from_a_recipe(tmp_path, files, capsys):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "output_dir: OUT\nsources:\n  - {kind: records, path: a.jsonl}\nsteps: [{trim: {longest: 3}}]\n".replace(
            "OUT", str(tmp_path / "out")
        ),
        encoding="utf-8",
    )
    assert main(["data", "build", str(recipe)]) == 0
    assert rows(tmp_path / "out" / "train.jsonl")[0]["messages"][1]["content"] == "答答答"
    for wrong, told in (("steps: [trimm]", "trim"), ("steps: [{trim: {longst: 3}}]", "longest"),
                        ("sources: [{kind: record, path: a}]", "records"), ("stepps: []", "steps")):  # fmt: skip
        recipe.write_text(wrong, encoding="utf-8")
        assert main(["data", "build", str(recipe)]) == 1
        assert f"最接近的是 {told}" in capsys.readouterr().err.replace("longst 最", "最").replace("stepps 最", "最")
