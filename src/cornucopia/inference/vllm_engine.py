"""vLLM as an engine: a server of our own (see vllm_server), asked with our own token ids.

Prompts, cutting, stop texts and the split of thoughts are ours, so that a model answers as it does in our own engine;
batching and decoding are vLLM's. A server that runs elsewhere is an endpoint (see openai_engine).
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from cornucopia.core.errors import ConfigError, CornucopiaError, ModelError
from cornucopia.inference.child_server import ChildServer
from cornucopia.inference.engine import Engine, FinishReason, Limits, Reply, Request, Sampling, Score, TokenSpan
from cornucopia.inference.event_stream import events
from cornucopia.inference.generate import Settings, settle
from cornucopia.inference.scoring import answer_span
from cornucopia.inference.text import HALF, TextStream, decode, first_stop, hold_calls, mark_thoughts
from cornucopia.models.spec import ResolvedModel
from cornucopia.records.schema import Record, ToolCall
from cornucopia.tokens.reasoning import opens_block, split_reasoning
from cornucopia.tokens.render import encode, encode_prompt
from cornucopia.tokens.tool_calls import ToolCallReader

MOST = 256  # requests that are under way at a time; vLLM makes its own batches of them


@dataclass
class _Written:
    """Tokens of an answer as they came, and why it ended."""

    tokens: list[int] = field(default_factory=list)
    finish: str = "stop"

    def add(self, choice: dict[str, Any]) -> None:
        """One choice of an answer, or a piece of it.

        Raises:
            ModelError: a server that tells no tokens: vLLM before 0.10.2.
        """
        tokens = choice.get("token_ids")
        if tokens is None and choice.get("text"):
            raise ModelError("这个 vLLM 不给出词元编号", fix="pip install -U 'vllm>=0.10.2'")
        self.tokens += tokens or []
        self.finish = choice.get("finish_reason") or self.finish


class VllmEngine(Engine):
    """See `cornucopia.inference.engine.Engine`.

    Args:
        server: the running server.
        name: of this engine's model there.
        resolved: the model; its tokenizer and template make the prompts.
        context: most tokens of prompt and answer together.
        args: what the user passed through to vLLM.
        loras: folder of the adapters that the server reads, kept while an engine is.
    """

    def __init__(
        self, server: ChildServer, name: str, resolved: ResolvedModel, context: int | None, args: str = "",
        loras: Any = None,
    ) -> None:  # fmt: skip
        from transformers import GenerationConfig

        self.server, self.name, self.resolved, self._context = server, name, resolved, context
        self._args, self._loras = args, loras
        self.tokenizer, self.template = resolved.tokenizer, resolved.template
        try:
            self._defaults = GenerationConfig.from_pretrained(str(resolved.folder), local_files_only=True)
        except OSError:  # the folder has none
            self._defaults = GenerationConfig()

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Reply]:
        """Answer all requests, all that vLLM takes at once."""
        settings = self._settled(sampling)
        todo: queue.SimpleQueue[Request] = queue.SimpleQueue()
        done: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        stop = threading.Event()
        for request in requests:
            todo.put(request)

        def work() -> None:
            while not stop.is_set():
                try:
                    request = todo.get_nowait()
                except queue.Empty:
                    return
                done.put(self._replied(request, settings))

        # Daemon threads: Ctrl-C must not wait for answers that nobody will read.
        for _ in range(min(MOST, len(requests))):
            threading.Thread(target=work, daemon=True).start()
        try:
            for _ in requests:
                yield done.get()
        finally:
            stop.set()

    def stream(self, record: Record, sampling: Sampling) -> Generator[str, None, Reply]:
        """Pieces of one answer as they are made, of what is thought before it as Thought; returns the whole Reply.

        Raises:
            ModelError: the server refuses or has ended.
        """
        settings, begun = self._settled(sampling), time.monotonic()
        prompt, written = self._prompt(record, settings), _Written()
        body = self._body(prompt, settings) | {"stream": True, "stream_options": {"include_usage": True}}
        pieces = self._pieces(
            self._choices(body, written), TextStream(self.tokenizer, settings.stop, self._marks(record))
        )
        thoughts = mark_thoughts(pieces, opened=self._opened(prompt))
        yield from hold_calls(thoughts, self._reader(record), record.tools)
        return self._reply("stream", record, prompt, written, settings, time.monotonic() - begun)

    def _pieces(self, tokens: Iterator[int], text: TextStream) -> Iterator[str]:
        """All that is written, as it is made."""
        begun = False
        for token in tokens:
            piece = text.feed(token)
            piece = piece if begun else piece.lstrip()
            begun = begun or bool(piece)
            if piece:
                yield piece
            if text.stopped:
                break
        rest = text.end()
        if rest := rest if begun else rest.strip():
            yield rest

    def _choices(self, body: dict[str, Any], written: _Written) -> Iterator[int]:
        """The tokens of a streamed answer, its end of sequence left out."""
        ends = set(body["stop_token_ids"])
        with self.server.asking(), self.server.client.stream("POST", "/v1/completions", json=body) as response:
            if response.is_error:
                response.read()
                raise _refusal(response)
            for event in events(response.iter_lines()):
                if "error" in event:
                    raise ModelError("vLLM 的回答中断", found=str(event["error"])[:300], fix="再问一次")
                for choice in event.get("choices") or []:
                    written.add(choice)
                    yield from (token for token in choice.get("token_ids") or [] if token not in ends)

    def score(self, items: Sequence[Record | TokenSpan]) -> list[Score]:
        """See Engine; what vLLM says of the prompt's own tokens."""
        spans = [self._span(item) if isinstance(item, Record) else item for item in items]
        return [self._score(span) if 0 < span.begin < span.end <= len(span.ids) else Score() for span in spans]

    def _span(self, record: Record) -> TokenSpan:
        try:
            limit = (self._context or 2**31) - 1  # one place for the token that must be asked for
            example = encode(record, self.template, self.tokenizer, limit, train_on_reasoning=False)
        except CornucopiaError:
            return TokenSpan((), 0, 0)
        return TokenSpan(example.input_ids, *answer_span(example.labels))

    def _score(self, span: TokenSpan) -> Score:
        ids = list(span.ids)
        body = {"model": self.name, "prompt": ids, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
        (choice,) = self._post(body)["choices"]
        told = [choice["prompt_logprobs"][place][str(ids[place])] for place in range(span.begin, span.end)]
        nats = -sum(float(one["logprob"]) for one in told)
        return Score(nats, len(told), tuple(one["rank"] == 1 for one in told))

    def limits(self) -> Limits:
        """As our own engine's: it scores and streams, and calls tools where the template shows them; no pictures."""
        return Limits(self._context, MOST, scores=True, streams=True, tools=self.template.calls(Record()) is not None)

    def settings(self, sampling: Sampling) -> Sampling:
        """The sampling settings with the model's own values filled in."""
        settled = self._settled(sampling)
        known = {name: value for name, value in settled.values.items() if name in Sampling.model_fields}
        decided = {"max_new_tokens": settled.max_new_tokens, "do_sample": settled.do_sample, "stop": list(settled.stop)}
        return sampling.model_copy(update={**known, **decided})

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """Everything that decides the answers besides vLLM's version (JSON-ready)."""
        beside = {"engine": "vllm", "engine_args": self._args, "dtype": self.resolved.spec.dtype}
        return {**self.resolved.describe(), **beside, "sampling": self._parameters(self._settled(sampling))}

    def prompt_length(self, record: Record) -> int:
        """Tokens of the whole conversation as it would be asked, nothing cut."""
        return len(encode_prompt(record, self.template, self.tokenizer))

    def prompt_limit(self, sampling: Sampling) -> int | None:
        """Most tokens a prompt may have, so that an answer still fits the context; None when nothing limits it."""
        return None if self._context is None else self._most(self._settled(sampling))

    def close(self) -> None:
        """End the server; other engines on the same base end with it."""
        self.server.close()

    def _settled(self, sampling: Sampling) -> Settings:
        if sampling.json_schema:
            fix = "用本地模型、GGUF 文件，或把 vLLM 开成服务当接口用"
            raise ConfigError("经这个引擎用 vLLM 还不能按 JSON Schema 约束回答", where="json_schema", fix=fix)
        own = self._defaults.eos_token_id
        listed = own if isinstance(own, (list, tuple)) else [] if own in (None, -1, 0) else [own]
        ends = [*listed, *([] if self.tokenizer.eos_token_id is None else [self.tokenizer.eos_token_id])]
        return settle(sampling, self._defaults, frozenset(map(int, ends)), self.template.stop_strings)

    def _most(self, settings: Settings) -> int:
        """Tokens of the context kept for the answer are those it may have, but never more than a quarter."""
        assert self._context is not None
        return self._context - max(1, min(settings.max_new_tokens, self._context // 4))

    def _prompt(self, record: Record, settings: Settings) -> list[int]:
        most = None if self._context is None else self._most(settings)
        return encode_prompt(record, self.template, self.tokenizer, most)

    def _opened(self, prompt: Sequence[int]) -> bool:
        return opens_block(self.tokenizer.decode(list(prompt[-8:])))

    def _parameters(self, settings: Settings) -> dict[str, Any]:
        """Sampling as vLLM names it; every value is sent, so that none comes from elsewhere.

        Raises:
            ConfigError: what vLLM has not.
        """
        values = settings.values
        if settings.num_beams > 1:
            raise ConfigError("vLLM 引擎没有束搜索", found=f"num_beams: {settings.num_beams}", fix="--num-beams 1")
        sampled = {
            "temperature": values.get("temperature") or 1.0, "top_p": values.get("top_p") or 1.0,
            "top_k": values.get("top_k") or 0, "min_p": values.get("min_p") or 0.0,
        }  # fmt: skip
        return {
            "max_tokens": settings.max_new_tokens,
            "repetition_penalty": values.get("repetition_penalty") or 1.0,
            "stop": list(settings.stop),
            "stop_token_ids": sorted(settings.eos),
            **(sampled if settings.do_sample else {"temperature": 0.0}),
            "seed": settings.seed,
        }

    def _body(self, prompt: list[int], settings: Settings) -> dict[str, Any]:
        """The request; a row's random numbers come from the seed and its prompt, as in our own engine."""
        body = {"model": self.name, "prompt": prompt, "return_token_ids": True, **self._parameters(settings)}
        digest = hashlib.sha256(repr((settings.seed, prompt)).encode()).digest()
        body["seed"] = int.from_bytes(digest[:4], "big")
        if self._context is not None:
            body["max_tokens"] = min(body["max_tokens"], self._context - len(prompt))
        return body

    def _replied(self, request: Request, settings: Settings) -> Reply:
        begun, record, written = time.monotonic(), request.record, _Written()
        try:
            prompt = list(request.ids) or self._prompt(record, settings)
            written.add(self._post(self._body(prompt, settings))["choices"][0])
            return self._reply(request.id, record, prompt, written, settings, time.monotonic() - begun)
        except CornucopiaError as error:
            return Reply(request.id, "", "error", error=" ".join(str(error).split()), failure="service")
        except Exception as error:  # a thread must give its reply, or the reader would wait for ever
            return Reply(request.id, "", "error", error=f"{type(error).__name__}: {error}"[:300], failure="service")

    def _reader(self, record: Record) -> ToolCallReader | None:
        return self.template.calls(record) if record.tools else None

    def _marks(self, record: Record) -> Sequence[str]:
        reader = self._reader(record)
        return reader.marks if reader else ()

    def _reply(
        self, identity: str, record: Record, prompt: list[int], written: _Written, settings: Settings, seconds: float
    ) -> Reply:
        tokens = written.tokens[:-1] if written.tokens and written.tokens[-1] in settings.eos else written.tokens
        text = decode(self.tokenizer, tokens, self._marks(record))
        at = first_stop(text, settings.stop)
        text = (text if at < 0 else text[:at]).strip()
        finish: FinishReason = "stop" if at >= 0 or written.finish != "length" else "length"
        thought, answer = split_reasoning(text.rstrip(HALF), opened=self._opened(prompt))
        calls: tuple[ToolCall, ...] = ()
        if reader := self._reader(record):
            answer, calls = reader.read(answer, record.tools, sum(len(turn.tool_calls) for turn in record.messages))
            finish = "tool_calls" if calls and finish == "stop" else finish
        used = len(prompt), len(written.tokens), seconds
        return Reply(identity, answer, finish, *used, reasoning=thought, tool_calls=calls)

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        with self.server.asking():
            response = self.server.client.post("/v1/completions", json=body)
        if response.is_error:
            raise _refusal(response)
        return dict(response.json())


def _refusal(response: httpx.Response) -> ModelError:
    try:
        body = response.json()
        message = (body.get("error") or {}).get("message") or body.get("message") or response.text
    except (ValueError, AttributeError):
        message = response.text
    return ModelError("vLLM 拒绝了这个请求", found=f"HTTP {response.status_code}：{str(message)[:300]}")
