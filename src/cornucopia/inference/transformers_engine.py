"""The local engine: a Transformers model answers records, alone or with one of the adapters that stand on it.

One base is held in memory once; each engine is a view of it through one adapter, or through none. Files, reports and
the terminal are unknown here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cornucopia.core.console import warn
from cornucopia.core.errors import CornucopiaError
from cornucopia.inference.engine import Reply, Request, Sampling
from cornucopia.inference.generate import Batch, Row, Settings, beam_search, model_pads, plan, settle
from cornucopia.inference.shared_model import SharedModel, free_memory
from cornucopia.inference.text import HALF, StopFinder, TextStream, decode, first_stop, mark_thoughts
from cornucopia.records.schema import Record
from cornucopia.tokens.reasoning import opens_block, split_reasoning
from cornucopia.tokens.render import encode_prompt
from cornucopia.tokens.template import Template


@dataclass
class TransformersEngine:
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
        """Answer all requests, longest first, in batches; a request that fails gets an error reply of its own."""
        settings = self.settings(sampling)
        rows, failed = self._rows(requests, settings)
        yield from failed
        for batch in plan(rows, self.batch_tokens, settings.num_beams, self._most()):
            yield from self._answer(batch, settings)

    def plan(self, requests: Sequence[Request], sampling: Sampling) -> list[list[Request]]:
        """The requests in the groups that `generate` works on together; a group given alone stays that group."""
        settings, by_id = self.settings(sampling), {request.id: request for request in requests}
        rows, failed = self._rows(requests, settings)
        groups = plan(rows, self.batch_tokens, settings.num_beams, self._most())
        return [[by_id[row.id] for row in group] for group in groups] + [[by_id[reply.id]] for reply in failed]

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of one answer as they are made, of what is thought before it as Thought; returns the whole Reply."""
        settings = self.settings(sampling)
        row = self._row(Request("stream", record), settings)
        row.restart(settings.seed)
        if not self._steps(settings):
            beam_search(self._model(), [row], settings, self.shared.device)
            reply = self._reply(row, settings)
            yield reply.answer
            return reply
        yield from mark_thoughts(self._pieces(row, settings), opened=self._opened(row))
        return self._reply(row, settings)

    def _pieces(self, row: Row, settings: Settings) -> Iterator[str]:
        """All that is written, as it is made."""
        text, begun = TextStream(self.tokenizer, settings.stop), False
        batch = self._batch([row], settings)
        while row.finish is None:
            batch.step()
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

    def _opened(self, row: Row) -> bool:
        return opens_block(self.tokenizer.decode(row.prompt[-8:]))

    def golden_loss(self, records: Sequence[Record]) -> list[tuple[float, int]] | None:
        """(sum of negative log-likelihood in nats, tokens) of each golden answer; (0.0, 0) where there is none."""
        from cornucopia.inference.scoring import golden_losses

        return golden_losses(self, records)

    def settings(self, sampling: Sampling) -> Settings:
        """The sampling settings with the model's own values filled in."""
        defaults = self.shared.base.generation_config
        return settle(sampling, defaults, self._eos(defaults), self.template.stop_strings)

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """Everything that decides the answers, for fingerprints and reports (JSON-ready)."""
        settings = self.settings(sampling)
        decided = {
            "max_new_tokens": settings.max_new_tokens,
            "do_sample": settings.do_sample,
            "num_beams": settings.num_beams,
            "seed": settings.seed,
            "stop": list(settings.stop),
            **settings.values,
        }
        return {**self.identity, "sampling": decided}

    def prompt_length(self, record: Record) -> int:
        """Tokens of the whole conversation as it would be asked, nothing cut."""
        return len(encode_prompt(record, self.template, self.tokenizer))

    def prompt_limit(self, sampling: Sampling) -> int | None:
        """Most tokens a prompt may have, so that an answer still fits the context; None when nothing limits it."""
        context = self.context()
        return None if context is None else context - _reserve(self.settings(sampling), context)

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
        context = self.context()
        if context is None:
            return Row(
                request.id, encode_prompt(request.record, self.template, self.tokenizer), settings.max_new_tokens
            )
        most = context - _reserve(settings, context)
        whole = encode_prompt(request.record, self.template, self.tokenizer)
        prompt = whole if len(whole) <= most else encode_prompt(request.record, self.template, self.tokenizer, most)
        return Row(
            request.id, prompt, min(settings.max_new_tokens, context - len(prompt)), cut=len(prompt) < len(whole)
        )

    def _answer(self, rows: list[Row], settings: Settings) -> Iterator[Reply]:
        """Answer one batch. When it fails (most often for want of memory) its halves are tried, down to single rows."""
        for row in rows:
            row.restart(settings.seed)
        problem = ""
        try:
            for row in self._decode(rows, settings):
                yield self._reply(row, settings)
        except Exception as error:  # a model may raise anything; the rows that are not to blame must be answered
            problem = _problem(error)
        left = [row for row in rows if row.finish is None]
        if not left:
            return
        free_memory()
        if len(rows) == 1:
            yield Reply(rows[0].id, "", "error", prompt_tokens=len(rows[0].prompt), error=problem)
            return
        half = (len(left) + 1) // 2
        for part in (left[:half], left[half:]):
            if part:
                yield from self._answer(part, settings)

    def _decode(self, rows: list[Row], settings: Settings) -> Iterator[Row]:
        if not self._steps(settings):
            with self.shared.lock:
                beam_search(self._model(), rows, settings, self.shared.device)
            yield from rows
            return
        batch = self._batch(rows, settings)
        while batch.rows:
            yield from [row for row in batch.step() if row.finish is not None]

    def _batch(self, rows: list[Row], settings: Settings) -> Batch:
        from cornucopia.inference.growing_cache import growing_cache

        def forward(**inputs: Any) -> Any:
            return self.shared.forward(self.adapter, **inputs)

        cache = growing_cache(self.shared.base.config)
        return Batch(forward, rows, settings, StopFinder(self.tokenizer, settings.stop), cache, self.shared.device)

    def _reply(self, row: Row, settings: Settings) -> Reply:
        tokens = row.tokens[:-1] if row.tokens and row.tokens[-1] in settings.eos else row.tokens
        text = decode(self.tokenizer, tokens)
        at = first_stop(text, settings.stop)
        text = (text if at < 0 else text[:at]).strip()
        finish = "stop" if at >= 0 else row.finish or "stop"
        # An answer cut at its limit may end in half a character.
        thought, answer = split_reasoning(text.rstrip(HALF), opened=self._opened(row))
        return Reply(row.id, answer, finish, len(row.prompt), len(row.tokens), row.seconds, reasoning=thought)

    def _steps(self, settings: Settings) -> bool:
        """Whether our own loop can do it; beams, recurrent caches and learnt prompts go through Transformers."""
        peft = getattr(self.shared.model, "peft_config", {}).get(self.adapter)
        learnt = getattr(peft, "is_prompt_learning", False)
        caches = model_pads(self.shared.base) and self.shared.cache_name is not None
        return settings.num_beams == 1 and caches and not learnt

    def _most(self) -> int:
        return 64 if model_pads(self.shared.base) else 1

    def _model(self) -> Any:
        with self.shared.lock:
            return self.shared.use(self.adapter)

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


def _problem(error: Exception) -> str:
    import torch

    short = isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
    if short:
        return "内存不够，单独一条也放不下：减小 --max-new-tokens，或用 --bits 4"
    return f"生成失败：{type(error).__name__}: {str(error)[:200]}".replace("\n", " ")
