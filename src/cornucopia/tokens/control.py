"""Control names (`<s>`, `</s>`, `<|im_end|>` ...) that stand in somebody's text: they stay text.

A tokenizer makes a control token of such a name wherever it finds it. So a mark is put inside each name before a
conversation is rendered, and the rendered text is tokenised in pieces, parted at the marks: no piece holds the name.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from cornucopia.records.schema import Message, Passage, Record
from cornucopia.tokens.reasoning import CLOSE, OPEN

_MARKS = [chr(point) for point in range(0xFDD0, 0xFDF0)]  # never characters of any text (Unicode: noncharacters)
# How an answer is ended where data was made for some model by name; the template writes the end itself.
_ENDS = ("</s>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>", "<|end|>", "<eos>")


def guarded(record: Record, tokenizer: Any) -> tuple[Record, str]:
    """The record with a mark inside each control name in its text, and the mark ('' where no name occurs).

    The end of sequence that an answer ends with is left out: the template writes it.
    """
    ends = tuple({*_ENDS, tokenizer.eos_token or "</s>"})
    if any(message.content.rstrip().endswith(ends) for message in record.messages if message.role == "assistant"):
        record = replace(record, messages=tuple(_without_end(message, ends) for message in record.messages))
    texts = [record.text, *(passage.text for passage in record.passages)]
    texts += [text for message in record.messages for text in (message.content, message.reasoning)]
    first, names = _names(tokenizer, len(tokenizer))
    if not any(first.search(text) and names.search(text) for text in texts):
        return record, ""
    mark = next(mark for mark in _MARKS if not any(mark in text for text in texts))

    def guard(text: str) -> str:
        return names.sub(lambda found: found.group() + mark, text)

    messages = [replace(m, content=guard(m.content), reasoning=guard(m.reasoning)) for m in record.messages]
    passages = [Passage(guard(passage.text), passage.source) for passage in record.passages]
    return replace(record, text=guard(record.text), messages=tuple(messages), passages=tuple(passages)), mark


@lru_cache(maxsize=16)
def _names(tokenizer: Any, size: int) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """(first characters of the names, the first character of a name where one stands); `size` as names may be added."""
    added = [str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special]
    names = {name for name in (*added, *tokenizer.all_special_tokens) if len(name) > 1} - {OPEN, CLOSE}
    if not names:
        return re.compile("(?!)"), re.compile("(?!)")
    firsts = re.escape("".join(sorted({name[0] for name in names})))
    rest = "|".join(map(re.escape, sorted(names)))
    return re.compile(f"[{firsts}]"), re.compile(f"(?s)(?={rest}).")


def _without_end(message: Message, ends: tuple[str, ...]) -> Message:
    text = message.content if message.role == "assistant" else ""
    while (bare := text.rstrip()).endswith(ends):
        text = bare.removesuffix(next(end for end in ends if bare.endswith(end)))
    return replace(message, content=text) if text.strip() else message
