"""What all writing steps share: the estimate before the start, the asker, and dropping what no answer came for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from cornucopia.factory.write.settings import WriteConfig
from cornucopia.inference.paid.asker import Asker, Prompt
from cornucopia.inference.paid.consent import Estimate, agree
from cornucopia.inference.paid.spending import prompt_tokens
from cornucopia.inference.paid.templates import Templates
from cornucopia.records.schema import Record
from cornucopia.records.stage import Context, Stage, Survey

PROMPTS = Path(__file__).parent / "prompts"


@dataclass
class Forecast:
    """What a shard is going to ask.

    Args:
        prompts: the requests that are known beforehand.
        answer: tokens that one answer to them is expected to have.
        later: (requests, tokens in, tokens out) of those that depend on the first answers.
    """

    prompts: list[Prompt] = field(default_factory=list)
    answer: float = 300.0
    later: tuple[float, float, float] = (0.0, 0.0, 0.0)


class WritingStage(Stage):
    """A step that asks a model; see Stage. Its survey is the estimate of what that costs."""

    surveys = True
    local = True
    settings: ClassVar[type[WriteConfig]]

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.templates = Templates(PROMPTS / f"{self.name}.yaml", config.prompts)
        self._askers: dict[Path, Asker] = {}

    def inputs(self) -> list[Path]:
        """The user's own prompts."""
        return [Path(self.config.prompts)] if self.config.prompts else []

    def asker(self, context: Context) -> Asker:
        """The step's way to its model."""
        if context.folder not in self._askers:
            self._askers[context.folder] = Asker(self.config, self.name, context.folder)
        return self._askers[context.folder]

    @abstractmethod
    def forecast(self, records: Sequence[Record], context: Context) -> Forecast:
        """What a shard is going to ask."""

    def survey(self, records: Sequence[Record], context: Context) -> Survey:
        """Requests, tokens in, tokens out, and how many of the requests are answered already."""
        seen = self.forecast(records, context)
        asker = self.asker(context)
        cached = asker.cached(seen.prompts)
        tokens = [prompt_tokens(prompt.record) for prompt in seen.prompts]
        share = 1 - cached / len(tokens) if tokens else 0.0
        asked = [len(tokens) * share, sum(tokens) * share, len(tokens) * seen.answer * share]
        return {"later": np.array(seen.later) * share, "asked": np.array(asked), "cached": np.array([cached])}

    def decide(self, surveys: Sequence[Path], context: Context) -> None:
        """Tell what it is going to cost, and have it agreed to.

        Raises:
            ConfigError: it may cost something, and neither `yes`, a budget nor a person agrees.
            Interrupted: the person does not want it.
        """
        total, cached = np.zeros(3), 0
        for path in surveys:
            with np.load(path) as survey:
                total += survey["asked"] + survey["later"]
                cached += int(survey["cached"][0])
        requests, tokens_in, tokens_out = total
        within = f"配方里写 yes: true，或 --steps.{self.name}.yes true"
        agree(self.config, self.name, Estimate(requests, tokens_in, tokens_out, cached), unattended=within)
