"""Two processes give what one gives, item by item; one that stops is told."""

from __future__ import annotations

from functools import partial

import pytest

from cornucopia.core.errors import ModelError
from cornucopia.inference.data_parallel import DataParallel, open_parallel
from cornucopia.inference.engine import Request, Sampling, TokenSpan
from cornucopia.inference.open_engine import open_engine
from cornucopia.inference.spec import EngineSpec
from cornucopia.records.schema import Message, Record


@pytest.fixture(scope="module")
def opener(tiny):
    spec = EngineSpec.build({"base": str(tiny), "template": "alpaca", "dtype": "float32", "batch_tokens": 200})
    return partial(open_engine, spec)


@pytest.fixture(scope="module")
def two(opener):
    engine = open_parallel(opener, 2)
    assert isinstance(engine, DataParallel)
    yield engine
    engine.close()


def test_answers_and_scores_are_those_of_one_process(opener, two):
    one = open_parallel(opener, 1)
    requests = [
        Request(str(place), Record((Message("user", f"第{place}问" * (place % 5 + 1)),))) for place in range(12)
    ]
    sampling = Sampling(max_new_tokens=6, do_sample=True, temperature=0.9, seed=5)
    wanted = {reply.id: reply.answer for reply in one.generate(requests, sampling)}
    assert {reply.id: reply.answer for reply in two.generate(requests, sampling)} == wanted and len(wanted) == 12
    spans = [TokenSpan([1, *range(4, 9 + place % 7), 20], 3, 6) for place in range(150)]
    for ours, theirs in zip(two.score(spans), one.score(spans), strict=True):
        assert ours.nats == pytest.approx(theirs.nats, abs=1e-4) and ours.greedy == theirs.greedy
    assert two.describe(sampling) == one.describe(sampling) and two.limits() == one.limits()


def test_a_process_that_stopped_is_told(opener, two):
    broken = DataParallel(two.first, opener, 2)
    broken.helpers[0].process.kill()
    broken.helpers[0].process.join()
    with pytest.raises(ModelError, match="另一个进程停了"):
        broken.score([TokenSpan([1, 5, 6], 1, 3)] * 200)
