"""`cornucopia eval` from the command line to its files."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("lm_eval")

from cornucopia.cli.main import main
from evaluation_fakes import publish

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    publish(folder)
    return folder


def run(tmp_path, data, tiny, *words):
    return main([
        "eval", "--data-dir", str(data), "--model", str(tiny), "--template", "alpaca", "--dtype", "float32",
        "--output-dir", str(tmp_path / "out"), "--max-new-tokens", "8", *words,
    ])  # fmt: skip


def test_base_beside_tuned_with_reports(tmp_path, data, tiny, adapter, capsys):
    train = tmp_path / "train.jsonl"
    question = "甲银行把闲钱借给乙银行一晚，这笔交易属于"
    train.write_text(json.dumps({"instruction": question, "output": "同业拆借"}, ensure_ascii=False), encoding="utf-8")
    words = ("--tasks", "fineval,finre,conduct", "--adapter", str(adapter), "--limit", "4", "--trained-on", str(train))
    assert run(tmp_path, data, tiny, *words) == 0
    said = capsys.readouterr()
    assert "基座" in said.out + said.err and "1 道在训练数据里" in said.out + said.err
    found = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert list(found["models"]) == ["基座", "调优后"] and found["settings"]["seed"] == 42
    one = found["results"]["调优后"]["fineval"]
    assert one["questions"] == 4 and one["contaminated"] == 1 and one["clean"] and one["prompt_hash"]
    assert one["scores"]["acc"]["low"] <= one["scores"]["acc"]["value"] <= one["scores"]["acc"]["high"]
    assert set(found["differences"]["调优后"]) == {"fineval", "finre", "conduct"}
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in page and page.count("<script>") == 1 and "http-equiv" in page
    assert "src=" not in page and one["tokens"] > 0 and one["seconds"] > 0 and one["memory"] > 1e6
    assert "FinEval" in page and "<svg" in page and "CC BY 4.0" in page
    assert "| fineval | 正确率 | 4 |" in (tmp_path / "out/report.md").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in (tmp_path / "out/samples/调优后/fineval.jsonl").open(encoding="utf-8")]
    assert len(rows) == 4 and rows[0]["golden"] in "ABCD" and rows[0]["answer"] in "ABCD"


def test_a_second_run_asks_nothing_again_and_gives_the_same(tmp_path, data, tiny, monkeypatch):
    words = ("--tasks", "fineval,conduct", "--limit", "3")
    assert run(tmp_path, data, tiny, *words) == 0
    first = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))["results"]
    from cornucopia.inference.transformers_engine import TransformersEngine

    def never(*_, **__):
        raise AssertionError("asked again")

    monkeypatch.setattr(TransformersEngine, "score", never)
    monkeypatch.setattr(TransformersEngine, "open_batch", never)
    assert run(tmp_path, data, tiny, *words) == 0
    assert json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))["results"] == first


def test_below_what_is_asked_is_exit_1(tmp_path, data, tiny, capsys):
    assert run(tmp_path, data, tiny, "--tasks", "conduct", "--limit", "2", "--fail-below", "conduct=99%") == 1
    assert "没有达到要求" in capsys.readouterr().err
    assert run(tmp_path, data, tiny, "--tasks", "conduct", "--limit", "2", "--fail-below", "conduct=0") == 0


@pytest.mark.parametrize(("words", "told", "code"), [
    (("--tasks", "finevall"), "fineval", 2),
    ((), "没有说评什么", 2),
    (("--tasks", "fineval", "--fail-below", "fineval"), "写法有误", 2),
    (("--tasks", "fineval", "--fail-below", "fineva=40%"), "没有评这个任务", 2),
    (("--tasks", "fineval", "--fail-below", "fineval=40"), "0 到 1", 2),
    (("--tasks", "fineval", "--ask", "guess"), "ask", 1),
    (("--tasks", "fineval", "--contestant", "nano"), "--contestant", 2),
    (("--tasks", "fineval", "--data-dir", "nowhere"), "没有这个数据文件夹", 1),
])  # fmt: skip
def test_mistakes_are_told_before_a_model_is_opened(words, told, code, tmp_path, data, monkeypatch, capsys):
    import cornucopia.inference.open_engine as door

    monkeypatch.setattr(door, "open_engine", lambda spec: pytest.fail("opened"))
    assert run(tmp_path, data, "nowhere", *words) == code
    assert told in capsys.readouterr().err


def test_the_list_shows_licences(capsys):
    assert main(["eval", "--list"]) == 0
    told = capsys.readouterr()
    assert "不得商用" in told.out + told.err and "fineval_cot" in told.out + told.err


def test_without_the_harness_the_extra_is_named(monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "lm_eval.evaluator", None)
    assert main(["eval", "--tasks", "fineval"]) == 2
    assert "cornucopia-fin[eval]" in capsys.readouterr().err


def test_own_tasks_in_the_harness_format(tmp_path, data, tiny):
    folder = tmp_path / "mine"
    folder.mkdir()
    rows = [{"q": "一加一", "a": 0}, {"q": "二加二", "a": 1}]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "mine.yaml").write_text(
        "task: mine\ndataset_path: json\noutput_type: multiple_choice\ntest_split: train\n"
        f"dataset_kwargs: {{data_files: {folder / 'rows.jsonl'}, cache_dir: {tmp_path / 'cache'}}}\n"
        'doc_to_text: "{{q}}="\ndoc_to_choice: ["2", "4"]\ndoc_to_target: a\n'
        "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]\n",
        encoding="utf-8",
    )
    assert run(tmp_path, data, tiny, "--tasks", "mine", "--include-path", str(folder)) == 0
    found = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    assert found["results"]["model"]["mine"]["questions"] == 2


def test_two_processes_give_what_one_gives_item_by_item(tmp_path, data, tiny, capsys):
    words = ("--tasks", "fineval,finance_calc,finre_gen", "--limit", "6")
    samples = {}
    for processes in ("1", "2"):
        folder = tmp_path / processes
        folder.mkdir()
        assert run(folder, data, tiny, *words, "--processes", processes) == 0
        paths = sorted((folder / "out/samples").glob("*/*.jsonl"))
        samples[processes] = [path.read_text(encoding="utf-8") for path in paths]
    assert samples["1"] == samples["2"] and len(samples["1"]) == 3
    found = [json.loads((tmp_path / one / "out/results.json").read_text(encoding="utf-8")) for one in ("1", "2")]
    one, two = (next(iter(each["results"].values())) for each in found)
    kept = ("scores", "unextracted", "prompt_hash", "asked_hash", "tokens")
    assert all(one[task][name] == two[task][name] for task in one for name in kept)
