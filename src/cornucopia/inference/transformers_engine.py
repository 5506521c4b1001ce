"""The local engine: a Transformers model answers records, alone or with one of the adapters that stand on it.

One base is held in memory once; each engine is a view of it through one adapter, or through none. Files, reports and
the terminal are unknown here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from cornucopia.core.console import warn
from cornucopia.core.errors import CornucopiaError, UsageError
from cornucopia.inference.engine import Engine, Limits, Reply, Request, Sampling, Score, TokenSpan
from cornucopia.inference.generate import Row, Settings, beam_search, model_pads, pad_left, plan, settle
from cornucopia.inference.grammar import Grammars, Guide
from cornucopia.inference.growing_cache import growing_cache
from cornucopia.inference.running_batch import Batch, run
from cornucopia.inference.scoring import answer_span, score_spans
from cornucopia.inference.shared_model import SharedModel, free_memory
from cornucopia.inference.text import HALF, StopFinder, TextStream, decode, first_stop, hold_calls, mark_thoughts
from cornucopia.records.schema import Record, ToolCall
from cornucopia.tokens.reasoning import opens_block, split_reasoning
from cornucopia.tokens.render import encode, encode_prompt
from cornucopia.tokens.segments import Template
from cornucopia.tokens.tool_calls import ToolCallReader

MOST = 64  # rows of a batch
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
    """

    shared: SharedModel
    adapter: str | None
    tokenizer: Any
    template: Template
    batch_tokens: int
    identity: dict[str, Any]

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests, longest first, in groups; a request that fails gets an error reply of its own."""
        settings = self._settled(sampling)
        rows, failed = self._rows(requests, settings)
        yield from failed
        for group in self._groups(rows, settings):
            yield from self._answer(group, settings, self._most())

    def plan(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """The requests in the groups that `generate` works on together; a group given alone stays that group.

        Within a group rows enter as others leave, in an order that the group alone decides.
        """
        settings, by_id = self._settled(sampling), {request.id: request for request in requests}
        rows, failed = self._rows(requests, settings)
        groups = self._groups(rows, settings)
        return [[by_id[row.id] for row in group] for group in groups] + [[by_id[reply.id]] for reply in failed]

    def _groups(self, rows: Sequence[Row], settings: Settings) -> list[list[Row]]:
        batches = plan(rows, self.batch_tokens, settings.num_beams, self._most())
        rounds = ROUNDS if self._steps(settings) else 1
        return [list(chain(*batches[start : start + rounds])) for start in range(0, len(batches), rounds)]

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of one answer as they are made, of what is thought before it as Thought; returns the whole Reply."""
        settings = self._settled(sampling)
        row = self._row(Request("stream", record), settings)
        row.restart(settings.seed)
        if not self._steps(settings):
            self._search([row], settings)
            reply = self._reply(row, settings)
            yield reply.answer
            return reply
        pieces = mark_thoughts(self._pieces(row, settings), opened=self._opened(row))
        yield from hold_calls(pieces, self._reader(row), row.tools)
        return self._reply(row, settings)

    def _pieces(self, row: Row, settings: Settings) -> Iterator[str]:
        """All that is written, as it is made."""
        reader, begun = self._reader(row), False
        text = TextStream(self.tokenizer, settings.stop, reader.marks if reader else ())
        batch = self._batch(settings)
        while row.finish is None:
            batch.step() if row.tokens else batch.admit([row])
            if row.tokens[-1] in settings.eos:
                break
            piece = text.feed(row.tokens[-1])
            piece = piece if begun else piece.lstrip()
            begun = begun or bool(piece)
            if piece:
                yield piece
            if text.stopped:
                break
        rest = text.end()
        if rest := rest if begun else rest.strip():
            yield rest

    def _reader(self, row: Row) -> ToolCallReader | None:
        return self.template.calls if row.tools else None

    def _opened(self, row: Row) -> bool:
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
        calls = self.template.calls is not None
        return Limits(self.context(), self._most(), scores=True, streams=True, tools=calls, schemas=True)

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

    def _rows(self, requests: Sequence[Request], settings: Settings) -> tuple[list[Row], list[Reply]]:
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

    def _row(self, request: Request, settings: Settings) -> Row:
        context, record = self.context(), request.record
        offer: dict[str, Any] = {
            "tools": record.tools,
            "earlier": sum(len(turn.tool_calls) for turn in record.messages),
        }
        if context is None:
            prompt = encode_prompt(record, self.template, self.tokenizer)
            return Row(request.id, prompt, settings.max_new_tokens, new_guide=self._guide(prompt, settings), **offer)
        most = context - _reserve(settings, context)
        whole = encode_prompt(record, self.template, self.tokenizer)
        prompt = whole if len(whole) <= most else encode_prompt(record, self.template, self.tokenizer, most)
        limit = min(settings.max_new_tokens, context - len(prompt))
        guide = self._guide(prompt, settings)
        return Row(request.id, prompt, limit, cut=len(prompt) < len(whole), new_guide=guide, **offer)

    def _guide(self, prompt: list[int], settings: Settings) -> Callable[[], Guide] | None:
        """What holds an answer to the settings' schema.

        Raises:
            UsageError: the schema is wrong, or these settings cannot hold to one.
        """
        schema = settings.schema
        if schema is None:
            return None
        if not self._steps(settings):
            raise UsageError("束搜索和这个模型的写法不能按 JSON Schema 约束回答", where="json_schema")
        thinking = opens_block(self.tokenizer.decode(prompt[-8:]))
        self._grammars.guide(schema, thinking=thinking)  # a wrong one is told here, where it harms no other row
        return lambda: self._grammars.guide(schema, thinking=thinking)

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.tokenizer, self.shared.base.config.get_text_config().vocab_size)

    def _answer(self, rows: list[Row], settings: Settings, most: int) -> Iterator[Reply]:
        """Answer one group. Rows at work when something fails (most often memory) are tried in halves, down to one."""
        for row in rows:
            row.restart(settings.seed)
        queue = deque(rows)
        while queue:
            at_work: list[Row] = []
            try:
                for row in self._decode(queue, settings, most, at_work):
                    yield self._reply(row, settings)
                return
            except Exception as error:  # a model may raise anything; rows that are not to blame must be answered
                problem, short = _problem(error), _is_short(error)
                stuck = [row for row in at_work if row.finish is None]
                if not stuck:
                    raise
            free_memory()
            if len(stuck) == 1:
                yield Reply(stuck[0].id, "", "error", prompt_tokens=len(stuck[0].prompt), error=problem)
                continue
            half = (len(stuck) + 1) // 2
            most = half if short else most
            for part in (stuck[:half], stuck[half:]):
                yield from self._answer(part, settings, len(part))

    def _decode(self, queue: deque[Row], settings: Settings, most: int, at_work: list[Row]) -> Iterator[Row]:
        """Finished rows until the queue is empty; when it fails, `at_work` holds the rows that were being answered."""
        if not self._steps(settings):
            at_work[:] = queue
            queue.clear()
            self._search(at_work, settings)
            yield from at_work
            return
        batch = self._batch(settings)
        try:
            yield from run(batch, queue, self.batch_tokens, most)
        finally:
            at_work[:] = batch.rows

    def _search(self, rows: list[Row], settings: Settings) -> None:
        with self.shared.lock:
            beam_search(self.shared.use(self.adapter), rows, settings, self.shared.device)

    def _forward(self, **inputs: Any) -> Any:
        return self.shared.forward(self.adapter, **inputs)

    def _batch(self, settings: Settings) -> Batch:
        config = self.shared.base.config
        stops = StopFinder(self.tokenizer, settings.stop)
        return Batch(self._forward, settings, stops, lambda: growing_cache(config), self.shared.device)

    def _reply(self, row: Row, settings: Settings) -> Reply:
        tokens = row.tokens[:-1] if row.tokens and row.tokens[-1] in settings.eos else row.tokens
        reader = self._reader(row)
        text = decode(self.tokenizer, tokens, reader.marks if reader else ())
        at = first_stop(text, settings.stop)
        text = (text if at < 0 else text[:at]).strip()
        finish = "stop" if at >= 0 else row.finish or "stop"
        # An answer cut at its limit may end in half a character.
        thought, answer = split_reasoning(text.rstrip(HALF), opened=self._opened(row))
        calls: tuple[ToolCall, ...] = ()
        if reader:
            answer, calls = reader.read(answer, row.tools, row.earlier)
            finish = "tool_calls" if calls and finish == "stop" else finish
        used = len(row.prompt), len(row.tokens), row.seconds
        return Reply(row.id, answer, finish, *used, reasoning=thought, tool_calls=calls)

    def _steps(self, settings: Settings) -> bool:
        """Whether our own loop can do it; beams, recurrent caches and learnt prompts go through Transformers."""
        caches = model_pads(self.shared.base) and self.shared.cache_name is not None
        return settings.num_beams == 1 and caches and not self.shared.learns_prompt(self.adapter)

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


def _is_short(error: Exception) -> bool:
    """Whether memory ran out."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)


def _problem(error: Exception) -> str:
    if _is_short(error):
        return "内存不够，单独一条也放不下：减小 --max-new-tokens，或用 --bits 4"
    return f"生成失败：{type(error).__name__}: {str(error)[:200]}".replace("\n", " ")
