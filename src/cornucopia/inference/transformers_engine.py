"""The local engine: a Transformers model answers records, alone or with one of the adapters that stand on it.

One base is held in memory once; each engine is a view of it through one adapter, or through none. Files, reports and
the terminal are unknown here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from typing import Any, Literal

from cornucopia.core.console import warn
from cornucopia.core.errors import CornucopiaError, DataError, ModelError, UsageError
from cornucopia.inference.engine import Engine, Limits, Live, Reply, Request, Sampling, Score, TokenSpan
from cornucopia.inference.generate import Row, Settings, model_pads, pad_left, plan, settle
from cornucopia.inference.grammar import Grammars, Guide
from cornucopia.inference.growing_cache import growing_cache
from cornucopia.inference.local_live import LocalLive
from cornucopia.inference.prompt_lookup import PromptLookup
from cornucopia.inference.running_batch import PaddedBatch, RunningBatch, SearchBatch
from cornucopia.inference.scheduler import Scheduler
from cornucopia.inference.scoring import answer_span, score_spans
from cornucopia.inference.shared_model import SharedModel
from cornucopia.inference.slot_batch import SlotBatch
from cornucopia.inference.text import HALF, StopFinder, decode, first_stop
from cornucopia.records.schema import Record, ToolCall
from cornucopia.tokens.reasoning import opens_block, split_reasoning
from cornucopia.tokens.render import encode, encode_prompt
from cornucopia.tokens.segments import Template

MOST = 64  # rows of a batch
BatchKind = tuple[Literal["slots", "padded", "search"], str | None]  # the adapter where it is one's alone
ROUNDS = 4  # batches answered as one group, rows of the later ones entering as places become free


@dataclass
class TransformersEngine(Engine):
    """See `cornucopia.inference.engine.Engine`.

    Args:
        shared: the model.
        adapter: name of this engine's adapter within it; None for the base.
        tokenizer, template: how records become ids.
        batch_tokens: budget of a batch.
        identity: what decides the answers besides the sampling settings (JSON-ready).
        speculate: whether the decoder guesses tokens ahead (see `prompt_lookup`).
    """

    shared: SharedModel
    adapter: str | None
    tokenizer: Any
    template: Template
    batch_tokens: int
    identity: dict[str, Any]
    speculate: bool = True

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests, longest first, in groups; a request that fails gets an error reply of its own."""
        settings = self._settled(sampling)
        rows, failed = self.rows(requests, sampling)
        yield from failed
        kind = self.batch_kind(settings)
        for group in self._groups(rows, settings):
            line = Scheduler(self.open_batch(kind))  # of its own, so that a group given alone computes the same
            for row in group:
                line.add(row)
            while line.busy:
                yield from [self.reply(row) for row in line.step() if row.finish is not None]

    def plan(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """The requests in the groups that `generate` works on together; a group given alone stays that group.

        Within a group rows enter as others leave, in an order that the group alone decides.
        """
        settings, by_id = self._settled(sampling), {request.id: request for request in requests}
        rows, failed = self.rows(requests, sampling)
        groups = self._groups(rows, settings)
        return [[by_id[row.id] for row in group] for group in groups] + [[by_id[reply.id]] for reply in failed]

    def _groups(self, rows: Sequence[Row], settings: Settings) -> list[list[Row]]:
        batches = plan(rows, self.batch_tokens, settings.num_beams, self._most())
        rounds = 1 if self.batch_kind(settings)[0] == "search" else ROUNDS
        return [list(chain(*batches[start : start + rounds])) for start in range(0, len(batches), rounds)]

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of one answer as they are made, of what is thought before it as Thought; returns the whole Reply."""
        live, request = self.live(), Request("stream", record)
        self.row(request, sampling)  # what cannot be asked is an error here, not a reply
        live.submit(request, sampling)
        while True:
            for event in live.step():
                if event.piece:
                    yield event.piece
                if event.reply is not None:
                    if event.reply.finish_reason == "error":
                        raise ModelError("没有回答", found=event.reply.error)
                    return event.reply

    def live(self) -> Live:
        """See Engine; it serves all engines of this model."""
        return LocalLive(self)

    def opens_thought(self, row: Row) -> bool:
        """Whether the prompt has opened a block of thought."""
        return opens_block(self.tokenizer.decode(row.prompt[-8:]))

    def score(self, items: Sequence[Record | TokenSpan]) -> list[Score]:
        """See Engine; computed in batches, which changes nothing but the last bits."""
        spans = [self._span(item) if isinstance(item, Record) else item for item in items]
        vocabulary = self.shared.base.config.get_text_config().vocab_size
        budget = self.batch_tokens if model_pads(self.shared.base) else 1
        shares = model_pads(self.shared.base) and self.shared.cache_name and not self.shared.learns_prompt(self.adapter)
        return score_spans(
            self._forward, spans, budget=budget, vocabulary=vocabulary, device=self.shared.device,
            new_cache=(lambda: growing_cache(self.shared.base.config)) if shares else None,
        )  # fmt: skip

    def embed(self, items: Sequence[Sequence[int]]) -> list[list[float]]:
        """For each list of token ids the mean of the last hidden states, of length 1."""
        import torch

        ids, mask = pad_left(items, self.shared.device)
        with torch.inference_mode(), self.shared.lock:
            model = self.shared.use(self.adapter)
            output = model(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True)
            states, kept = output.hidden_states[-1].float(), mask[:, :, None]  # (B, T, D)
            mean = (states * kept).sum(1) / kept.sum(1)
        return torch.nn.functional.normalize(mean, dim=-1).tolist()

    def _span(self, record: Record) -> TokenSpan:
        """The final answer's tokens within the whole conversation; what is thought before it is read, not counted."""
        try:
            limit = self.context() or 2**31
            example = encode(record, self.template, self.tokenizer, limit, train_on_reasoning=False)
        except CornucopiaError:
            return TokenSpan((), 0, 0)
        return TokenSpan(example.input_ids, *answer_span(example.labels))

    def limits(self) -> Limits:
        """A local model scores and streams, and calls tools where its template shows them; pictures it is not shown."""
        can = {"scores": True, "streams": True, "schemas": True, "logprobs": True, "tokens": True}
        return Limits(self.context(), self._most(), tools=self.template.calls(Record()) is not None, **can)

    def settings(self, sampling: Sampling) -> Sampling:
        """The sampling settings with the model's own values filled in."""
        settled = self._settled(sampling)
        known = {name: value for name, value in settled.values.items() if name in Sampling.model_fields}
        decided = {"max_new_tokens": settled.max_new_tokens, "do_sample": settled.do_sample, "stop": list(settled.stop)}
        return sampling.model_copy(update={**known, **decided})

    def _settled(self, sampling: Sampling) -> Settings:
        defaults = self.shared.base.generation_config
        return settle(sampling, defaults, self._eos(defaults), self.template.stop_strings)

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """Everything that decides the answers, for fingerprints and reports (JSON-ready)."""
        settings = self._settled(sampling)
        decided = {
            "max_new_tokens": settings.max_new_tokens,
            "do_sample": settings.do_sample,
            "num_beams": settings.num_beams,
            "seed": settings.seed,
            "stop": list(settings.stop),
            **settings.values,
            **({"json_schema": settings.schema} if settings.schema else {}),
        }
        return {**self.identity, "sampling": decided}

    def prompt_length(self, record: Record) -> int:
        """Tokens of the whole conversation as it would be asked, nothing cut."""
        return len(encode_prompt(record, self.template, self.tokenizer))

    def prompt_limit(self, sampling: Sampling) -> int | None:
        """Most tokens a prompt may have, so that an answer still fits the context; None when nothing limits it."""
        context = self.context()
        return None if context is None else context - _reserve(self._settled(sampling), context)

    def context(self) -> int | None:
        """Most tokens of prompt and answer together, as the model's config says; None when it does not."""
        config = self.shared.base.config.get_text_config()
        limit = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        return int(limit) if limit else None

    def rows(self, requests: Sequence[Request], sampling: Sampling) -> tuple[list[Row], list[Reply]]:
        """The requests as the running batch takes them, and replies of those that do not fit."""
        settings = self._settled(sampling)
        rows, failed, cut = [], [], 0
        for request in requests:
            try:
                row = self._row(request, settings)
                cut += row.cut
                rows.append(row)
            except CornucopiaError as error:
                failed.append(Reply(request.id, "", "error", error=" ".join(str(error).split())))
        if cut:
            warn(f"{cut} 个问题超过模型的上下文长度（{self.context()} 个词元），已截短材料或更早的对话")
        return rows, failed

    def row(self, request: Request, sampling: Sampling) -> Row:
        """A request as the running batch takes it.

        Raises:
            CornucopiaError: it does not fit the context.
        """
        return self._row(request, self._settled(sampling))

    def _row(self, request: Request, settings: Settings) -> Row:
        context, record = self.context(), request.record
        most = None if context is None else context - _reserve(settings, context)
        prompt, whole = self._prompt(request, most)
        limit = settings.max_new_tokens if context is None else min(settings.max_new_tokens, context - len(prompt))
        return Row(
            request.id, prompt, limit, settings, self.adapter, StopFinder(self.tokenizer, settings.stop),
            cut=len(prompt) < whole, tools=record.tools, guide=self._guide(prompt, settings),
            reader=self.template.calls(record) if record.tools else None,
            earlier=sum(len(turn.tool_calls) for turn in record.messages),
            lookup=PromptLookup(prompt) if self.speculate else None,
        )  # fmt: skip

    def _prompt(self, request: Request, most: int | None) -> tuple[list[int], int]:
        """Token ids of at most `most`, and how many they were before anything was cut."""
        if request.ids:
            if most is not None and len(request.ids) > most:
                raise DataError(
                    f"提示有 {len(request.ids)} 个词元，超过模型能容的 {most} 个", where=request.id, fix="缩短它"
                )
            return list(request.ids), len(request.ids)
        whole = encode_prompt(request.record, self.template, self.tokenizer)
        if most is None or len(whole) <= most:
            return whole, len(whole)
        return encode_prompt(request.record, self.template, self.tokenizer, most), len(whole)

    def _guide(self, prompt: list[int], settings: Settings) -> Guide | None:
        """What holds an answer to the settings' schema.

        Raises:
            UsageError: the schema is wrong, or these settings cannot hold to one.
        """
        if settings.schema is None:
            return None
        if self.batch_kind(settings)[0] == "search":
            raise UsageError("束搜索和这个模型的写法不能按 JSON Schema 约束回答", where="json_schema")
        return self._grammars.guide(settings.schema, thinking=opens_block(self.tokenizer.decode(prompt[-8:])))

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.tokenizer, self.shared.base.config.get_text_config().vocab_size)

    def _forward(self, **inputs: Any) -> Any:
        return self.shared.forward(self.adapter, **inputs)

    def batch_kind(self, settings: Settings) -> BatchKind:
        """Which running batch answers with these settings: the decoder's, the model's own forward, or `generate`."""
        caches = model_pads(self.shared.base) and self.shared.cache_name is not None
        if settings.num_beams > 1 or not caches or self.shared.learns_prompt(self.adapter):
            return "search", self.adapter
        return ("padded", self.adapter) if self.shared.decoder(self.adapter) is None else ("slots", None)

    def open_batch(self, kind: BatchKind, *, at_once: bool = False) -> RunningBatch:
        """A new, empty one; `at_once`: rows enter as soon as there is a place (see PaddedBatch)."""
        shared = self.shared
        if kind[0] == "search":
            return SearchBatch(shared.lock, partial(shared.use, self.adapter), shared.device, self._most())
        if kind[0] == "padded" or (decoder := shared.decoder(self.adapter)) is None:
            new_cache = partial(growing_cache, shared.base.config)
            most, budget = self._most(), self.batch_tokens
            room = shared.room
            return PaddedBatch(self._forward, new_cache, shared.device, budget, most, room=room, at_once=at_once)
        return SlotBatch(decoder, shared.stacks, self.batch_tokens, self._most(), shared.room)

    def reply(self, row: Row) -> Reply:
        """The answer of a finished row."""
        if row.finish == "error":
            return Reply(row.id, "", "error", prompt_tokens=len(row.prompt), error=row.error)
        settings = row.settings
        tokens = row.tokens[:-1] if row.tokens and row.tokens[-1] in settings.eos else row.tokens
        reader = row.reader
        text = decode(self.tokenizer, tokens, reader.marks if reader else ())
        at = first_stop(text, settings.stop)
        text = (text if at < 0 else text[:at]).strip()
        finish = "stop" if at >= 0 else row.finish or "stop"
        # An answer cut at its limit may end in half a character.
        thought, answer = split_reasoning(text.rstrip(HALF), opened=self.opens_thought(row))
        calls: tuple[ToolCall, ...] = ()
        if reader:
            answer, calls = reader.read(answer, row.tools, row.earlier)
            finish = "tool_calls" if calls and finish == "stop" else finish
        used = len(row.prompt), len(row.tokens), row.seconds
        return Reply(row.id, answer, finish, *used, reasoning=thought, tool_calls=calls)

    def _most(self) -> int:
        return MOST if model_pads(self.shared.base) else 1

    def _eos(self, defaults: Any) -> frozenset[int]:
        """Ends of sequence of generation_config (one id or a list), and the tokenizer's, which training teaches."""
        own = defaults.eos_token_id
        listed = own if isinstance(own, (list, tuple)) else [own]
        return frozenset(
            int(token) for token in [*listed, self.tokenizer.eos_token_id] if token is not None and token >= 0
        )


def _reserve(settings: Settings, context: int) -> int:
    """Tokens of the context kept free for the answer: those it may have, but never more than a quarter."""
    return max(1, min(settings.max_new_tokens, context // 4))
