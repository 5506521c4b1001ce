"""Planted duplicates are found, unlike records stay, and neither the order of work nor the cut into runs matters."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.records.duplicates.conftest import Run, asked, edited, nonsense

from cornucopia.core.errors import ConfigError, CornucopiaError
from cornucopia.records.overlap import near_duplicates
from cornucopia.records.schema import Message, Passage, Record


def planted(rng, count, edits, size=200):
    """(records, origins of the planted near duplicates)."""
    texts = [nonsense(rng, size) for _ in range(count)]
    copies = [edited(rng, text, rng.choice(edits)) for text in texts]
    records = [asked(text, origin=f"a{n}") for n, text in enumerate(texts)]
    return records + [asked(text, origin=f"b{n}") for n, text in enumerate(copies)], {f"b{n}" for n in range(count)}


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.9])
def test_planted_duplicates_at_the_threshold_are_found_and_unlike_texts_stay(run, rng, threshold):
    records, copies = planted(rng, 400, {0.6: [4, 6, 8, 10], 0.8: [1, 2, 3, 4], 0.9: [1, 2]}[threshold])
    true = {tuple(sorted((p.left, p.right))) for p in near_duplicates(records, threshold)}
    wanted = {f"b{n}" for n in range(400) if (n, 400 + n) in true}
    assert len(wanted) > 250
    found = dict(run(records, shard=100, threshold=threshold).rules())
    assert set(found.values()) <= {"near", "exact"}
    assert len(wanted & set(found)) >= 0.95 * len(wanted)
    assert set(found) <= copies  # nothing that was not planted


def test_exact_duplicates_are_told_by_what_carries_meaning(run):
    records = [
        asked("年利率3.85%，怎么算？", origin="1"),
        asked(" 年利率３.８５％ 怎么算", origin="2"),
        asked("年利率385%，怎么算？", origin="3"),
        Record(text="公告一", origin="4"),
        Record(text="公告一。", origin="5"),
        asked("？？？", origin="6"),
        Record(messages=(Message("user", "", images=("a.png",)),), origin="7"),
        Record(messages=(Message("user", "", images=("b.png",)),), origin="8"),
    ]
    assert run(records, near=False).rules() == [("2", "exact"), ("5", "exact")]
    assert run(records).rules() == [("2", "exact"), ("5", "exact")]


def test_which_one_stays_is_the_best_scored_else_the_first(run, rng):
    text = nonsense(rng, 80)
    copies = [
        asked(text, origin="a", score=0.2),
        asked(text, origin="b", score=0.9),
        asked(edited(rng, text, 1), origin="c"),
    ]
    assert [r.origin for r in run(copies).kept] == ["b"]
    assert [r.origin for r in run([replace(r, extra={}) for r in copies]).kept] == ["a"]
    assert [r.origin for r in run(copies, score="").kept] == ["a"]
    assert "a" in run([replace(r, extra={}) for r in copies]).dropped[0].detail


def test_texts_that_are_alike_one_after_another_do_not_chain(run, rng):
    """Each is 4 edits from the one before: neighbours are duplicates, the first and the last share nothing."""
    chain = [list(nonsense(rng, 120))]
    for step in range(40):
        text = list(chain[-1])
        for place in range(step * 3, step * 3 + 3):
            text[place] = nonsense(rng, 1)
        chain.append(text)
    records = [asked("".join(text), origin=str(n)) for n, text in enumerate(chain)]
    made = run(records)
    assert 1 < len(made.kept) < len(records)
    texts = {record.origin: record for record in records}
    for one in made.dropped:
        kept = one.detail.split()[1]
        (pair,) = near_duplicates([texts[kept], one.record], 0.5)
        assert pair.similarity > 0.65
        assert kept in {record.origin for record in made.kept}


def test_numbers_that_differ_make_another_question_unless_told_otherwise(run, rng):
    stem = nonsense(rng, 80)
    records = [asked(f"{stem}贷款{years}年{stem[::-1]}", origin=str(years)) for years in (10, 20, 30)]
    assert run(records).rules() == []
    assert run(records, numbers=False).rules() == [("20", "near"), ("30", "near")]


def test_short_questions_are_duplicates_only_when_equal(run):
    questions = ["利率", "利润", "什么是ETF", "什么是LOF", "什么是 ETF？", "利率？", "股", "债"]
    made = run([asked(text, origin=str(n)) for n, text in enumerate(questions)], threshold=0.5)
    assert made.rules() == [("4", "exact"), ("5", "exact")]


@pytest.mark.parametrize(
    ("scope", "gone"),
    [("question", ["b"]), ("question+answer", []), ("answer", ["c"]), ("text", [])],
)
def test_scope_decides_what_is_compared(run, rng, scope, gone):
    question, answer = nonsense(rng, 60), nonsense(rng, 200)
    records = [
        asked(question, answer, origin="a"),
        asked(edited(rng, question, 1), nonsense(rng, 200), origin="b"),
        asked(nonsense(rng, 60), answer, origin="c"),
    ]
    assert [origin for origin, _ in run(records, scope=scope).rules()] == gone


@pytest.mark.parametrize("scope", ["question", "question+answer"])
def test_questions_about_one_long_text_are_not_alike(run, rng, scope):
    text, history = nonsense(rng, 900), (Message("user", nonsense(rng, 300)), Message("assistant", nonsense(rng, 300)))
    asked_of = [asked(nonsense(rng, 80), "答", origin=str(n), passages=(Passage(text),)) for n in range(4)]
    talks = [Record(messages=(*history, Message("user", nonsense(rng, 40))), origin=f"t{n}") for n in range(3)]
    alike = asked(edited(rng, asked_of[0].question, 1), "答", origin="near", passages=(Passage(text + "。"),))
    elsewhere = asked(asked_of[0].question, "答", origin="other", passages=(Passage(text[::-1]),))
    made = run([*asked_of, *talks, alike, elsewhere], scope=scope)
    assert made.rules() == [("near", "near")]


def test_near_questions_about_one_material_go_only_with_the_same_short_answer(run):
    def about(asked_for, answer, origin):
        passages = (Passage("华南暴雨，水泥厂停工，水泥价格上涨。"),)
        text = f"只依据给出的材料作答，供给减少导致市场价格上升的这一事件里，写明原因中所涉及到的{asked_for}是什么？"
        return Record(messages=(Message("user", text), Message("assistant", answer)), passages=passages, origin=origin)

    asked_for = [about("产品", "水泥", "1"), about("地区", "华南", "2"), about("产物", "水泥。", "3")]
    assert run(asked_for, threshold=0.7).rules() == [("3", "near")]
    long = "供给减少的原因是华南连日暴雨，几家水泥厂停工检修，运输也受到影响，市场上的水泥因此减少，价格随之走高。"
    assert run([about("产品", long * 2, "1"), about("产物", long, "2")], threshold=0.7).rules() == [("2", "near")]


def test_templates_with_another_name_in_them_are_not_alike_and_shuffled_choices_are(run):
    def row(name, answer, origin):
        text = f"按照所给的这一份行业分类的图谱来看，{name}的上级行业再往上一级是什么行业？请写出全称。"
        return Record(messages=(Message("user", text), Message("assistant", answer)), origin=origin)

    rows = [row("水泥", "建筑材料", "1"), row("水泥制品", "非金属材料", "2"), row("水泥石", "建筑材料。", "3")]
    assert run(rows, threshold=0.7).rules() == [("3", "near")]
    assert run([row("水泥", "A", "1"), row("水泥类", "C", "2")], threshold=0.7).rules() == [("2", "near")]


def test_pictures_tools_and_verdicts_tell_records_apart(run):
    plain = asked("这张图里的收益率是多少", "3%")
    records = [
        plain,
        replace(plain, label=True),
        replace(plain, label=False),
        replace(plain, tools=({"name": "calc"},)),
    ]
    assert run(records).dropped == []
    assert len(run([*records, *records]).dropped) == 4


def test_several_turns_count(run):
    def talk(first):
        turns = [("user", first), ("assistant", "好的"), ("user", "那利率呢"), ("assistant", "3%")]
        return Record(messages=tuple(Message(*turn) for turn in turns), origin=first)

    assert run([talk("我想存三年"), talk("我想买基金"), talk("我想存三年。")]).rules() == [("我想存三年。", "exact")]


def test_the_order_of_work_and_the_size_of_shards_change_nothing(run, rng):
    records, _ = planted(rng, 60, [0, 1, 3, 5])
    rng.shuffle(records)
    one = run(records, shard=1000)
    for other in (run(records, shard=1), run(records, shard=13, backwards=True)):
        assert other.kept == one.kept and other.dropped == one.dropped


def test_incremental_is_the_same_as_all_at_once(run, rng, tmp_path):
    records, _ = planted(rng, 60, [0, 1, 2, 3])
    rng.shuffle(records)
    old = run(records[:60]).kept
    file = tmp_path / "old.jsonl"
    file.write_text("".join(json.dumps({"instruction": r.question, "output": ""}) + "\n" for r in old), "utf-8")
    whole = run([*old, *records[60:]])
    added = run(records[60:], against=[file])
    assert [r.origin for r in old] + [r.origin for r in added.kept] == [r.origin for r in whole.kept]
    assert any("old.jsonl:" in one.detail for one in added.dropped)
    surveys = list((tmp_path / "cache").rglob("*.npz"))
    stamps = [path.stat().st_mtime_ns for path in surveys]
    assert run(records[60:], against=[tmp_path / "old.jsonl"], keep="first").kept == added.kept
    assert surveys and [path.stat().st_mtime_ns for path in surveys] == stamps  # taken from the cache
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == len(surveys)


def test_an_existing_set_that_cannot_be_read_is_told(run, tmp_path):
    with pytest.raises(ConfigError, match="不存在"):
        run([asked("甲")], against=[tmp_path / "none.jsonl"])
    (tmp_path / "bad.jsonl").write_text("x\n", "utf-8")
    with pytest.raises(CornucopiaError):
        run([asked("甲")], against=[tmp_path / "bad.jsonl"])
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_no_records_and_texts_of_a_megabyte(run, rng):
    assert run([]).kept == []
    text = "".join(f"第{n}条、本公司{n * 7}年营业收入为{n}万元。" for n in range(50_000))
    made = run([Record(text=text, origin="1"), Record(text=text + "完", origin="2"), Record(text="完", origin="3")])
    assert made.rules() == [("2", "near")]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("甲乙丙1.，", max_size=12), max_size=20), st.integers(1, 8), st.booleans())
def test_every_record_is_kept_or_told_of_and_a_second_time_nothing_goes(tmp_path, texts, shard, near):
    records = [asked(text, origin=str(number)) for number, text in enumerate(texts)]
    folder = tmp_path / str(random.random())
    made = Run(folder, records, shard=shard, near=near)
    assert sorted([r.origin for r in made.kept] + [one.record.origin for one in made.dropped]) == sorted(
        r.origin for r in records
    )
    assert Run(folder / "again", made.kept, shard=shard, near=near).dropped == []
    clusters = json.loads((folder / "report" / "clusters.json").read_text())
    assert sum(clusters["dropped"].values()) == len(made.dropped)
