"""Instruction tuning: the answers of conversations are learnt, and plain text among them whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from cornucopia.core.config import Config, option
from cornucopia.core.errors import DataError
from cornucopia.records.schema import Record
from cornucopia.tokens.chat_template import ChatTemplate
from cornucopia.tokens.render import Example, encode_document, encode_many
from cornucopia.tokens.segments import Template
from cornucopia.training.objectives.next_token import NextToken


class InstructionSettings(Config):
    """What of an answer is learnt."""

    empty_thought: Literal["learn", "read"] = option(
        "learn", "有些聊天模板（Qwen3）给没有思考的回答写一个空的 <think> 段：learn 学着写它，read 只读不学"
    )


class InstructionTuning(NextToken):
    """sft."""

    about = "指令微调"
    rows = "sft"
    Settings = InstructionSettings

    def __init__(self, recipe: Any, template: Template, tokenizer: Any) -> None:
        if isinstance(template, ChatTemplate):
            template = ChatTemplate(tokenizer, recipe.empty_thought)
        super().__init__(recipe, template, tokenizer)

    def examples(self, records: Sequence[Record]) -> Iterator[list[Example] | DataError]:
        """One example a conversation, one or more a document; an error for a conversation that cannot be used."""
        length = self.recipe.cutoff_len
        asked = [record for record in records if not record.text]
        answers = encode_many(asked, self.template, self.tokenizer, length, train_on_inputs=self.recipe.train_on_inputs)
        for record in records:
            if record.text:
                yield list(encode_document(record, self.tokenizer, length))
            else:
                made = next(answers)
                yield made if isinstance(made, DataError) else [made]
