"""`cornucopia data preview`: records as the model sees them, with the part that counts in the loss marked.

Loads a tokenizer, never a model's weights. On a terminal the trained part is green, elsewhere it stands in 【】.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import DataError
from cornucopia.core.options import parse
from cornucopia.records.formats import parse_columns
from cornucopia.records.objectives import fits
from cornucopia.records.read import tell
from cornucopia.records.schema import Record
from cornucopia.records.stream import RecordStream
from cornucopia.tokens.render import Example, encode, encode_document
from cornucopia.tokens.segments import Template
from cornucopia.tokens.spans import spans

_CUT = {"": "", "prompt": "，问题或材料已截短", "answer": "，回答已截断（没有结束符）"}


class PreviewConfig(Config):
    """`cornucopia data preview`"""

    file: Path = option(..., "数据文件或文件夹")
    model: str = option("nano", "用哪个模型的分词器：目录、base_models/ 下的名字，或 nano", aliases=("m", "base_model"))
    template: str | None = option(None, "模板，与 cornucopia train 相同", aliases=("prompt_template_name",))
    cutoff_len: int = option(512, "每条最多多少词元", gt=8)
    train_on_inputs: bool = option(False, "问题部分也计入损失")
    count: int = option(3, "看前几条", aliases=("n",), gt=0)
    columns: list[str] = option(
        [], "列名对应，写成 标准名=文件里的列名，逗号分隔", aliases=("from_columns",), split="never"
    )


def run(argv: list[str]) -> int:
    """Print the first records, then how many tokens all of them have."""
    config, _ = parse(
        PreviewConfig,
        argv,
        prog="cornucopia data preview",
        summary="看训练时模型读到的文字：哪些词元计入损失（绿色，或在【】里），有没有截短。",
        positional="file",
        positional_help="数据文件或文件夹",
        examples="  cornucopia data preview instruction_data/fin_data.json --template fin_template -n 1",
    )
    from cornucopia.models.spec import ModelSpec, resolve

    resolved = resolve(ModelSpec(base=config.model, template=config.template))
    tokenizer, template = resolved.tokenizer, resolved.template
    stream, totals = RecordStream(config.file, columns=parse_columns(config.columns)), _Totals()
    for record in stream:
        if not isinstance(record, Record):
            continue
        try:
            made = _examples(record, template, tokenizer, config)
        except DataError as error:
            if stream.records <= config.count:
                print(f"── {record.origin}：不能训练，{error.what}{f'（{error.found}）' if error.found else ''}\n")
            continue
        if stream.records <= config.count:
            for example in made:
                _show(example, tokenizer)
        totals.add(record, made)
    if not stream.records:
        raise stream.nothing()
    tell(stream)
    print(totals.told(stream.records, template.name))
    return 0 if totals.examples else 1


def _examples(record: Record, template: Template, tokenizer: Any, config: PreviewConfig) -> list[Example]:
    """A conversation, or a document in its pieces.

    Raises:
        DataError: if it cannot be learnt.
    """
    misfit = fits(record, "sft")
    if misfit:
        raise DataError(misfit, where=record.origin)
    if record.text:
        return encode_document(record, tokenizer, config.cutoff_len)
    return [encode(record, template, tokenizer, config.cutoff_len, train_on_inputs=config.train_on_inputs)]


def _show(example: Example, tokenizer: Any) -> None:
    total = len(example.input_ids)
    print(f"── {example.origin}：{total} 个词元，{example.supervised} 个计入损失{_CUT[example.truncated]}")
    if not sys.stdout.isatty():
        print("".join(f"【{text}】" if trained else text for text, trained in spans(example, tokenizer)) + "\n")
        return
    from rich.console import Console
    from rich.text import Text

    parts = [(text, "bold green" if trained else "dim") for text, trained in spans(example, tokenizer)]
    Console(highlight=False).print(Text.assemble(*parts), "\n")


@dataclass
class _Totals:
    """What all examples have together."""

    examples: int = 0
    tokens: int = 0
    trained: int = 0
    longest: int = 0
    characters: int = 0
    cut: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record, examples: list[Example]) -> None:
        """Count a record's examples."""
        self.characters += len(record.text) + len(record.material)
        self.characters += sum(len(message.content) + len(message.reasoning) for message in record.messages)
        for example in examples:
            size = len(example.input_ids)
            self.examples += 1
            self.tokens += size
            self.trained += example.supervised
            self.longest = max(self.longest, size)
            self.cut[example.truncated] += 1

    def told(self, records: int, template: str) -> str:
        """One line for people."""
        share, ratio = self.trained / max(self.tokens, 1), self.tokens / max(self.characters, 1)
        return (
            f"模板 {template}：{self.examples} 条可训练（共 {records} 条），{self.tokens} 个词元，最长 {self.longest}，"
            f"每字 {ratio:.2f} 个词元（含模板），计入损失 {self.trained}（{share:.0%}）；"
            f"截短问题 {self.cut['prompt']} 条，截断回答 {self.cut['answer']} 条"
        )
