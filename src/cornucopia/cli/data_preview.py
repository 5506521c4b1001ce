"""`cornucopia data preview`: records as the model sees them, with the part that counts in the loss marked.

Loads a tokenizer, never a model's weights. On a terminal the trained part is green, elsewhere it stands in 【】.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from cornucopia.core.config import Config, option
from cornucopia.core.errors import DataError
from cornucopia.core.options import parse
from cornucopia.records.formats import parse_columns
from cornucopia.records.objectives import fits
from cornucopia.records.read import read_records
from cornucopia.records.schema import Record
from cornucopia.tokens.render import IGNORE, Example, encode, encode_document
from cornucopia.tokens.segments import Template

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
    records = read_records(config.file, rejects=False, columns=parse_columns(config.columns)).records
    examples: list[Example] = []
    for number, record in enumerate(records):
        try:
            made = _examples(record, template, tokenizer, config)
        except DataError as error:
            if number < config.count:
                print(f"── {record.origin}：不能训练，{error.what}{f'（{error.found}）' if error.found else ''}\n")
            continue
        if number < config.count:
            for example in made:
                _show(example, tokenizer)
        examples += made
    _summarise(examples, len(records), template.name)
    return 0 if examples else 1


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


def spans(example: Example, tokenizer: Any) -> Iterator[tuple[str, bool]]:
    """The example's text in runs: (text, whether it is trained). Special tokens are shown."""
    shown, end = "", 0
    for trained, labels in groupby(example.labels, key=lambda label: label != IGNORE):
        end += len(list(labels))
        # From the beginning each time: a decoder may treat the first token of what it is given in its own way.
        whole = tokenizer.decode(example.input_ids[:end], skip_special_tokens=False)
        yield whole[len(shown) :], trained
        shown = whole


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


def _summarise(examples: list[Example], records: int, template: str) -> None:
    tokens, trained = sum(len(e.input_ids) for e in examples), sum(e.supervised for e in examples)
    longest = max((len(e.input_ids) for e in examples), default=0)
    cut = {kind: sum(e.truncated == kind for e in examples) for kind in ("prompt", "answer")}
    print(
        f"模板 {template}：{len(examples)} 条可训练（共 {records} 条），{tokens} 个词元，最长 {longest}，"
        f"计入损失 {trained}（{trained / max(tokens, 1):.0%}）；"
        f"截短问题 {cut['prompt']} 条，截断回答 {cut['answer']} 条"
    )
