"""Opening local engines: one base loaded once, an engine for each adapter that stands on it and for the base itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cornucopia.adapters.load import attach
from cornucopia.core.console import say, warn
from cornucopia.core.device import free_bytes
from cornucopia.inference.shared_model import SharedModel, cache_tokens, token_bytes
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
        if not number:
            _tell_memory(shared, budget)
        settings = loaded.tokenizer, model.template, budget, model.describe(), spec.speculate
        engines.append(TransformersEngine(shared, name, *settings))
    return engines


def _tell_memory(shared: SharedModel, budget: int) -> None:
    """What a batch may take, and whether that is there."""
    bytes_each, room = token_bytes(shared.base), shared.room()
    told = f"键值缓存：一批最多 {budget} 个词元（{budget * bytes_each / 1e9:.1f} GB）"
    if room < budget:
        warn(f"{told}，现在的内存只够 {max(0, room)} 个：同时回答的条数会少，放不下的一条会得到错误")
    else:
        say(f"{told}，可用内存 {free_bytes(str(shared.device)) / 1e9:.1f} GB")


def _in_base_dtype(model: Any, dtype: Any) -> Any:
    """Adapter weights in the base's dtype: PEFT keeps them in float32, which widens every input at every layer."""
    for name, parameter in model.named_parameters():
        if ".lora_" in name and dtype.is_floating_point:
            parameter.data = parameter.data.to(dtype)
    return model
