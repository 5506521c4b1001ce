"""A trained reward model, opened to score answers: in the data factory, or as a reward in reinforcement learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cornucopia.adapters.load import attach, scores
from cornucopia.core.errors import DataError, ModelError
from cornucopia.models.families import read_config
from cornucopia.models.load import load_base
from cornucopia.models.scorer import holds_scorer, scores_of
from cornucopia.models.spec import ModelSpec, resolve
from cornucopia.records.schema import Record
from cornucopia.tokens.collate import collate
from cornucopia.tokens.pairs import encode_compared
from cornucopia.tokens.render import Example
from cornucopia.tokens.segments import Template

_TOKENS = 2**13  # of a padded batch


@dataclass
class RewardModel:
    """Scores the last answer of conversations; the same conversation always gets the same score.

    Args:
        model: from `models.scorer.ready`, or a PEFT model around one.
        tokenizer: the base's.
        template: that it was trained with.
        cutoff_len: most tokens of a conversation, as in training; a longer one is shortened as there.
    """

    model: Any
    tokenizer: Any
    template: Template
    cutoff_len: int

    def score(self, records: Sequence[Record]) -> list[float]:
        """A score each, any number; only the scores of answers to one question can be compared.

        Raises:
            DataError: a record without question or answer, or of whose answer nothing fits.
        """
        import torch

        examples = [self.encode(record) for record in records]
        result = [0.0] * len(examples)
        device = next(self.model.parameters()).device
        for numbers in _batches(examples):
            batch = collate([examples[number] for number in numbers], self.tokenizer.pad_token_id or 0)
            with torch.inference_mode():
                found = scores_of(self.model, {name: value.to(device) for name, value in batch.items()})
            for number, score in zip(numbers, found.tolist(), strict=True):
                result[number] = score
        return result

    def encode(self, record: Record) -> Example:
        """The tokens that are scored.

        Raises:
            DataError: as `score`.
        """
        if not record.answer or not record.answer.content.strip():
            raise DataError("没有回答可打分", where=record.origin)
        return encode_compared(record, self.template, self.tokenizer, self.cutoff_len)


def open_reward(spec: ModelSpec) -> RewardModel:
    """Open a reward model: a folder that full training left, or a base with an adapter.

    Raises:
        ModelError: absent, damaged, not made for each other, or not a reward model.
    """
    resolved = resolve(spec)
    whole = holds_scorer(read_config(resolved.folder))
    if not whole and not (resolved.adapter and scores(resolved.adapter)):
        fix = "先练一个：cornucopia train recipes/reward.yaml；或用 --adapter 指明奖励模型的适配器"
        raise ModelError("这不是奖励模型", where=str(resolved.adapter or resolved.folder), fix=fix)
    base = load_base(resolved, scores=True)
    model = attach(base.model, base, resolved.adapter, "reward") if resolved.adapter else base.model
    recipe = resolved.adapter_meta.recipe or resolved.base_meta.recipe
    context: int = getattr(base.model.config.get_text_config(), "max_position_embeddings", 2048)
    return RewardModel(model.eval(), base.tokenizer, resolved.template, recipe.get("cutoff_len") or context)


def _batches(examples: Sequence[Example]) -> list[list[int]]:
    """Numbers of the examples, longest first, _TOKENS together."""
    batches: list[list[int]] = []
    width = 0
    for number in sorted(range(len(examples)), key=lambda n: -len(examples[n].input_ids)):
        if batches and (len(batches[-1]) + 1) * width <= _TOKENS:
            batches[-1].append(number)
        else:
            width = len(examples[number].input_ids)
            batches.append([number])
    return batches
