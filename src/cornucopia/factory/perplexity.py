"""Stage `perplexity`: how likely a local model finds each answer, with its question and without it.

IFD (instruction-following difficulty: Li et al., "From Quantity to Quality: Boosting LLM Performance with Self-Guided
Data Selection for Instruction Tuning", NAACL 2024, "Cherry LLM"): the mean loss of the answer after its question
divided by that of the answer alone. Near 0 the question gives the answer away; at 1 or above it does not help at all,
and the two hardly belong together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cornucopia.core.config import option
from cornucopia.core.errors import ConfigError, CornucopiaError, DataError
from cornucopia.inference.engine import Score, TokenSpan
from cornucopia.inference.open_engine import open_engine
from cornucopia.inference.spec import EngineSpec
from cornucopia.models.find import found_folders
from cornucopia.records.quality.stage import with_scores
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Dropped, Outcome, Stage
from cornucopia.tokens.render import IGNORE, encode, encode_document

TOKENS = "tokens"  # in Record.extra: tokens of the whole record, as it is trained on
_HIGHEST = 700.0  # nats a token, beyond which e to that power is no number


class PerplexityConfig(EngineSpec):
    """`cornucopia data perplexity`"""

    cutoff_len: int = option(1024, "每条最多看多少词元；长的问题从前面截短，长文档分段", gt=8)
    ifd: bool = option(True, "也算 IFD（指令跟随难度）：有问题和没有问题时回答的平均损失之比；多算约一半")
    max_perplexity: float | None = option(None, "每词元困惑度高于它的不要；不写则只记分", gt=1)
    min_ifd: float | None = option(None, "IFD 低于它的不要（问题已经把答案说出来了）", ge=0)
    max_ifd: float | None = option(None, "IFD 高于它的不要（常用 1：问题对回答没有帮助，多半不配）", gt=0)


@dataclass(frozen=True)
class _Spans:
    """What is scored of one record: the answer within the whole, the answer alone, tokens of the whole, characters."""

    given: list[TokenSpan]
    alone: list[TokenSpan]
    tokens: int
    characters: int


class Perplexity(Stage):
    """Scores with a model that runs here; a shard that is done is not scored again."""

    name = "perplexity"
    summary = "用本地模型算困惑度（按词元、按字）和 IFD，记在 scores 里，可按它取舍"
    settings = PerplexityConfig
    local = True

    config: PerplexityConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._engine: Any = None

    def inputs(self) -> list[Path]:
        """The model's files."""
        return found_folders(self.config.base, self.config.adapter)

    def apply(self, records: Sequence[Record], context: Context) -> Outcome:
        engine, outcome = self._opened(), Outcome()
        spans = [self._spans(record, engine) for record in records]
        wanted = [span for one in spans if one for span in (*one.given, *one.alone)]
        scores = iter(engine.score(wanted) if wanted else [])
        for record, one in zip(records, spans, strict=True):
            if one is None:
                outcome.counts["unscored"] += 1
                outcome.kept.append(record)
                continue
            given, alone = ([next(scores) for _ in part] for part in (one.given, one.alone))
            found = _figures(given, alone, one.characters)
            marked = with_scores(record, found)
            marked = replace(marked, extra={**marked.extra, TOKENS: one.tokens})
            rule, detail = self._against(found)
            if rule:
                outcome.dropped.append(Dropped(marked, rule, detail))
            else:
                outcome.kept.append(marked)
        return outcome

    def _opened(self) -> Any:
        """
        Raises:
            ConfigError: if the model cannot score tokens that are given to it.
        """
        if self._engine is None:
            engine = open_engine(self.config.engine_spec())
            if not engine.limits().scores:
                fix = "用本地模型：--model nano，或一个模型目录"
                raise ConfigError("这个模型不能给已有的文字打分", where="perplexity", found=self.config.base, fix=fix)
            self._engine = engine
        return self._engine

    def _spans(self, record: Record, engine: Any) -> _Spans | None:
        """None for a record without an answer, or whose answer does not fit."""
        limit = min(self.config.cutoff_len, engine.limits().context or self.config.cutoff_len)
        try:
            if record.text:
                return _document(record, engine.tokenizer, limit)
            example = encode(record, engine.template, engine.tokenizer, limit, train_on_reasoning=False)
        except (DataError, CornucopiaError):
            return None
        labels = example.labels
        end = next((n + 1 for n in reversed(range(len(labels))) if labels[n] != IGNORE), 0)
        begin = next((n + 1 for n in reversed(range(end)) if labels[n] == IGNORE), 0)
        if not 0 < begin < end:
            return None
        ids = example.input_ids
        before = engine.tokenizer.bos_token_id
        before = engine.tokenizer.eos_token_id if before is None else before
        alone = [TokenSpan([before, *ids[begin:end]], 1, end - begin + 1)] if before is not None else []
        given = [TokenSpan(ids, begin, end)]
        return _Spans(given, alone if self.config.ifd else [], len(ids), len(record.golden))

    def _against(self, found: dict[str, float]) -> tuple[str, str]:
        """(rule by which the record goes, what was found), or ('', '')."""
        ifd, config = found.get("ifd"), self.config
        if config.max_perplexity is not None and found["perplexity"] > config.max_perplexity:
            return "max_perplexity", f"困惑度 {found['perplexity']:g}"
        if config.max_ifd is not None and ifd is not None and ifd > config.max_ifd:
            return "max_ifd", f"IFD {ifd:g}"
        if config.min_ifd is not None and ifd is not None and ifd < config.min_ifd:
            return "min_ifd", f"IFD {ifd:g}"
        return "", ""


def _document(record: Record, tokenizer: Any, limit: int) -> _Spans | None:
    pieces = [example.input_ids for example in encode_document(record, tokenizer, limit)]
    spans = [TokenSpan(ids, 1, len(ids)) for ids in pieces]
    return _Spans(spans, [], sum(map(len, pieces)), len(record.text)) if spans else None


def _figures(given: Sequence[Score], alone: Sequence[Score], characters: int) -> dict[str, float]:
    """`perplexity` (a token), `perplexity_char` (a character), `ifd`."""
    nats, tokens = sum(score.nats for score in given), sum(score.tokens for score in given)
    found = {"perplexity": _power(nats / max(1, tokens)), "perplexity_char": _power(nats / max(1, characters))}
    without = sum(score.nats for score in alone)
    return found | ({"ifd": round(nats / without, 4)} if without > 0 else {})


def _power(nats: float) -> float:
    return round(math.exp(min(nats, _HIGHEST)), 4)
