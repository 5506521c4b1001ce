"""Reward models: a decoder whose last token's hidden state a linear map turns into one number, a conversation's score.

They are Transformers' sequence classification models with one label, so that any program with Transformers (and PEFT)
opens what was trained here. Scores are always float32.

Shapes: B rows of T tokens, or one packed row of N documents; H hidden width.
"""

from __future__ import annotations

import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornucopia.core.errors import ModelError

if TYPE_CHECKING:
    import torch

HEAD = "score"  # Transformers' name of the map
_SUFFIX = "ForSequenceClassification"
_TAKEN = ("input_ids", "attention_mask", "position_ids", "cu_seq_lens_q")  # of a batch; the rest is the loss's


def is_scorer(model: Any) -> bool:
    """Whether a model, or the one inside a PEFT model, gives scores and not the next token."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return type(base).__name__.endswith(_SUFFIX)


def holds_scorer(config: dict[str, Any]) -> bool:
    """Whether a folder's config.json is a reward model's (or another sequence classifier's)."""
    return any(str(name).endswith(_SUFFIX) for name in config.get("architectures") or [])


def check_config(config: dict[str, Any], folder: Path, scores: bool) -> None:
    """Refuse a folder that is of the other kind.

    Args:
        config: its config.json.
        folder: for the error.
        scores: whether a reward model is wanted; any language model can become one.

    Raises:
        ModelError: a reward model where answers are wanted; a classifier of several labels where one score is.
    """
    if not holds_scorer(config):
        return
    if not scores:
        fix = f"cornucopia data reward 回答.jsonl --model {folder}；要会回答的，用它的基座"
        raise ModelError("这是奖励模型：只会给回答打分，不会回答", where=str(folder), fix=fix)
    labels = len(config.get("id2label") or [0])
    if labels != 1:
        raise ModelError(
            "这是分类模型，不是奖励模型", where=str(folder), found=f"{labels} 个类别", fix="奖励模型只有一个分数"
        )


def scorer_class(config: Any) -> Any:
    """Transformers' automatic class for reward models of this family.

    Raises:
        ModelError: it has none.
    """
    from transformers import AutoModelForSequenceClassification
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as KNOWN

    if type(config) not in KNOWN:
        raise ModelError(
            "Transformers 没有这个系列的打分模型（ForSequenceClassification），不能拿它做奖励模型",
            found=str(config.model_type),
            fix="换 LLaMA、Qwen、Mistral、GLM-4、Gemma、Phi-3、DeepSeek、混元、Seed-OSS 等系列的基座；"
            "或用 --objective dpo，不要奖励模型",
        )
    return AutoModelForSequenceClassification


def ready(model: Any) -> Any:
    """The loaded scorer with a float32 head, scoring the last token of each padded row or packed document.

    Transformers finds the last token by comparing ids with the padding's, which fails where padding and end-of-sequence
    share one; here the mask decides.
    """
    getattr(model, HEAD).float()
    model.forward = types.MethodType(_forward, model)
    return model


def scores_of(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """(B,) or (N,) float32: the score of each row or document.

    Args:
        model: from `ready`, or a PEFT model around one.
        batch: padded rows with `attention_mask`, or one packed row with `cu_seq_lens_q`; what else is in it (labels,
            targets) is not looked at.
    """
    taken = {name: batch[name] for name in _TAKEN if name in batch}
    scores: torch.Tensor = model(**taken).logits[:, 0]
    return scores


def _forward(
    self: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_ids: torch.Tensor | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    past_key_values: Any = None,
    **_: Any,
) -> Any:
    """Scores as `logits`, (B or N, 1) float32; `past_key_values` is a prefix that has been learnt."""
    import torch
    from transformers.modeling_outputs import SequenceClassifierOutputWithPast

    given: dict[str, Any] = {"attention_mask": attention_mask, "position_ids": position_ids}
    given["past_key_values"] = past_key_values
    if cu_seq_lens_q is not None:
        given |= {"cu_seq_lens_q": cu_seq_lens_q, "max_length_q": int(cu_seq_lens_q.diff().max())}
    given = {name: value for name, value in given.items() if value is not None}
    hidden = self.base_model(input_ids=input_ids, use_cache=False, **given).last_hidden_state
    last = _last(hidden, input_ids, attention_mask, cu_seq_lens_q)
    with torch.autocast(hidden.device.type, enabled=False):
        return SequenceClassifierOutputWithPast(logits=self.score(last.float()))


def _last(
    hidden: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor | None, ends: torch.Tensor | None
) -> torch.Tensor:
    """(B or N, H): of each row's or document's last token; a last layer cut short has left no others."""
    import torch

    if ends is not None:
        return hidden[0] if hidden.shape[1] == len(ends) - 1 else hidden[0, ends[1:].long() - 1]
    width = ids.shape[1]
    if mask is None:
        return hidden[:, -1]
    places = torch.arange(width, device=ids.device) * (mask[:, -width:] > 0)  # a prefix's mask stands before
    return hidden[torch.arange(len(ids), device=ids.device), places.argmax(1)]
