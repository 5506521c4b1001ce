"""The shapes of JSON that models are asked for, and of seed tasks; what is more is passed over."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[list[Text], BeforeValidator(_listed)]


class Shape(BaseModel):
    """Base of all."""

    model_config = ConfigDict(extra="ignore", strict=True)


class QuestionItem(Shape):
    """A question with the quotations that answer it."""

    question: Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=600)]
    quotes: Texts
    form: str = ""


class AnswerItem(Shape):
    """An answer with its quotations; no answer where the material has none."""

    answer: str = ""
    quotes: Texts = []
    answerable: bool = True


class TaskItem(Shape):
    """A new task; `labels` of a classification."""

    instruction: Text
    kind: str = ""
    labels: list[Text] = []


class PairItem(Shape):
    """What a task works on, and its result."""

    input: str = ""
    output: Text


class LabelItem(Shape):
    """A text that belongs to a label."""

    label: Text
    input: Text


class SeedItem(Shape):
    """A task of a file of seeds."""

    kind: Text
    task: Text
    input: str = ""
    answer: Text
    labels: list[Text] = []
