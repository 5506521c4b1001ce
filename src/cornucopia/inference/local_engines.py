"""Opening local engines: one base loaded once, an engine for each adapter that stands on it and for the base itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cornucopia.inference.shared_model import SharedModel, cache_tokens
from cornucopia.inference.transformers_engine import TransformersEngine


def open_engines(
    base: str | Path,
    adapters: Sequence[str | Path | None],
    *,
    bits: int = 0,
    dtype: str = "auto",
    device: str = "auto",
    template: str | None = None,
    batch_tokens: int | None = None,
) -> list[TransformersEngine]:
    """Load one base and give an engine for each entry of `adapters`.

    Args:
        base: model folder or name.
        adapters: adapter folders or names; None is the base itself, whose answers are, bit for bit, those it gives
            when no adapter is loaded.
        bits: 0, 8 or 4; see load_base.
        dtype, device: as in `load_base`.
        template: used for all; by default each adapter's own, and for the base the tokenizer's.
        batch_tokens: most tokens (padding and answers included) of a batch; by default what 2 GiB of cache hold.

    Raises:
        ModelError: base or adapter absent, damaged, or not made for each other.
    """
    from cornucopia.adapters.load import attach
    from cornucopia.models.load import load_base
    from cornucopia.models.spec import ModelSpec, resolve

    plain = {"base": str(base), "bits": bits, "dtype": dtype, "device": device, "template": template}
    loaded = load_base(resolve(ModelSpec.build(plain)))
    shared = SharedModel(loaded.model)
    engines = []
    for number, entry in enumerate(adapters):
        name, own = None, resolve(ModelSpec.build({**plain, "adapter": str(entry) if entry else None}))
        if own.adapter is not None:
            name = f"adapter{number}"
            shared.model = _in_base_dtype(attach(shared.model, loaded, own.adapter, name), loaded.model.dtype)
        budget = batch_tokens or cache_tokens(loaded.model)
        engines.append(TransformersEngine(shared, name, loaded.tokenizer, own.template, budget, own.describe()))
    return engines


def _in_base_dtype(model: Any, dtype: Any) -> Any:
    """Adapter weights in the base's dtype: PEFT keeps them in float32, which widens every input at every layer."""
    for name, parameter in model.named_parameters():
        if ".lora_" in name and dtype.is_floating_point:
            parameter.data = parameter.data.to(dtype)
    return model
