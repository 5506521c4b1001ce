"""What a step writes for the user comes with the output, of a recipe and of a single command, and nothing old stays."""

import json

from cornucopia.cli.data_stage import run
from cornucopia.factory.recipe import DataRecipe
from cornucopia.factory.run import build


def written(path, *rows):
    path.write_text("".join(json.dumps({"instruction": q, "output": a}) + "\n" for q, a in rows), "utf-8")
    return path


def test_reports_lie_beside_the_output_and_go_when_they_are_no_longer_made(tmp_path):
    data = written(tmp_path / "a.jsonl", ("公积金利率", "2.85%"), ("公积金利率", "3.1%"), ("社保断缴", "可以补缴"))
    recipe = DataRecipe.build(
        {
            "output_dir": str(tmp_path / "out"),
            "workers": 1,
            "sources": [{"kind": "records", "path": str(data)}],
            "steps": ["deduplicate"],
        }
    )
    (conflicts,) = [path for path in build(recipe).reports["1-deduplicate"] if "conflicts" in path.name]
    assert len(conflicts.read_text("utf-8").splitlines()) == 1
    written(data, ("公积金利率", "2.85%"))
    reports = build(recipe).reports["1-deduplicate"]
    assert [path.name for path in reports] == ["1-deduplicate.clusters.json"] and not conflicts.exists()


def test_a_command_puts_them_beside_its_file(tmp_path, capsys):
    data = written(tmp_path / "a.jsonl", ("公积金利率", "2.85%"), ("公积金利率", "3.1%"))
    exam = written(tmp_path / "exam.jsonl", ("公积金利率", "3.1%"))
    assert run(["deduplicate", str(data), "--out", str(tmp_path / "b.jsonl"), "--workers", "1"]) == 0
    assert (tmp_path / "b.conflicts.jsonl").is_file() and "b.conflicts.jsonl" in capsys.readouterr().err
    out = tmp_path / "c.jsonl"
    assert run(["decontaminate", str(data), "--against", str(exam), "--out", str(out), "--workers", "1"]) == 0
    assert out.read_text() == "" and len((tmp_path / "c.contamination.jsonl").read_text().splitlines()) == 2
