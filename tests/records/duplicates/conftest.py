"""Records with planted duplicates, and the stage run shard by shard as the factory runs it."""

import random
from pathlib import Path

import numpy as np
import pytest

from cornucopia.records.duplicates.stage import Deduplicate
from cornucopia.records.schema import Message, Record
from cornucopia.records.stage import Context

_CHARS = [chr(code) for code in range(0x6000, 0x6000 + 1500)]  # no numeral among them


def asked(question, answer="", origin="", score=None, **fields):
    turns = (Message("user", question), *([Message("assistant", answer)] if answer else []))
    extra = {} if score is None else {"scores": {"quality": score}}
    return Record(messages=turns, origin=origin, extra=extra, **fields)


def nonsense(rng, size):
    """Text that shares nothing with any other."""
    return "".join(rng.choices(_CHARS, k=size))


def edited(rng, text, edits):
    """The text with some characters changed."""
    chars = list(text)
    for place in rng.sample(range(len(chars)), edits):
        chars[place] = rng.choice(_CHARS)
    return "".join(chars)


class Run:
    """Records through the stage in shards: `kept` and `dropped` of all, in order; `folder` with what it wrote."""

    def __init__(self, folder, records, shard=7, backwards=False, **settings):
        stage = Deduplicate(Deduplicate.settings(**settings))
        self.folder, self.kept, self.dropped = Path(folder), [], []
        self.folder.mkdir(parents=True, exist_ok=True)
        shards = [records[start : start + shard] for start in range(0, len(records), shard)]
        paths = [self.folder / f"survey-{number}.npz" for number in range(len(shards))]
        order = list(enumerate(shards))[:: -1 if backwards else 1]
        for number, some in order:
            np.savez(paths[number], **stage.survey(some, Context(self.folder, number)))
        stage.decide(paths, Context(self.folder))
        outcomes = {number: stage.apply(some, Context(self.folder, number)) for number, some in order}
        stage.finish(Context(self.folder))
        for number in range(len(shards)):
            self.kept += outcomes[number].kept
            self.dropped += outcomes[number].dropped

    def rules(self):
        return [(one.record.origin, one.rule) for one in self.dropped]


@pytest.fixture
def rng():
    return random.Random(7)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_CACHE", str(tmp_path / "cache"))
    count = iter(range(100))
    return lambda records, **settings: Run(tmp_path / f"run{next(count)}", records, **settings)
