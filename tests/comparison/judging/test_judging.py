"""Scripted judges over a small comparison: what is counted, told, kept and paid for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cornucopia.cli.main import main
from cornucopia.comparison.judging.asking import Court
from cornucopia.comparison.judging.items import from_rows, read_answers
from cornucopia.comparison.judging.outcome import Judgement, judge_answers
from cornucopia.comparison.judging.page import bar, markdown, write_page
from cornucopia.comparison.judging.settings import JudgeSettings
from cornucopia.comparison.judging.tally import tally
from cornucopia.comparison.judging.verdicts import Bench
from cornucopia.comparison.votes import Battle, Side, Votes
from cornucopia.core.errors import ConfigError, DataError, EndpointError, UsageError
from cornucopia.records.schema import Message, Record
from servers import chat_server

NAMES = ("基座", "调优后", "第三")
GOOD = {"基座": 0, "调优后": 2, "第三": 1}
A, B = "助手 A 的回答开始】\n", "助手 B 的回答开始】\n"


def rows(count: int = 12, names: tuple[str, ...] = NAMES, golden: str = "年利率3.6%") -> list[dict[str, Any]]:
    """Every contestant's answer says how good it is, by the number of its stars."""
    return [
        {
            "contestant": name, "id": f"q{number}", "question": f"第{number}问：利率多少？",
            "golden": golden, "kind": "qa", "answer": f"{'★' * GOOD[name]}{name}的第{number}答",
        }
        for number in range(count) for name in names
    ]  # fmt: skip


def said(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def stars(text: str, mark: str) -> int:
    return len(re.match("★*", text.partition(mark)[2])[0])


def right(body: dict[str, Any]) -> str:
    """Always prefers more stars; grades 3 to 9 by them."""
    text = said(body)
    if A not in text:
        return f"评分：[[{3 + 3 * stars(text, '助手的回答开始】' + chr(10))}]]"
    one, other = stars(text, A), stars(text, B)
    return "理由。\n" + ("[[C]]" if one == other else "[[A]]" if one > other else "[[B]]")


def judged(folder: Path, answer: Any, *, data: list[dict[str, Any]] | None = None, **more: Any) -> Judgement:
    with chat_server(answer=answer) as server:
        settings = JudgeSettings.build({"judge": [f"评委={server.url}#m"], "cache": str(folder / "cache"), **more})
        return judge_answers(settings, from_rows(data or rows(), "试"), folder)


def test_a_judge_that_is_always_right_ranks_them_and_has_no_bias(tmp_path):
    (one,) = judged(tmp_path, right).tallies
    by_pair = {(line.first, line.second): line for line in one.versus}
    assert {pair: (line.wins, line.ties, line.losses) for pair, line in by_pair.items()} == {
        ("调优后", "基座"): (12, 0, 0), ("第三", "基座"): (12, 0, 0), ("第三", "调优后"): (0, 0, 12),
    }  # fmt: skip
    best = by_pair["调优后", "基座"]
    assert (
        best.sign == 1
        and best.p == pytest.approx(2 / 2**12)
        and best.share.low == pytest.approx(12 / (12 + 3.8415), 1e-3)
    )
    assert (one.by_order.value, one.first_place.value, one.unparsed, one.replies) == (0, 0.5, 0, 72)
    assert [line.name for line in one.table.ratings] == ["调优后", "第三", "基座"]
    assert all(line.low < line.rating < line.high for line in one.table.ratings)


def test_a_judge_that_always_takes_the_first_place_gives_only_ties(tmp_path):
    judgement = judged(tmp_path, lambda body: "[[A]]")
    (one,) = judgement.tallies
    assert all((line.wins, line.ties, line.losses, line.by_order) == (0, 12, 0, 12) for line in one.versus)
    assert one.by_order.value == one.first_place.value == 1 and one.unparsed == 0
    assert any("100% 的题换个次序就改口" in text for text in judgement.sentences)
    assert all(row["winner"] == "tie" and row["depends_on_order"] for row in verdict_rows(tmp_path))


def verdict_rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("how", ["pairwise", "graded"])
def test_garbage_is_counted_and_is_never_a_verdict_or_a_score(tmp_path, how):
    judgement = judged(tmp_path, lambda body: "都不错，各有千秋，10 分制。", how=how)
    (one,) = judgement.tallies
    assert one.unparsed == one.replies > 0 and one.why == {"unparsed": one.replies}
    assert one.table is None and not any(line.wins or line.ties or line.losses for line in one.versus)
    assert all(line.mean.value is None for line in one.grades)
    assert any(
        f"{one.replies} 个评语里 {one.replies}（读不出结论 {one.replies}）" in text for text in judgement.sentences
    )


def test_one_reply_without_a_verdict_leaves_its_question_out_alone(tmp_path):
    def answer(body: dict[str, Any]) -> str:
        return "说不好" if "★★调优后的第3答" in said(body).partition(B)[0] and "基座" in said(body) else right(body)

    (one,) = judged(tmp_path, answer, data=rows(names=("基座", "调优后"))).tallies
    assert (one.versus[0].wins, one.versus[0].none, one.unparsed) == (11, 1, 1)


def test_grades_have_means_differences_and_wins(tmp_path):
    (one,) = judged(tmp_path, right, how="graded", baseline="基座").tallies
    assert [(line.name, line.mean.value, line.gap.value) for line in one.grades] == [
        ("基座", 3, None), ("调优后", 9, 6), ("第三", 6, 3),
    ]  # fmt: skip
    assert [(line.first, line.second, line.wins) for line in one.versus] == [
        ("调优后", "基座", 12),
        ("第三", "基座", 12),
    ]


def test_belle_and_vicuna_shapes_ask_and_read_in_their_own_way(tmp_path):
    asked = []

    def answer(body: dict[str, Any]) -> str:
        asked.append(said(body))
        return "得分：0.6" if "得分：" in said(body) else "8 7"

    (belle,) = judged(tmp_path / "a", answer, how="graded", shape="belle").tallies
    assert {grade.opinion.score for grade in belle.bench.grades} == {0.6} and belle.versus[0].ties == 12
    assert all("标准答案：\n年利率3.6%" in text for text in asked)
    (vicuna,) = judged(tmp_path / "b", answer, shape="vicuna", reference=False).tallies
    assert vicuna.by_order.value == 1 and "参考答案" not in asked[-1]
    with pytest.raises(ConfigError, match="shape"):
        JudgeSettings.build({"how": "graded", "shape": "vicuna"})


def test_a_baseline_is_met_by_everybody_and_the_same_text_is_a_tie_for_nothing(tmp_path):
    data = [*rows(4), *({**row, "contestant": "抄", "answer": row["answer"]} for row in rows(4, ("基座",)))]
    (one,) = judged(tmp_path, right, data=data, baseline="基座").tallies
    assert {line.second for line in one.versus} == {"基座"} and one.replies == 16
    copied = next(line for line in one.versus if line.first == "抄")
    assert (copied.ties, copied.same, copied.by_order) == (4, 4, 0)


def test_a_judge_that_dies_half_way_is_resumed_and_nothing_is_paid_twice(tmp_path):
    seen: list[str] = []
    alive = {"left": 20}

    def answer(body: dict[str, Any]) -> Any:
        if alive["left"] <= 0:
            return 401, {}, b'{"error": {"message": "no"}}'
        alive["left"] -= 1
        seen.append(said(body))
        return right(body)

    with chat_server(answer=answer) as server:
        values = {"judge": [f"{server.url}#m"], "cache": str(tmp_path / "c"), "concurrency": 2, "max_retries": 0}
        settings, answered = JudgeSettings.build(values), from_rows(rows(), "试")
        with pytest.raises(EndpointError):
            judge_answers(settings, answered, tmp_path)
        assert len(seen) == 20 and not (tmp_path / "verdicts.jsonl").exists()
        alive["left"] = 1000
        (one,) = judge_answers(settings, answered, tmp_path).tallies
        assert len(seen) == len(set(seen)) == 72 and one.unparsed == 0
        assert one.bench.settings["requests"] == 72
        judge_answers(settings, answered, tmp_path)
        assert len(seen) == 72


def test_what_it_costs_is_told_first_and_wants_a_yes(tmp_path, capsys):
    with chat_server(answer=right) as server:
        values = {"judge": [f"{server.url}#m"], "cache": str(tmp_path), "price_in": 1.0, "price_out": 2.0}
        with pytest.raises(ConfigError, match="同意"):
            judge_answers(JudgeSettings.build(values), from_rows(rows(), "试"), tmp_path)
        assert re.search(
            r"评委 m：估计 72 个请求，输入约 \d+ 词元，输出约 21600 词元（按字数估），约 0\.\d\d 元",
            capsys.readouterr().err,
        )
        assert not server.requests
        judge_answers(JudgeSettings.build({**values, "yes": True}), from_rows(rows(), "试"), tmp_path)
        assert len(server.requests) == 72


def test_settings_of_the_judge_are_in_the_result_and_own_prompts_change_the_hash(tmp_path):
    judged(tmp_path / "a", right)
    (first,) = json.loads((tmp_path / "a/judge.json").read_text(encoding="utf-8"))["judges"]
    told = first["settings"]
    assert (told["model"], told["seed"], told["temperature"], told["how"]) == ("m", 42, 0.0, "pairwise")
    own = tmp_path / "own.yaml"
    text = "比一比\n  助手 A 的回答开始】\n  {{ turns[-1].a }}\n  助手 B 的回答开始】\n  {{ turns[-1].b }}\n"
    own.write_text(f"pairwise: |\n  {text}", encoding="utf-8")
    (one,) = judged(tmp_path / "b", right, prompts=str(own)).tallies
    assert one.bench.settings["prompt_hash"] != told["prompt_hash"] and one.versus[0].wins == 12


def test_people_and_judges_are_held_against_each_other(tmp_path):
    data = rows(6, ("基座", "调优后"))
    votes = Votes(tmp_path / "votes.sqlite3")
    texts = {(row["id"], row["contestant"]): row["answer"] for row in data}
    for number in range(6):
        prompt = Record((Message("user", f"第{number}问：利率多少？"),))
        sides = [Side(name, texts[f"q{number}", name]) for name in ("调优后", "基座")]
        verdict = "a" if number < 4 else "b" if number == 4 else "tie"
        votes.cast(Battle(f"b{number}", prompt, *sides), "张三", verdict)
        votes.cast(Battle(f"b{number}", prompt, *sides), "李四", "a")
    votes.cast(Battle("别的", Record((Message("user", "别的问题"),)), Side("甲", "一"), Side("乙", "二")), "张三", "a")
    votes.close()
    judgement = judged(tmp_path, right, data=data)
    with_people, among = judgement.agreements
    assert (with_people.one, with_people.other, with_people.share.count) == ("评委", "人", 12)
    assert with_people.share.value == pytest.approx(10 / 12) and with_people.decided.value == pytest.approx(10 / 11)
    assert among.share.value == pytest.approx(4 / 6)
    assert "有 1 张票投的不是这些回答，没有算。" in judgement.sentences


def test_the_page_shows_everything_and_runs_nothing(tmp_path):
    evil = "</pre><script>window.broken = 1</script>"
    data = [{**row, "answer": row["answer"] + evil} for row in rows(4)]
    judgement = judged(tmp_path, lambda body: "[[A]]" + evil, data=data)
    write_page(tmp_path, judgement)
    page = (tmp_path / "judge.html").read_text(encoding="utf-8")
    assert evil not in page and "<script" not in page and "换次序就改口" in page and 'class="tie"' in page
    assert "提示词指纹" in page and "script-src" in page
    assert "| 第三 | 基座 | 0 | 4 | 0 |" in markdown(judgement)
    assert bar(judgement.tallies[0].versus[0]).count("<rect") == 3


def test_the_command_from_a_folder_to_a_page(tmp_path, capsys):
    folder = tmp_path / "结果"
    folder.mkdir()
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(3))
    (folder / "answers.jsonl").write_text(text, encoding="utf-8")
    with chat_server(answer=right) as server:
        words = [
            "judge",
            str(folder),
            "--judge",
            f"甲={server.url}#m",
            "--judge",
            f"乙={server.url}#n",
            "--cache",
            str(tmp_path),
        ]
        assert main(words) == 0
        assert len(server.requests) == 36
    out = capsys.readouterr()
    assert "一致程度" in out.out and "judge.html" in out.err
    assert {path.name for path in folder.iterdir()} == {
        "answers.jsonl", "judges", "verdicts.jsonl", "judge.json", "judge.md", "judge.html",
    }  # fmt: skip
    assert (
        main(["judge", str(folder)]) == 2
        and main(["judge"]) == 2
        and main(["judge", str(tmp_path / "无"), "--judge", "x"]) == 1
    )


def test_wrong_names_and_empty_results_are_told(tmp_path):
    answered = from_rows(rows(2), "试")
    for values in (
        {"judge": ["nano"], "baseline": "调优"}, {"judge": ["a=nano", "a=nano"]}, {},
    ):  # fmt: skip
        with pytest.raises(UsageError):
            Court(JudgeSettings.build(values), answered, tmp_path)
    with pytest.raises(DataError, match="graded"):
        Court(JudgeSettings.build({"judge": ["nano"]}), from_rows(rows(2, ("基座",)), "试"), tmp_path)
    with pytest.raises(DataError, match="没有一个回答"):
        from_rows([{"contestant": "a", "id": "1", "question": "问", "error": "坏了"}], "试")
    with pytest.raises(DataError, match="不是对比的结果"):
        from_rows([{"id": "1"}], "试")


def test_failed_answers_are_not_judged_and_are_told(tmp_path):
    data = [{**row, "error": "断了"} if row["id"] == "q0" and row["contestant"] == "基座" else row for row in rows(3)]
    judgement = judged(tmp_path, right, data=data)
    assert "「基座」有 1 题没有回答，评不了。" in judgement.sentences
    assert {line.wins for line in judgement.tallies[0].versus if line.second == "基座"} == {2}


def test_a_contestant_named_tie_is_no_tie(tmp_path):
    data = [{**row, "contestant": "tie" if row["contestant"] == "调优后" else row["contestant"]} for row in rows(3)]
    (one,) = judged(tmp_path, right, data=data).tallies
    assert {(line.first, line.wins, line.ties) for line in one.versus if line.second == "基座"} == {
        ("tie", 3, 0),
        ("第三", 3, 0),
    }


def write_lines(path: Path, lines: list[Any], end: str = "\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + end, encoding="utf-8")


def test_fastchats_layout_is_read_turn_by_turn(tmp_path):
    write_lines(
        tmp_path / "question.jsonl",
        [{"question_id": 81, "category": "math", "turns": ["一加一？", "再加一？"]}],
        end="",
    )
    for name, second in (("甲-7b", "3"), ("乙-7b", "$ERROR$")):
        said_ = {
            "question_id": 81,
            "answer_id": "x",
            "model_id": name,
            "choices": [{"index": 0, "turns": ["2", second]}],
        }
        write_lines(tmp_path / f"model_answer/{name}.jsonl", [{**said_, "tstamp": 1.0}])
    reference = {"question_id": 81, "model_id": "gpt-4", "choices": [{"index": 0, "turns": ["2", "3"]}]}
    write_lines(tmp_path / "reference_answer/gpt-4.jsonl", [reference])
    answered = read_answers(tmp_path)
    assert [(item.id, item.questions, item.references) for item in answered.items] == [
        ("81", ("一加一？",), ("2",)), ("81#2", ("一加一？", "再加一？"), ("2", "3")),
    ]  # fmt: skip
    assert answered.items[1].answers == {"甲-7b": ("2", "3")} and answered.failed == {"乙-7b": 1, "甲-7b": 0}
    (tmp_path / "model_answer/乙-7b.jsonl").write_text('{"question_id": 81}\n', encoding="utf-8")
    with pytest.raises(DataError, match="FastChat"):
        read_answers(tmp_path)


def test_no_verdicts_at_all_make_an_empty_tally():
    one = tally(Bench("评委"), ["基座"])
    assert one.versus == [] and one.by_order.value is None and one.table is None


def test_fastchats_judgments_and_our_own_are_judges_too(tmp_path):
    question = {"question_id": 81, "category": "math", "turns": ["一加一？"]}
    write_lines(tmp_path / "question.jsonl", [question])
    for name in ("甲", "乙"):
        row = {"question_id": 81, "model_id": name, "choices": [{"index": 0, "turns": [f"{name}说2"]}]}
        write_lines(tmp_path / f"model_answer/{name}.jsonl", [row])
    pair = {
        "question_id": 81, "model_1": "乙", "model_2": "甲", "g1_winner": "model_2", "g2_winner": "model_2",
        "judge": ["gpt-4", "pair-v2"], "g1_judgment": "好 [[B]]", "g2_judgment": "[[A]]", "turn": 1, "tstamp": 1.0,
    }  # fmt: skip
    strange = {**pair, "question_id": 99}
    single = {
        "question_id": 81,
        "model": "甲",
        "judge": ["gpt-3.5", "single-v1"],
        "judgment": "Rating: [[9]]",
        "turn": 1,
    }
    write_lines(tmp_path / "pair.jsonl", [pair, strange], end="")
    write_lines(tmp_path / "single.jsonl", [single, {**single, "model": "乙", "judgment": "$ERROR$"}])
    answered = read_answers(tmp_path)
    files = [str(tmp_path / name) for name in ("pair.jsonl", "single.jsonl")]
    first, second = judge_answers(JudgeSettings.build({"judge": files}), answered, tmp_path).tallies
    (line,) = first.versus
    assert (first.bench.judge, line.first, line.wins, line.by_order) == ("gpt-4", "甲", 1, 0)
    assert {one.name: one.mean.value for one in second.grades} == {"甲": 9, "乙": None}
    assert second.why == {"failed": 1}
    again = judge_answers(JudgeSettings.build({"judge": [str(tmp_path / "verdicts.jsonl")]}), answered, tmp_path / "b")
    assert [one.versus for one in again.tallies] == [first.versus, second.versus]
    with pytest.raises(UsageError, match="同名"):
        judge_answers(JudgeSettings.build({"judge": [files[0], files[0]]}), answered, tmp_path)
    write_lines(tmp_path / "other.jsonl", [{"id": 1}])
    for name, message in (("other.jsonl", "不是裁决"), ("none.jsonl", "没有这个")):
        with pytest.raises(DataError, match=message):
            judge_answers(JudgeSettings.build({"judge": [str(tmp_path / name)]}), answered, tmp_path)
