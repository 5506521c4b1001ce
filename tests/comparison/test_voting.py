"""What `compare` leaves can be voted on, and comes back as the question it was."""

from __future__ import annotations

from comparison_fakes import FakeEngine, Lab, make_recipe
from cornucopia.comparison.run import compare
from cornucopia.comparison.standings import preference_records
from cornucopia.comparison.votes import Votes
from cornucopia.comparison.voting import Voting, read_answers
from cornucopia.records.schema import Message, Passage, Record


def test_earlier_turns_and_material_come_through_to_the_pair(tmp_path):
    turns = [
        ("system", "简短"),
        ("user", "你好"),
        ("assistant", "您好。"),
        ("user", "第几条？"),
        ("assistant", "第三条。"),
    ]
    record = Record(
        tuple(Message(role, text) for role, text in turns), passages=(Passage("条款在此。"),), id="q", domain="保险"
    )
    lab = Lab(
        {"甲": FakeEngine(lambda asked: "甲答"), "乙": FakeEngine(lambda asked: "乙答"), "丙": FakeEngine(lambda a: "")}
    )
    compare(make_recipe(tmp_path, "甲", "乙", "丙"), [record], lab)
    answers = read_answers(tmp_path)
    assert (len(answers.battles), answers.failed) == (1, 1)
    voting = Voting(answers.battles, votes := Votes(tmp_path / "v.sqlite3"), "王")
    voting.cast(offer := next(voting.offers()), "right")
    (pair,) = preference_records(votes.standing())[0]
    assert pair.prompt().asked() == record.prompt().asked() and pair.domain == "保险"
    assert (pair.golden, pair.rejected[0][0].content) == offer.answers[::-1]
    assert votes.standing()[0].battle.a.settings["fake"] is True


def test_every_two_of_several_meet(tmp_path):
    lab = Lab({name: FakeEngine(lambda asked, name=name: name + asked) for name in "甲乙丙"})
    records = [Record((Message("user", f"第{n}问"),), id=str(n)) for n in range(2)]
    compare(make_recipe(tmp_path, *"甲乙丙"), records, lab)
    met = [(battle.a.model, battle.b.model) for battle in read_answers(tmp_path).battles]
    assert len(met) == 6 and len(set(met)) == 3
