"""Stages for tests of the runner: worker processes import them by this name."""

from __future__ import annotations

import os
import time
import zlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from cornucopia.core.config import Config, option
from cornucopia.factory.tables import STAGES
from cornucopia.records.schema import Message
from cornucopia.records.stage import Dropped, Outcome, Stage


class TrimConfig(Config):
    longest: int = option(40, "回答最多多少字", gt=0)
    words: Path | None = option(None, "要丢的词，一行一个")


class Trim(Stage):
    """Drops answers that hold a listed word, cuts long ones."""

    name, summary, settings = "trim", "截短回答", TrimConfig

    def inputs(self):
        return [self.config.words] if self.config.words else []

    def apply(self, records, context):
        note("trim", context)
        words = self.config.words.read_text(encoding="utf-8").split() if self.config.words else []
        outcome = Outcome()
        for record in records:
            found = next((word for word in words if word in record.golden), "")
            if found:
                outcome.dropped.append(Dropped(record, "word", f"有「{found}」"))
                continue
            cut = record.golden[: self.config.longest]
            if cut != record.golden:
                outcome.counts["cut"] += 1
                outcome.examples.append(("cut", record.golden, cut))
                record = replace(record, messages=(*record.messages[:-1], Message("assistant", cut)))
            outcome.kept.append(record)
        return outcome


class OnceConfig(Config):
    strict: bool = option(True, "答案也要一样才算重复")


class Once(Stage):
    """Keeps the first record of each question; must know all."""

    name, summary, settings, surveys = "once", "去掉重复的", OnceConfig, True

    def survey(self, records, context):
        note("survey", context)
        texts = [r.question + (r.golden if self.config.strict else "") for r in records]
        return {"key": np.array([zlib.crc32(text.encode()) for text in texts], np.int64)}

    def decide(self, surveys, context):
        note("decide", context)
        seen, sizes = set(), Counter()
        for number, path in enumerate(surveys):
            keep = []
            for key in np.load(path)["key"].tolist():
                keep.append(key not in seen)
                seen.add(key)
                sizes[key] += 1
            np.save(context.folder / f"keep-{number}.npy", np.array(keep, bool))
        (context.folder / "report.json").write_text(f'{{"clusters": {sum(n > 1 for n in sizes.values())}}}')

    def apply(self, records, context):
        note("once", context)
        keep = np.load(context.folder / f"keep-{context.shard}.npy")
        pairs = list(zip(records, keep, strict=True))
        return Outcome([r for r, kept in pairs if kept], [Dropped(r, "exact") for r, kept in pairs if not kept])


class AskConfig(Config):
    word: str = option("嗯", "加在回答后面的字")


class Ask(Stage):
    """Plays a stage that asks a model: works in the main process and keeps what it paid for."""

    name, summary, settings, local = "ask_model", "问模型", AskConfig, True

    def apply(self, records, context):
        assert os.getpid() == int(os.environ.get("TEST_MAIN_PID", os.getpid()))
        paid = context.folder / "paid.txt"
        known = set(paid.read_text().split()) if paid.is_file() else set()
        with paid.open("a") as file:
            file.writelines(f"{r.id}\n" for r in records if r.id not in known)
        made = [(*r.messages[:-1], Message("assistant", r.golden + self.config.word)) for r in records]
        return Outcome([replace(r, messages=turns) for r, turns in zip(records, made, strict=True)])


class Part(Stage):
    """Sends every fifth record to `valid`."""

    name, summary, settings = "part", "分出验证集", OnceConfig

    def apply(self, records, context):
        splits = ["valid" if zlib.crc32(r.id.encode()) % 5 == 0 else "train" for r in records]
        marked = [replace(r, extra={**r.extra, "split": s, "scores": {"length": len(r.golden)}})
                  for r, s in zip(records, splits, strict=True)]  # fmt: skip
        return Outcome(marked)


class BadConfig(Config):
    word: str = option("炸", "问题里有它就出错")
    how: str = option("raise", "raise 抛错，die 进程被杀一次，full 磁盘满")
    flag: str = option("", "die 死过一次后写下的文件")
    seconds: float = option(0.0, "每片睡多少秒", ge=0)


class Bad(Stage):
    """Fails on some record."""

    name, summary, settings = "bad", "出错", BadConfig

    def apply(self, records, context):
        note("bad", context)
        time.sleep(self.config.seconds)
        for record in records:
            if self.config.word in record.question:
                self._fail(record)
        return Outcome(list(records))

    def _fail(self, record):
        if self.config.how == "full":
            raise OSError(28, "No space left on device", "somewhere")
        if self.config.how == "die":
            if Path(self.config.flag).exists():
                return
            Path(self.config.flag).touch()
            os.kill(os.getpid(), 9)
        raise ValueError(f"cannot do {record.question}")


def note(what, context):
    """Leave a line for the test that asks how often something was done."""
    path = os.environ.get("TEST_NOTES")
    if path:
        with Path(path).open("a") as file:
            file.write(f"{what} {context.shard}\n")


TEST_STAGES = {stage.name: f"factory_stages:{stage.__name__}" for stage in (Trim, Once, Ask, Part, Bad)}


def register(monkeypatch):
    """Let recipes name them."""
    for name, target in TEST_STAGES.items():
        monkeypatch.setitem(STAGES, name, target)
