"""Our Engine as a model of lm-evaluation-harness: what it asks, answered in batches that share what they begin with.

Tokens are those of the harness's own Hugging Face backend, so that both give the same scores. With a template, a
conversation is rendered once and its messages travel with the text, so that engines behind an address see messages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM

from cornucopia.core.console import Progress
from cornucopia.core.errors import UsageError
from cornucopia.evaluation.peak_memory import PeakMemory
from cornucopia.inference.engine import Engine, Reply, Request, Sampling, TokenSpan
from cornucopia.inference.store import AnswerStore
from cornucopia.records.schema import Message, Record
from cornucopia.tokens.reasoning import opens_block, think_block

TOGETHER = 2048  # texts scored between two writes to the store


class Prompt(str):
    """A rendered conversation that remembers its messages."""

    messages: tuple[Message, ...] = ()


class EngineLM(TemplateLM):
    """See `lm_eval.api.model.LM`.

    Args:
        engine: answers and, for tasks by likelihood, scores.
        sampling: what tasks do not say themselves: temperature, seed.
        store: keeps every result at once, so that an interrupted run goes on.
        fingerprint: of the engine, part of every key in the store.
    """

    def __init__(
        self, engine: Engine, sampling: Sampling, store: AnswerStore | None = None, fingerprint: str = ""
    ) -> None:
        super().__init__()
        self.engine, self.sampling, self.store, self.fingerprint = engine, sampling, store, fingerprint
        self.replies: dict[str, Reply] = {}  # by prompt: how an answer ended, what it cost
        self.cut: set[str] = set()  # prompts longer than the model's context
        self.tokens, self.seconds = 0, 0.0  # of all that was asked, also of what an earlier run had answered
        self.asked = 0  # of the model in this run

    @property
    def tokenizer(self) -> Any:
        """The engine's own; engines behind an address have none."""
        return getattr(self.engine, "tokenizer", None)

    @property
    def tokenizer_name(self) -> str:
        return self.fingerprint

    @property
    def eot_token_id(self) -> int:
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        bos = self.tokenizer.bos_token_id
        return int(bos) if bos is not None else self.eot_token_id

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Ids as the harness's Hugging Face backend makes them: special tokens unless the text begins with BOS."""
        return self._encode([string], add_special_tokens)[0]

    def _encode(self, texts: Sequence[str], special: bool | None = None) -> list[list[int]]:
        bos = self.tokenizer.bos_token or ""
        if special is None:
            headed = [bool(bos) and text.startswith(bos) for text in texts]
            if any(headed) and not all(headed):
                return [self._encode([text])[0] for text in texts]
            special = not any(headed)
        return list(self.tokenizer(list(texts), add_special_tokens=special).input_ids)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The conversation as the engine's template writes it; a block for thoughts that it opens is closed empty."""
        messages = tuple(Message(turn["role"], turn["content"]) for turn in chat_history)  # type: ignore[arg-type]
        template = getattr(self.engine, "template", None)
        if template is None:
            text = "\n".join(f"{message.role}: {message.content}" for message in messages)
        else:
            segments = template.segments(Record(messages), eos=self.tokenizer.eos_token or "")
            text = "".join(segment.text for segment in segments)
        prompt = Prompt(text)
        prompt.messages = messages
        return prompt

    def chat_template(self, chat_template: bool | str = False) -> str:
        """Name of the template, for the harness's records."""
        return str(getattr(getattr(self.engine, "template", None), "name", ""))

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """See `LM`. Texts are scored in their order in the alphabet, so that those which begin alike are together."""
        if not self.engine.limits().scores:
            fix = "改用 --ask generate（任务名加 _gen），或本地模型"
            raise UsageError("这个模型不能给选项算似然", found=type(self.engine).__name__, fix=fix)
        results: dict[int, tuple[float, bool]] = {}
        waiting = []
        keys = [self._key("score", request.args) for request in requests]
        for place, key in enumerate(keys):
            row = self.store.get(key) if self.store is not None else None
            if row:
                results[place] = (row["score"], row["greedy"])
                self._spend(row)
            else:
                waiting.append(place)
        waiting.sort(key=lambda place: requests[place].args)
        with Progress("按似然打分", len(requests), len(results)) as bar:
            for start in range(0, len(waiting), TOGETHER):
                part = waiting[start : start + TOGETHER]
                for place, row in zip(part, self._score([requests[one].args for one in part]), strict=True):
                    results[place] = (row["score"], row["greedy"])
                    self._spend(row)
                    if self.store is not None:
                        self.store.add({"key": keys[place], **row})
                self.asked += len(part)
                bar.advance(len(part))
        return [results[place] for place in range(len(requests))]

    def _spend(self, row: Mapping[str, Any]) -> None:
        self.tokens += row.get("tokens", 0)
        self.seconds += row.get("seconds", 0.0)

    def _score(self, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """For each context and continuation its log-likelihood, whether it is greedy, its tokens and share of time."""
        contexts, wholes = self._encoded_pairs(pairs)
        spans = []
        for (context, _), head, whole in zip(pairs, contexts, wholes, strict=True):
            spans.append(self._span(context, head, whole))
        began = perf_counter()
        scores = self.engine.score(spans)
        seconds = (perf_counter() - began) / max(len(spans), 1)
        return [
            {"score": -score.nats, "greedy": score.all_greedy, "tokens": len(span.ids), "seconds": seconds}
            for score, span in zip(scores, spans, strict=True)
        ]

    def _encoded_pairs(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[list[int]], list[list[int]]]:
        """Ids of each context, computed once, and of each context with its continuation."""
        heads = [_head(context) for context, _ in pairs]
        stripped = [head.rstrip() for head in heads]
        different = list(dict.fromkeys(stripped))
        encoded = self._encode(different) if different else []
        known = {different[place]: ids for place, ids in enumerate(encoded)}
        wholes = self._encode([head + continuation for head, (_, continuation) in zip(heads, pairs, strict=True)])
        return [known[head] for head in stripped], wholes

    def _span(self, context: str, head: list[int], whole: list[int]) -> TokenSpan:
        wanted = max(len(whole) - len(head), 0)
        limit = self.engine.limits().context
        if limit and len(whole) > limit + 1:
            self.cut.add(context)
            whole = whole[-(limit + 1) :]
        return TokenSpan(whole, len(whole) - wanted, len(whole))

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        spans = [self._span(pair[0], head, [*head, *rest]) for pair, head, rest in requests]
        return [(-score.nats, score.all_greedy) for score in self.engine.score(spans)]

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """See `LM`; none of our tasks asks for it."""
        raise UsageError("没有按整段文字算困惑度的任务", fix="参考困惑度见 cornucopia compare")

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """See `LM`. A question that fails has an empty answer, which is told as failed."""
        groups: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(json.dumps(request.args[1], sort_keys=True), []).append(place)
        answers: dict[int, str] = {}
        with Progress("生成回答", len(requests)) as bar:
            for settings, places in groups.items():
                self._generate(requests, places, self._sampling(json.loads(settings)), answers, bar)
        return [answers[place] for place in range(len(requests))]

    def _generate(
        self, requests: list[Instance], places: list[int], sampling: Sampling, answers: dict[int, str], bar: Progress
    ) -> None:
        keys = {str(place): self._key("answer", [requests[place].args[0], sampling.fingerprint()]) for place in places}
        waiting = []
        for place in places:
            row = self.store.get(keys[str(place)]) if self.store is not None else None
            if row and not row.get("error"):
                self._keep(requests, place, Reply(**row["reply"]), answers, row.get("seconds", 0.0))
                bar.advance()
            else:
                waiting.append(Request(str(place), self._record(requests[place].args[0])))
        began = perf_counter()
        for reply in self.engine.generate(waiting, sampling):
            place, came = int(reply.id), perf_counter()
            self._keep(requests, place, reply, answers, came - began)
            if self.store is not None:
                kept = {name: getattr(reply, name) for name in _KEPT}
                row = {"key": keys[reply.id], "reply": kept, "seconds": came - began, "error": reply.error}
                self.store.add(row)
            began = came
            self.asked += 1
            bar.advance()

    def _keep(
        self, requests: list[Instance], place: int, reply: Reply, answers: dict[int, str], seconds: float
    ) -> None:
        answers[place] = reply.answer
        self.replies[requests[place].args[0]] = reply
        self._spend({"tokens": reply.prompt_tokens + reply.completion_tokens, "seconds": seconds})

    def peaks(self, memory: PeakMemory, task: str) -> tuple[int, int]:
        """Highest memory in bytes on the host and on GPUs, for one task: as measured here, or as an earlier run did
        that had answered everything."""
        key = self._key("memory", [task, self.sampling.fingerprint()])
        row = (self.store.get(key) if self.store is not None else None) or {"host": 0, "card": 0}
        if self.asked:
            row = {"host": max(row["host"], memory.host), "card": max(row["card"], memory.card)}
            if self.store is not None:
                self.store.add({"key": key, **row})
        return row["host"], row["card"]

    def _record(self, prompt: str) -> Record:
        return Record(getattr(prompt, "messages", ()) or (Message("user", str(prompt)),))

    def _sampling(self, settings: dict[str, Any]) -> Sampling:
        """The task's settings over the run's; greedy where neither says otherwise."""
        until = settings.get("until") or []
        values: dict[str, Any] = {
            name: settings[name] for name in ("temperature", "top_p", "top_k") if name in settings
        }
        sampled = self.sampling.do_sample or bool(settings.get("do_sample"))
        changes: dict[str, Any] = {
            **values, "stop": [until] if isinstance(until, str) else list(until), "do_sample": sampled,
            "max_new_tokens": self.sampling.max_new_tokens or settings.get("max_gen_toks", 256),
        }  # fmt: skip
        return self.sampling.model_copy(update=changes)

    def _key(self, kind: str, parts: Sequence[Any]) -> str:
        text = json.dumps([kind, self.fingerprint, *map(str, parts)], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]


_KEPT = ("id", "answer", "finish_reason", "prompt_tokens", "completion_tokens", "seconds", "error", "reasoning")


def _head(context: str) -> str:
    """What stands before an option: a template that opens a block for thoughts has it closed at once."""
    if getattr(context, "messages", ()) and opens_block(context):
        return context + think_block("", opened=True)
    return context
