"""select keeps the best and the different, split keeps siblings together, mix gives what the weights say."""

from __future__ import annotations

import csv
import string
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from cornucopia.core.errors import ConfigError, DataError
from cornucopia.records.mix.clusters import Clusters
from cornucopia.records.mix.families import families
from cornucopia.records.mix.mix import Mix, MixConfig
from cornucopia.records.mix.select import Select, SelectConfig
from cornucopia.records.mix.shares import Pool, allot, whole_units
from cornucopia.records.mix.split import Split, SplitConfig
from cornucopia.records.mix.vectors import vectors
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context


def qa(question: str, answer: str = "答案在合同里写明。", **fields) -> Record:
    return Record((Message("user", question), Message("assistant", answer)), **fields)


def run(stage, records, folder, shards=3, seed=42):
    """As the runner does it: survey each shard, decide, apply each shard. Gives (kept by shard, dropped)."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [records[n::shards] for n in range(shards)]
    paths = []
    for number, part in enumerate(parts):
        paths.append(folder / f"survey-{number}.npz")
        np.savez(paths[-1], **stage.survey(part, Context(folder, number, seed)))
    stage.decide(paths, Context(folder, 0, seed))
    outcomes = [stage.apply(part, Context(folder, number, seed)) for number, part in enumerate(parts)]
    (folder / "report").mkdir(exist_ok=True)
    stage.finish(Context(folder, 0, seed))
    return [record for one in outcomes for record in one.kept], [drop for one in outcomes for drop in one.dropped]


def words(random: Random, count: int = 30) -> str:
    return "".join(chr(random.randrange(0x4E00, 0x9F00)) for _ in range(count))


def different(count: int, seed: int = 0, **fields) -> list[Record]:
    random = Random(seed)
    return [qa(words(random), words(random), id=f"in{seed}:{n}", **fields) for n in range(count)]


def alike(count: int, **fields) -> list[Record]:
    return [qa(f"第{n}期定期存款三年到期以后应该怎样转存才最划算？", id=f"x:{n}", **fields) for n in range(count)]


def select(**settings):
    return Select(SelectConfig.build(settings))


def test_a_cluster_of_near_identical_records_does_not_eat_the_budget(tmp_path):
    records = alike(300) + different(60)
    kept, dropped = run(select(budget=60), records, tmp_path / "a")
    assert len(kept) == 60 and len(dropped) == 300
    assert sum(record.id.startswith("x:") for record in kept) <= 3
    blind, _ = run(select(budget=60, diversity=0), records, tmp_path / "b")
    assert sum(record.id.startswith("x:") for record in blind) > 30


def scored(record: Record, value: float) -> Record:
    return replace(record, extra={"scores": {"quality": value}})


def test_of_alike_records_the_best_is_kept_and_bad_ones_lose_to_good(tmp_path):
    records = [scored(record, 0.1 + n / 1000) for n, record in enumerate(alike(50))]
    records += [scored(record, 0.9) for record in different(10)] + [scored(r, 0.001) for r in different(10, 1)]
    kept, _ = run(select(budget=11), records, tmp_path)
    assert sorted(record.id for record in kept if record.id.startswith("x:")) == ["x:49"]
    assert not any(record.id.startswith("in1:") for record in kept)


def test_lower_is_better_where_the_score_says_so(tmp_path):
    records = [replace(r, extra={"scores": {"ppl": float(n)}}) for n, r in enumerate(different(20))]
    kept, _ = run(select(budget=5, score="ppl", reverse=True), records, tmp_path)
    assert {record.extra["scores"]["ppl"] for record in kept} == {0, 1, 2, 3, 4}


def test_quotas_are_kept_and_the_rest_is_dealt_out(tmp_path):
    records = different(200, 1, domain="保险") + different(200, 2, domain="基金") + different(100, 3, domain="股票")
    kept, _ = run(select(budget=100, quotas={"保险": 0.5}), records, tmp_path)
    counts = Counter(record.domain for record in kept)
    assert counts["保险"] == 50 and sum(counts.values()) == 100 and counts["基金"] in (33, 34)
    rows = list(csv.DictReader((tmp_path / "report" / "select.csv").open(encoding="utf-8")))
    assert {row["领域"]: int(row["留下（条）"]) for row in rows} == dict(counts)


def test_a_budget_of_characters_is_not_overrun(tmp_path):
    kept, _ = run(select(budget=1000, unit="characters"), different(200), tmp_path)
    assert 900 < sum(len(r.question) + len(r.golden) for r in kept) <= 1000


def test_tokens_must_have_been_counted(tmp_path):
    with pytest.raises(DataError):
        run(select(budget=10, unit="tokens"), different(3), tmp_path)


def test_a_wrong_domain_names_its_neighbour(tmp_path):
    with pytest.raises(ConfigError) as caught:
        run(select(budget=1, quotas={"保险类": 0.5}), different(3, domain="保险"), tmp_path)
    assert "保险" in str(caught.value)


def test_the_choice_does_not_depend_on_shards_or_a_second_run(tmp_path):
    records = alike(40) + different(60)
    first, _ = run(select(budget=30), records, tmp_path / "a", shards=1)
    again, _ = run(select(budget=30), records, tmp_path / "b", shards=1)
    assert [r.id for r in first] == [r.id for r in again]
    assert len(run(select(budget=30), records, tmp_path / "c", shards=7)[0]) == 30


def test_vectors_are_near_for_alike_texts_and_far_for_others():
    one, two, other = vectors([*alike(2), *different(1)]).astype(float)
    assert one @ two / 127**2 > 0.85 and abs(one @ other) / 127**2 < 0.35
    assert not vectors([qa("", "")]).any() and vectors([]).shape == (0, 128)


def test_clusters_stay_few_and_keep_their_members_together():
    random = np.random.default_rng(0)
    centres = random.integers(-127, 127, (40, 128))
    drawn = random.integers(0, 40, 2000)
    points = np.clip(centres[drawn] + random.integers(-20, 20, (2000, 128)), -127, 127).astype(np.int8)
    clusters = Clusters(most=64, similarity=0.6)
    found = clusters.final(np.concatenate([clusters.add(points[n : n + 300]) for n in range(0, 2000, 300)]))
    assert len(np.unique(found)) == 40
    assert all(len(np.unique(found[drawn == n])) == 1 for n in range(40))
    few = Clusters(most=8, similarity=0.6)
    assert len(np.unique(few.final(few.add(points)))) <= 8


def split(**settings):
    return Split(SplitConfig.build(settings))


def siblings() -> list[Record]:
    records = []
    for n in range(120):
        base = qa(f"第{n}个问题是什么意思？{words(Random(n), 8)}", id=f"a:{n}", domain=string.ascii_letters[n % 3])
        records += [replace(base, extra={"article": f"保险/{n // 4}"}), qa(f"换个问法{n}", id=f"b:{n}")]
        records[-1] = replace(records[-1], extra={"source_id": f"a:{n}~1"})
        records[-2] = replace(records[-2], extra={**records[-2].extra, "source_id": f"a:{n}"})
    return records


def parts_of(records) -> dict[str, str]:
    return {record.id: record.extra["split"] for record in records}


def test_wordings_articles_and_equal_questions_stay_together(tmp_path):
    records = siblings()
    records.append(replace(records[0], id="c:1", extra={"article": "别处/9"}))  # the same question in another article
    kept, dropped = run(split(valid=0.2, test=0.2), records, tmp_path)
    assert not dropped and len(kept) == len(records)
    part = parts_of(kept)
    articles = defaultdict(set)
    for n in range(120):
        articles[n // 4] |= {part[f"a:{n}"], part[f"b:{n}"]}
    assert all(len(found) == 1 for found in articles.values())
    assert part["c:1"] == part["a:0"]
    assert set(part.values()) == {"train", "valid", "test"}


def test_more_data_moves_no_record(tmp_path):
    records = siblings()
    before = parts_of(run(split(valid=0.2, test=0.2), records[:100], tmp_path / "a")[0])
    after = parts_of(run(split(valid=0.2, test=0.2), different(300) + records, tmp_path / "b", shards=5)[0])
    assert all(after[name] == part for name, part in before.items() if name != "c:1")


def test_a_part_that_gets_nothing_is_told(tmp_path, capsys):
    records = [replace(record, extra={"evidence": [{"document": "a.pdf", "quote": "x"}]}) for record in different(30)]
    kept, _ = run(split(valid=0.1, test=0), records, tmp_path)
    assert len(set(parts_of(kept).values())) == 1
    told = capsys.readouterr().err
    assert "一条也没有" in told and "只连成 1 组" in told and "test" not in told
    run(split(valid=0.2, test=0.2), different(200), tmp_path / "many")
    assert "一条也没有" not in capsys.readouterr().err


def test_another_seed_splits_otherwise(tmp_path):
    records = different(200)
    one, two = (parts_of(run(split(test=0.5), records, tmp_path / str(s), seed=s)[0]) for s in (1, 2))
    assert 50 < sum(one[name] != two[name] for name in one) < 150


def test_shares_hold_and_exact_ones_in_every_domain(tmp_path):
    records = different(900, 1, domain="保险") + different(100, 2, domain="基金")
    counts = Counter(parts_of(run(split(valid=0.1, test=0.1), records, tmp_path / "a")[0]).values())
    assert 60 < counts["test"] < 140 and 60 < counts["valid"] < 140
    kept, _ = run(split(valid=0.1, test=0.1, exact=True), records, tmp_path / "b")
    by_domain = Counter((record.domain, record.extra["split"]) for record in kept)
    assert by_domain["保险", "test"] == by_domain["保险", "valid"] == 90 and by_domain["基金", "test"] == 10
    rows = {r["领域"]: r for r in csv.DictReader((tmp_path / "b/report/split.csv").open(encoding="utf-8"))}
    assert rows["基金"]["train"] == "80"


def test_without_a_part_there_is_none(tmp_path):
    kept, _ = run(split(valid=0, test=0), different(50), tmp_path)
    assert set(parts_of(kept).values()) == {"train"}
    with pytest.raises(ConfigError):
        split(valid=0.6, test=0.4)


def test_chains_of_ties_are_one_family():
    ties = np.array([[1, 0], [1, 5], [2, 5], [2, 0], [0, 0], [0, 7], [3, 7]], np.uint64)
    assert families(ties).tolist() == [0, 0, 0, 0, 4, 5, 5]
    assert families(np.zeros((0, 2), np.uint64)).tolist() == []


def mix(**settings):
    return Mix(MixConfig.build(settings))


def counted(records) -> Counter[str]:
    return Counter(record.id.partition(":")[0] for record in records)


SOURCES = [*different(300, 1), *different(100, 2), *different(50, 3)]


def test_weights_and_total(tmp_path):
    kept, dropped = run(mix(weights={"in1": 1, "in2": 3, "in3": 2}, total=200), SOURCES, tmp_path)
    assert counted(kept) == {"in1": 86, "in2": 86, "in3": 28}  # 300x1, 100x3, 50x2
    assert {drop.rule for drop in dropped} == {"over_share"} and len(kept) + len(dropped) == 450


def test_weights_of_sources_count_where_nothing_else_is_said(tmp_path):
    kept, _ = run(mix(source_weights={"in2": 3, "in9": 5}, weights={"in1": 1, "in3": 0}, total=200), SOURCES, tmp_path)
    assert counted(kept) == {"in1": 100, "in2": 100}


def test_temperature_evens_out(tmp_path):
    kept, _ = run(mix(temperature=1000, total=90), SOURCES, tmp_path)
    assert set(counted(kept).values()) == {30}


def test_general_data_gets_its_share_of_the_most_that_fits(tmp_path):
    kept, _ = run(mix(shares={"in3": 0.2}), SOURCES, tmp_path)
    counts = counted(kept)
    assert counts["in3"] == 50 and sum(counts.values()) == 250 and counts["in1"] == 150


def test_repeats_make_up_what_is_missing_and_are_told_apart(tmp_path):
    kept, _ = run(mix(shares={"in3": 0.5}, total=250, repeat=3), SOURCES, tmp_path)
    mine = Counter(record.id.partition("#")[0] for record in kept if record.id.startswith("in3"))
    assert sum(mine.values()) == 125 and set(mine.values()) == {2, 3}
    assert len({record.id for record in kept}) == len(kept) == 250
    rows = {row["组"]: row for row in csv.DictReader((tmp_path / "report/mix.csv").open(encoding="utf-8"))}
    assert rows["in3"]["平均用几遍"] == "2.50" and rows["in3"]["占比"] == "50.00%"


def test_caps_hold_and_a_weight_of_nothing_takes_nothing(tmp_path):
    kept, _ = run(mix(caps={"in1": 20}, weights={"in2": 0}, total=60), SOURCES, tmp_path)
    assert counted(kept) == {"in1": 20, "in3": 40}


def test_a_larger_total_only_adds(tmp_path):
    small = {r.id for r in run(mix(total=100), SOURCES, tmp_path / "a")[0]}
    large = {r.id for r in run(mix(total=200), SOURCES, tmp_path / "b", shards=5)[0]}
    assert small < large


def test_by_characters(tmp_path):
    long = [qa("长" * 300 + words(Random(n)), id=f"in9:{n}") for n in range(100)]
    kept, _ = run(mix(unit="characters", temperature=1000, total=6000), [*SOURCES, *long], tmp_path)
    sizes = Counter()
    for record in kept:
        sizes[record.id.partition(":")[0]] += len(record.question) + len(record.golden)
    assert all(1200 < size < 1800 for size in sizes.values())


def test_settings_that_contradict_are_refused(tmp_path):
    for settings in (
        {"shares": {"a": 0.7, "b": 0.4}},
        {"weights": {"a": -1}},
        {"weights": {"a": 1}, "shares": {"a": 0.1}},
    ):
        with pytest.raises(ConfigError):
            mix(**settings)
    with pytest.raises(ConfigError) as caught:
        run(mix(weights={"in11": 2}), SOURCES, tmp_path)
    assert "in1" in str(caught.value)
    assert mix(weights="in1=2,in2=0.5").config.weights == {"in1": 2, "in2": 0.5}
    with pytest.raises(ConfigError):
        mix(weights="in1")


def test_nothing_at_all(tmp_path):
    for number, stage in enumerate((mix(), split(), select(budget=5))):
        assert run(stage, [], tmp_path / str(number)) == ([], [])


def test_amounts_are_dealt_out_whole():
    pools = [Pool(100, 1, None, 100), Pool(10, 1, None, 10), Pool(50, 1, 0.5, 50)]
    assert allot(pools, 1, 80) == pytest.approx([30 + 70 / 11, 40 / 11, 40])
    assert sum(whole_units([1 / 3, 1 / 3, 1 / 3])) == 1
    assert allot([Pool(10, 1, None, 10), Pool(10, 1, None, 10)], 1, 100) == [10, 10]
