"""Opening local engines: one base loaded once, an engine for each adapter that stands on it and for the base itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cornucopia.adapters.load import attach
from cornucopia.inference.shared_model import SharedModel, cache_tokens
from cornucopia.inference.spec import EngineSpec
from cornucopia.inference.transformers_engine import TransformersEngine
from cornucopia.models.load import load_base
from cornucopia.models.spec import resolve


def open_local(specs: Sequence[EngineSpec]) -> list[TransformersEngine]:
    """Load the base that all specs name, once, and give an engine for each.

    Without an adapter the answers are, bit for bit, those that the base gives when no adapter is loaded. A batch has
    at most `batch_tokens` tokens, padding and answers included; by default what 2 GiB of cache hold.

    Raises:
        ModelError: base or adapter absent, damaged, or not made for each other.
    """
    resolved = [resolve(spec.spec()) for spec in specs]
    loaded = load_base(resolved[0])
    shared = SharedModel(loaded.model)
    engines = []
    for number, (spec, model) in enumerate(zip(specs, resolved, strict=True)):
        name = None
        if model.adapter is not None:
            name = f"adapter{number}"
            shared.model = _in_base_dtype(attach(shared.model, loaded, model.adapter, name), loaded.model.dtype)
        budget = spec.batch_tokens or cache_tokens(loaded.model)
        engines.append(TransformersEngine(shared, name, loaded.tokenizer, model.template, budget, model.describe()))
    return engines


def _in_base_dtype(model: Any, dtype: Any) -> Any:
    """Adapter weights in the base's dtype: PEFT keeps them in float32, which widens every input at every layer."""
    for name, parameter in model.named_parameters():
        if ".lora_" in name and dtype.is_floating_point:
            parameter.data = parameter.data.to(dtype)
    return model
