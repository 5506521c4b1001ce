"""The next token's cross-entropy over the trained tokens: what instruction tuning and pretraining share."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cornucopia.core.config import Config
from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record
from cornucopia.tokens.render import IGNORE, Example
from cornucopia.tokens.segments import Template
from cornucopia.training.data.settings import DataSettings

if TYPE_CHECKING:
    import torch


def answer_loss(model: Any, batch: dict[str, torch.Tensor], items: torch.Tensor | int | float) -> torch.Tensor:
    """Cross-entropy summed over the trained tokens of a batch, divided by `items`.

    Args:
        model: a causal language model.
        batch: from `pack_row` (one row of documents; the model is then a `fast` one) or `collate` (padded rows).
        items: trained tokens of the whole update (all micro-batches, all ranks), so that every token weighs the same.

    Returns:
        A scalar.
    """
    import torch.nn.functional as F

    batch = dict(batch)
    labels = batch.pop("labels")
    if "targets" in batch:
        return model(**batch, use_cache=False).loss / items
    logits = model(**batch, use_cache=False).logits[:, :-1]
    trained = labels[:, 1:] != IGNORE
    return F.cross_entropy(logits[trained].float(), labels[:, 1:][trained], reduction="sum") / items


def sequence_losses(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of the trained tokens of each sequence.

    Args:
        model, batch: as of `answer_loss`.

    Returns:
        losses, tokens: (N,) float32, summed in nats; (N,) int64, how many were trained.
    """
    import torch

    batch = dict(batch)
    labels = batch.pop("labels")
    if "targets" in batch:
        losses = model(**batch, use_cache=False, each=True).loss
        number = len(batch["cu_seq_lens_q"]) - 1
        owner = torch.searchsorted(batch["cu_seq_lens_q"][1:].long(), batch["logits_to_keep"], right=True)
    else:
        logits = model(**batch, use_cache=False).logits[:, :-1]
        trained = labels[:, 1:] >= 0
        losses = torch.nn.functional.cross_entropy(logits[trained].float(), labels[:, 1:][trained], reduction="none")
        number, owner = len(labels), trained.nonzero()[:, 0]
    tokens = torch.bincount(owner, minlength=number)
    return losses.new_zeros(number).index_add(0, owner, losses), tokens


def trained_tokens(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """(N,) int64: how many tokens of each sequence are trained."""
    import torch

    if "cu_seq_lens_q" not in batch:
        return (batch["labels"][:, 1:] >= 0).sum(1)
    ends = batch["cu_seq_lens_q"][1:].long()
    trained = (batch["labels"][0] >= 0).nonzero()[:, 0]  # a sequence's first label is never trained
    return torch.bincount(torch.searchsorted(ends, trained, right=True), minlength=len(ends))


class NextToken:
    """An `Objective` but for `examples`.

    Args:
        recipe: lengths and mask settings.
        template: how a conversation is written.
        tokenizer: the base's.
    """

    Settings: type[Config] = Config
    rows = "pretrain"
    reasons = True
    packs = True
    refers = False
    samples = False
    scores = False

    def __init__(self, recipe: DataSettings, template: Template, tokenizer: Any) -> None:
        self.recipe, self.template, self.tokenizer = recipe, template, tokenizer

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """The examples of each record, in order; an error for one that cannot be used."""
        raise NotImplementedError

    def key(self) -> list[str]:
        """Class and its source, template, tokenizer, and the libraries that tokenise."""
        sources = [Path(inspect.getfile(kind)) for kind in type(self).__mro__[:-1]]
        template, tokenizer = self.template, self.tokenizer
        return [
            type(self).__qualname__,
            *(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources if path.is_file()),
            repr(template),
            tokenizer.backend_tokenizer.to_str(),
            repr((tokenizer.bos_token_id, tokenizer.eos_token, tokenizer.chat_template)),
            *(version(name) for name in ("tokenizers", "transformers")),
        ]

    def collate(self, examples: Sequence[Example], packed: bool) -> dict[str, torch.Tensor]:
        """One packed row (see `pack_row`), or padded rows (see `tokens.collate`)."""
        from cornucopia.tokens.collate import collate
        from cornucopia.training.data.batches import pack_row

        return pack_row(examples) if packed else collate(examples, self.tokenizer.pad_token_id or 0)

    def items(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Trained tokens."""
        return (batch["labels"][:, 1:] != IGNORE).sum()

    def loss(self, model: Any, batch: dict[str, torch.Tensor], items: Any) -> torch.Tensor:
        """See `answer_loss`."""
        return answer_loss(model, batch, items)

    def sums(self, model: Any, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Cross-entropy and trained tokens."""
        return {"loss": answer_loss(model, batch, 1), "items": self.items(batch)}

    def metrics(self, sums: dict[str, float]) -> dict[str, float]:
        """Mean cross-entropy per trained token (not a mean of batch means)."""
        return {"loss": sums["loss"] / max(sums["items"], 1)}
