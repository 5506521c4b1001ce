"""What a model thinks before it answers: a `<think>` block in front of the answer, as DeepSeek-R1 and Qwen3 write it.

A template may open the block at the end of its prompt; what the model writes then begins inside it.
"""

from __future__ import annotations

OPEN, CLOSE = "<think>", "</think>"


def think_block(reasoning: str, *, opened: bool = False) -> str:
    """The block as it stands before an answer; without its first mark where the prompt has it."""
    head = "" if opened else f"{OPEN}\n"
    return f"{head}{reasoning}\n{CLOSE}\n\n"


def opens_block(prompt: str) -> bool:
    """Whether a prompt ends inside a block."""
    return prompt.rstrip().endswith(OPEN)


def split_reasoning(text: str, *, opened: bool = False) -> tuple[str, str]:
    """(thinking, answer) of what a model wrote, both stripped; a block that was cut off leaves no answer.

    Args:
        text: what the model wrote.
        opened: whether its prompt had opened the block.
    """
    body = text.lstrip()
    if body.startswith(OPEN):
        body, opened = body[len(OPEN) :], True
    if not opened:
        return "", text.strip()
    thought, _, answer = body.partition(CLOSE)
    return thought.strip(), answer.strip()
