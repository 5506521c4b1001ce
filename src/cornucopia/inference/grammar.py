"""Answers held to a JSON schema: at each place only the tokens that can still become JSON of the schema are chosen.

Which those are is llguidance's work (https://github.com/guidance-ai/llguidance); a keyword of JSON Schema that it does
not know is an error, never passed over.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.tokens.reasoning import CLOSE

if TYPE_CHECKING:
    import torch

# One space where people write one, none elsewhere: blanks without end would be JSON too.
_SPACING: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
INSTALL = 'pip install "cornucopia-fin[serve]"（在项目里：pip install -e ".[serve]"）'


class Grammars:
    """Makes guides for one tokenizer.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        vocabulary: V, the width of the logits.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary

    @cached_property
    def _reader(self) -> Any:
        try:
            from llguidance.hf import from_tokenizer
        except ImportError:
            raise ConfigError("按 JSON Schema 约束回答要用 llguidance", fix=INSTALL) from None
        return from_tokenizer(self._tokenizer, n_vocab=self._vocabulary)

    def guide(self, schema: str, *, thinking: bool = False) -> Guide:
        """The way of one answer through a schema.

        Args:
            schema: JSON text.
            thinking: whether the prompt had opened a block of thought, behind whose end the JSON begins.

        Raises:
            UsageError: the schema is wrong, or says what cannot be held to.
        """
        reader = self._reader
        from llguidance import LLMatcher

        try:
            matcher = LLMatcher(reader, LLMatcher.grammar_from_json_schema(schema, overrides=_SPACING))
            error = matcher.get_error()
        except ValueError as wrong:
            matcher, error = None, str(wrong)
        if error:
            raise UsageError("做不到这个 JSON Schema", where="json_schema", found=" ".join(error.split())[:200])
        return Guide(matcher, self._tokenizer if thinking else None)


class Guide:
    """One answer's way through a schema.

    Args:
        matcher: llguidance's.
        thinker: the tokenizer, while thoughts come first.
    """

    def __init__(self, matcher: Any, thinker: Any = None) -> None:
        self._matcher, self._thinker = matcher, thinker
        self._thought: list[int] = []

    def allow(self, scores: torch.Tensor) -> torch.Tensor:
        """(1, V) logits, those of tokens that may not come next at minus infinity."""
        import numpy as np
        import torch

        if self._thinker is not None:
            return scores
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        allowed = torch.from_numpy(np.unpackbits(bits, bitorder="little", count=scores.shape[-1]).astype(bool))
        return scores.masked_fill(~allowed.to(scores.device), float("-inf"))

    def take(self, token: int) -> bool:
        """Go on by a chosen token; whether the JSON is whole and nothing can follow."""
        if self._thinker is None:
            self._matcher.consume_token(token)
            return bool(self._matcher.is_stopped())
        self._thought.append(token)
        if CLOSE in self._thinker.decode(self._thought[-16:]):
            self._thinker = None
        return False
