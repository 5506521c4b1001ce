"""What decoding works on: rows of token ids, settled settings, the order of work; and Transformers' own search.

Shapes: B rows, T positions of the padded batch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from cornucopia.inference.engine import FinishReason, Sampling
from cornucopia.inference.grammar import Guide
from cornucopia.inference.prefix import behind_filler, behind_prefix, has_prefix
from cornucopia.inference.prompt_lookup import PromptLookup
from cornucopia.inference.text import StopFinder
from cornucopia.models.load import DEFAULT_NEW_TOKENS
from cornucopia.tokens.tool_calls import ToolCallReader


@dataclass(frozen=True)
class Settings:
    """Sampling with every open value settled from the model's generation_config.

    Args:
        eos: token ids that end an answer.
        stop: texts that end an answer.
        history: logits processors that look at the row's own tokens (repetition penalty ...).
        warpers: logits processors of sampling (temperature, top-p ...), in Transformers' order.
        schema: JSON schema that an answer is held to, or None.
    """

    max_new_tokens: int
    do_sample: bool
    num_beams: int
    seed: int
    eos: frozenset[int]
    stop: tuple[str, ...]
    values: dict[str, Any]
    history: tuple[Any, ...] = ()
    warpers: tuple[Any, ...] = ()
    schema: str | None = None


class Scored(NamedTuple):
    """What a chosen token's place looked like: its log-probability, and the likeliest tokens with theirs."""

    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(eq=False)
class Row:
    """One question in work.

    Args:
        id: the request's.
        prompt: token ids.
        limit: most new tokens it may get.
        settings: how its tokens are chosen.
        adapter: by which it is answered; None for the base.
        stops: finds the settings' stop texts in what was written.
        cut: whether the prompt was shortened to fit the context.
        tools: those on offer.
        reader: of the tool calls in the answer; None where no tools are on offer.
        earlier: tool calls already made in the conversation.
        guide: holds the answer to a schema.
        lookup: guesses tokens ahead; None for none.
        top: how many of the likeliest tokens are told at each place; None when no log-probabilities are wanted.
        tokens: what was answered so far.
        scored: of each of `tokens`, where wanted.
        finish: why it ended; None while it goes on.
        error: Chinese message when `finish` is "error".
        seconds: its share of the work's wall time.
        random: its own random numbers.
    """

    id: str
    prompt: list[int]
    limit: int
    settings: Settings
    adapter: str | None = None
    stops: StopFinder | None = None
    cut: bool = False
    top: int | None = None
    tools: tuple[dict[str, Any], ...] = ()
    reader: ToolCallReader | None = None
    earlier: int = 0
    guide: Guide | None = None
    lookup: PromptLookup | None = None
    tokens: list[int] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    finish: FinishReason | None = None
    error: str = ""
    seconds: float = 0.0
    random: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        self.draw_from(self.settings.seed)

    def draw_from(self, seed: int) -> None:
        """Set the row's own random numbers to their beginning for a seed."""
        digest = hashlib.sha256(repr((seed, self.prompt)).encode()).digest()
        self.random.manual_seed(int.from_bytes(digest[:7], "big"))


def settle(sampling: Sampling, defaults: Any, eos: frozenset[int], stop: Sequence[str]) -> Settings:
    """Fill what `sampling` leaves open from `defaults`, a Transformers GenerationConfig.

    Sampling is on when the command says so or gives a temperature above 0; else as the model's config says.
    """
    values = {name: _pick(sampling, defaults, name) for name in _SHARED}
    temperature = values["temperature"]
    if sampling.do_sample is not None:
        do_sample = sampling.do_sample and temperature != 0
    elif sampling.temperature is not None:
        do_sample = sampling.temperature > 0
    else:
        do_sample = bool(getattr(defaults, "do_sample", None)) and temperature != 0
    return Settings(
        max_new_tokens=values["max_new_tokens"] or DEFAULT_NEW_TOKENS,
        do_sample=do_sample,
        num_beams=values["num_beams"] or 1,
        seed=sampling.seed,
        eos=eos,
        stop=tuple(dict.fromkeys(word for word in [*sampling.stop, *stop] if word)),
        values={name: value for name, value in values.items() if value is not None},
        history=_build(_HISTORY, values),
        warpers=_build(_WARPERS, values) if do_sample else (),
        schema=sampling.json_schema,
    )


# name in generation_config -> (Transformers class, whether the value changes anything)
_HISTORY: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "repetition_penalty": ("RepetitionPenaltyLogitsProcessor", lambda value: value != 1.0),
    "no_repeat_ngram_size": ("NoRepeatNGramLogitsProcessor", lambda value: value > 0),
}
_WARPERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "temperature": ("TemperatureLogitsWarper", lambda value: value not in (0, 1.0)),
    "top_k": ("TopKLogitsWarper", lambda value: value > 0),
    "top_p": ("TopPLogitsWarper", lambda value: value < 1.0),
    "min_p": ("MinPLogitsWarper", lambda value: value > 0),
    "typical_p": ("TypicalLogitsWarper", lambda value: value < 1.0),
    "epsilon_cutoff": ("EpsilonLogitsWarper", lambda value: value > 0),
}
_SHARED = ("max_new_tokens", "num_beams", *_HISTORY, *_WARPERS)


def _pick(sampling: Sampling, defaults: Any, name: str) -> Any:
    given = getattr(sampling, name, None)
    return getattr(defaults, name, None) if given is None else given


def _build(table: dict[str, tuple[str, Callable[[Any], bool]]], values: dict[str, Any]) -> tuple[Any, ...]:
    from transformers.generation import logits_process

    wanted = {name: values[name] for name in table if values[name] is not None}
    return tuple(
        getattr(logits_process, table[n][0])(v if n == "top_k" or n.startswith("no_") else float(v))
        for n, v in wanted.items()
        if table[n][1](v)
    )


def plan(rows: Sequence[Row], budget: int, beams: int = 1, most: int = 64) -> list[list[Row]]:
    """Rows in batches whose padded cost (rows x longest prompt with answer) stays within `budget` tokens.

    Longest first, so that memory runs out at the start or not at all. The order depends on the rows alone; planning
    the rows of one batch gives that batch again, which is what lets a resumed run repeat an interrupted one exactly.
    """
    batches: list[list[Row]] = []
    width = 0
    for row in sorted(rows, key=lambda row: (-len(row.prompt) - row.limit, row.prompt, row.id)):
        full = not batches or len(batches[-1]) >= most or (len(batches[-1]) + 1) * width * beams > budget
        if full:
            batches.append([])
            width = len(row.prompt) + row.limit
        batches[-1].append(row)
    return batches


def pad_left(sequences: Sequence[Sequence[int]], device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(input_ids, attention_mask), both (B, T) int64, padded on the left with id 0."""
    width = max(len(sequence) for sequence in sequences)
    ids = torch.tensor([[0] * (width - len(s)) + list(s) for s in sequences], device=device)
    mask = torch.tensor([[0] * (width - len(s)) + [1] * len(s) for s in sequences], device=device)
    return ids, mask


def beam_search(model: Any, rows: Sequence[Row], settings: Settings, device: Any) -> None:
    """Answer rows by Transformers' own `generate` (beam search, and models with a cache of their own kind).

    The caller holds the model's lock: adapters must not change meanwhile.

    Rows of one limit go together; sampled rows go alone, each with its own seed.
    """
    alone = settings.do_sample or not model_pads(model)
    for limit in dict.fromkeys(row.limit for row in rows):
        group = [row for row in rows if row.limit == limit]
        for part in [[row] for row in group] if alone else [group]:
            _generate(model, part, settings, device)


def model_pads(model: Any) -> bool:
    """Whether left padding is harmless: not for recurrent models that ignore the attention mask."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return bool(base._supports_default_dynamic_cache())


def _generate(model: Any, rows: Sequence[Row], settings: Settings, device: Any) -> None:
    from transformers import GenerationConfig

    names = [*_HISTORY, *(_WARPERS if settings.do_sample else ())]
    options = {name: settings.values[name] for name in names if name in settings.values}
    config = GenerationConfig(
        max_new_tokens=rows[0].limit,
        do_sample=settings.do_sample,
        num_beams=settings.num_beams,
        eos_token_id=sorted(settings.eos) or None,
        pad_token_id=0,
        **options,
    )
    ids, mask = pad_left([row.prompt for row in rows], device)
    begun = time.perf_counter()
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(rows[0].random.initial_seed())
        inputs: dict[str, Any] = {"attention_mask": mask}
        if has_prefix(model):
            ids = behind_filler(model, ids)
            model, inputs = behind_prefix(model, inputs, settings.num_beams)
        output = model.generate(input_ids=ids, generation_config=config, **inputs)
    for row, tokens in zip(rows, output[:, ids.shape[1] :].tolist(), strict=True):
        end = next((index for index, token in enumerate(tokens) if token in settings.eos), None)
        row.tokens = tokens if end is None else tokens[: end + 1]
        row.finish = "length" if end is None else "stop"
        row.seconds += (time.perf_counter() - begun) / len(rows)
