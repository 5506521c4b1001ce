"""One model in memory, seen through its adapters one at a time. Knows nothing of prompts or answers."""

from __future__ import annotations

import inspect
from functools import partial
from threading import RLock
from typing import Any

from cornucopia.core.console import say
from cornucopia.core.device import free_bytes
from cornucopia.inference.decoder import Decoder
from cornucopia.inference.lora_rows import LoraStacks, unfit_adapter
from cornucopia.inference.open_decoder import Unfit, check, open_decoder
from cornucopia.inference.prefix import behind_prefix, has_prefix

CACHE_NAMES = ("past_key_values", "cache")  # of a model's key/value cache: until Transformers 5.23, and from 5.24
CACHE_BYTES = 2 * 1024**3  # keys and values of one batch when no budget is given: 4096 tokens of LLaMA-7B in 16 bits
KEPT = 0.9  # of the free memory, for keys and values; the rest is for a step's own tensors


class SharedModel:
    """A model and the adapters on it, of which at most one is active at a time in its own forward.

    Args:
        model: the base.
        fast: whether the decoder (see `open_decoder`) may be used, which serves all adapters at once.

    `slow` says for each adapter (None: the base) that the decoder cannot serve, why not.
    """

    def __init__(self, model: Any, *, fast: bool = True) -> None:
        self.base, self.model = model, model
        self.fast = fast
        self._decoder: Decoder | None = None
        self._stacks: LoraStacks | None = None
        self.slow: dict[str | None, str] = {}
        self._tried: set[str | None] = set()
        self.device = model.get_input_embeddings().weight.device
        self.lock = RLock()
        self._off = False
        self.accepts = set(inspect.signature(model.forward).parameters)
        self.cache_name = next((name for name in CACHE_NAMES if name in self.accepts), None)

    def use(self, adapter: str | None) -> Any:
        """The model with `adapter` active, or with all adapters off (caller holds the lock)."""
        if self.model is self.base or (adapter is None and self._learns_prompt):
            return self.base
        if adapter is None:
            if not self._off:
                self.model.base_model.disable_adapter_layers()
        else:
            if self._off:
                self.model.base_model.enable_adapter_layers()
            if self.model.active_adapter != adapter:
                self.model.set_adapter(adapter, inference_mode=True)
        self._off = adapter is None
        return self.model

    def decoder(self, adapter: str | None) -> Decoder | None:
        """The decoder, when it gives what the model with this adapter gives; tried once for each."""
        if not self.fast:
            return None
        with self.lock:
            if adapter not in self._tried:
                self._tried.add(adapter)
                if reason := self._unfit(adapter):
                    if reason not in self.slow.values():
                        say(f"作答用模型自己的 forward，比解码器慢：{reason}（docs/infer.md「引擎怎样工作」）")
                    self.slow[adapter] = reason
            return None if adapter in self.slow else self._decoder

    def stacks(self, names: set[str]) -> LoraStacks:
        """The weights of these adapters and of those asked for before, in the decoder's form."""
        if self._stacks is None or not names <= set(self._stacks.names):
            known = self._stacks.names if self._stacks else ()
            self._stacks = LoraStacks(self.base.model.layers, sorted({*known, *names}))
        return self._stacks

    def _unfit(self, adapter: str | None) -> str:
        """Why the decoder cannot serve an adapter, or ''."""
        try:
            if self._decoder is None:
                if None in self.slow:
                    return self.slow[None]
                self._decoder = open_decoder(self.base, partial(self.forward, None))
            if adapter is not None:
                if reason := unfit_adapter(self.model, adapter):
                    return reason
                stacks = LoraStacks(self.base.model.layers, [adapter])
                check(self._decoder, partial(self.forward, adapter), stacks, adapter)
        except Unfit as error:
            return str(error)
        return ""

    def learns_prompt(self, adapter: str | None) -> bool:
        """Whether this adapter puts virtual tokens before the prompt."""
        return (
            self.model is not self.base and adapter is not None and self.model.peft_config[adapter].is_prompt_learning
        )

    @property
    def _learns_prompt(self) -> bool:
        """Whether the adapters only put virtual tokens before the prompt, leaving the base's layers as they were."""
        return all(config.is_prompt_learning for config in self.model.peft_config.values())

    def forward(self, adapter: str | None, **inputs: Any) -> Any:
        """The model's output with `adapter` active; inputs the architecture does not know are left out.

        The key/value cache comes as `past_key_values` and goes by the name that the model has for it.
        """
        with self.lock:
            model = self.use(adapter)
            if "past_key_values" not in inputs and has_prefix(model):
                model, inputs = behind_prefix(model, inputs)
            if "past_key_values" in inputs and self.cache_name:
                inputs[self.cache_name] = inputs.pop("past_key_values")
            return model(**{name: value for name, value in inputs.items() if name in self.accepts})

    def room(self) -> int:
        """Tokens whose keys and values fit the memory that is free, with some of it kept back."""
        return int(KEPT * free_bytes(str(self.device))) // token_bytes(self.base)


def cache_tokens(model: Any) -> int:
    """Tokens whose keys and values fill CACHE_BYTES."""
    return max(1024, min(65536, CACHE_BYTES // token_bytes(model)))


def token_bytes(model: Any) -> int:
    """Bytes of one token's keys and values."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None) or 1
    width = getattr(config, "head_dim", None) or (config.hidden_size // heads)
    keys = getattr(config, "num_key_value_heads", None) or heads
    return int(2 * config.num_hidden_layers * keys * width * model.dtype.itemsize)


def free_memory() -> None:
    """Give memory that nothing uses back to the device."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
