"""`cornucopia vocab extend`: a base with a wider vocabulary."""

from __future__ import annotations

from cornucopia.core.console import say, show_table
from cornucopia.core.errors import UsageError, nearest
from cornucopia.core.options import parse
from cornucopia.models.vocabulary.extend import HELD_OUT, ExtendOptions, extend

_HELP = """用法：cornucopia vocab extend --base 基座 --corpus 文本 --size N --out 新目录

  extend    给基座的词表加上文本里常见的中文词：旧编号不变，新词从旧词元的平均值开始

选项：cornucopia vocab extend --help"""
_SHOWN = 12
EXAMPLES = """  cornucopia vocab extend --base base_models/Llama-2-7b --corpus 语料/ --size 8000 --out llama-zh
  cornucopia vocab extend --base base_models/Llama-2-7b --pieces chinese_sp.model --corpus 语料/ --out x
  cornucopia vocab extend --base nano --corpus instruction_data/fin_data.json --size 99 --out x --tokenizer-only"""


def run(argv: list[str]) -> int:
    """Run a sub-command."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_HELP)
        return 0
    if argv[0] != "extend":
        close = nearest(argv[0], ["extend"])
        fix = f"最接近的是 cornucopia vocab {close}" if close else "cornucopia vocab --help"
        raise UsageError("没有这个子命令", where="cornucopia vocab", found=argv[0], fix=fix)
    options, _ = parse(
        ExtendOptions, argv[1:], prog="cornucopia vocab extend", examples=EXAMPLES,
        summary="给基座的词表加上文本里常见的中文词：旧编号不变，不含新词的文字切得和原来一样，\n"
        "新词的向量从旧词元的平均值开始。加完要继续预训练，新词才有用。",
    )  # fmt: skip
    widened, measured = extend(options)
    rows = [
        ("原有词元", f"{widened.first:,}"), ("加上", f"{len(widened.pieces):,}"),
        ("切不到而没有加的", f"{len(widened.unreachable):,}"),
        ("每字词元：原来", f"{measured.before:.3f}"), ("每字词元：现在", f"{measured.after:.3f}"),
        ("量的文本", f"{measured.texts:,} 篇，{measured.characters:,} 字（每 {HELD_OUT} 篇留 1 篇）"),
        ("切开再拼回，与原分词器相同", f"{measured.same:,} / {measured.texts:,} 篇"),
    ]  # fmt: skip
    show_table("词表", ("项", "值"), rows)
    decoder = widened.tokenizer.backend_tokenizer.decoder
    words = [decoder.decode([piece]) for piece in widened.pieces]
    say("例如：" + "、".join([word for word in words if len(word) > 1 and "�" not in word][:_SHOWN]))
    say(f"已写 {options.out}" + ("（只有分词器）" if options.tokenizer_only else ""))
    if not options.tokenizer_only:
        say(
            f"接着：cornucopia train --base {options.out} --objective pretrain --data-path 语料 "
            "--modules-to-save embed_tokens,lm_head"
        )
    return 0
