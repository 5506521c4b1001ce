"""`cornucopia chat`: talk with a model in the terminal, or ask it one question from a script."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cornucopia.cli.infer import ModelOptions
from cornucopia.core.config import option
from cornucopia.core.console import plain, say, typed_text, warn
from cornucopia.core.errors import CornucopiaError, DataError, Interrupted, reason
from cornucopia.core.jsonl import mended
from cornucopia.core.options import parse
from cornucopia.inference.chat_session import HELP, ChatSession, Command, Lines, understand
from cornucopia.inference.text import Thought
from cornucopia.records.schema import Passage

if TYPE_CHECKING:
    from cornucopia.inference.engine import Engine, Reply, Sampling
    from cornucopia.records.schema import Record

EXAMPLES = """  cornucopia chat                                   与内置小模型对话
  cornucopia chat --model base_models/llama-7b-hf --adapter runs/我的适配器 --temperature 0.7
  cornucopia chat --model https://api.deepseek.com#deepseek-chat
  cornucopia chat -q 什么是等额本息                     只问一句，回答写到标准输出
  cornucopia chat -q 总结这份公告 --material 公告.txt     材料另给；--material - 从标准输入读
  echo 什么是等额本息 | cornucopia chat                 问题从标准输入来"""


class ChatConfig(ModelOptions):
    """Options of `cornucopia chat`."""

    question: str | None = option(None, "只问这一句就退出", aliases=("q",))
    material: str | None = option(None, "与 -q 合用：材料文件（UTF-8），- 为标准输入")
    system: str = option("", "系统提示：整段对话都遵守的要求", aliases=("system_prompt",))


def run(argv: list[str]) -> int:
    """Run `cornucopia chat`."""
    config, _ = parse(
        ChatConfig, argv, prog="cornucopia chat", examples=EXAMPLES,
        summary="在终端里对话，边生成边显示。/help 看对话里能用的命令；长对话放不下时从最早的一轮开始省略。",
    )  # fmt: skip
    if config.is_bundled and not config.active_adapter() and not config.template:
        config.template = "nano"  # the prompt that the bundled base was built with; it knows no other
    material = _read(config.material) if config.material else ""
    question = None if config.question is None else typed_text(config.question)
    if question is None and not sys.stdin.isatty():
        question = _read("-")
    if question is not None and not question.strip():
        where = "标准输入" if config.question is None else "-q"
        raise DataError("没有问题", where=where, found="空的", fix='cornucopia chat -q "什么是重疾险的等待期？"')
    if config.question is None and sys.stdin.isatty():
        say(f"载入 {config.shown} ……")
    engine, sampling = config.open(), config.sampling()
    session = ChatSession(config.system, engine.prompt_length, engine.prompt_limit(sampling))
    if question is None:
        Terminal(engine, session, sampling).loop()
        return 0
    record = replace(session.ask(question.strip()), passages=(Passage(material),) if material else ())
    _tell_cut(engine, record, sampling)
    return _one(engine, record, sampling)


def _tell_cut(engine: Engine, record: Record, sampling: Sampling) -> None:
    """Say how much of a question and its material the model will not see."""
    limit, length = engine.prompt_limit(sampling), engine.prompt_length(record)
    if limit is not None and length > limit:
        share = f"约 {(length - limit) / length:.0%}"
        warn(
            f"问题和材料共 {length} 个词元，这个模型的提示最多 {limit} 个：材料末尾{share}没有给模型看。"
            "分段来问，或换上下文更长的模型"
        )


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return data.decode("utf-8-sig")
    except OSError as error:
        raise DataError("读不了材料文件", where=name, found=reason(error), fix="核对路径") from None
    except UnicodeDecodeError as error:
        where = "标准输入" if name == "-" else name
        raise DataError("读不了：应是 UTF-8 文字", where=where, found=str(error)[:120], fix="另存为 UTF-8") from None


def _one(engine: Engine, record: Record, sampling: Sampling) -> int:
    """One answer to standard output; 1 when there is none.

    A terminal sees it as it is made. A file or a pipe gets it when it is over: only then is it certain what of it was
    thought, where a model's opening mark was its template's.
    """
    live, pieces, answer = sys.stdout.isatty(), list[str](), None
    stream = _said(engine.stream(record, sampling))
    try:
        while True:
            pieces.append(next(stream))
            if live:
                print(plain(pieces[-1]), end="", flush=True)
    except StopIteration as end:
        answer = end.value
    except KeyboardInterrupt:
        raise Interrupted("已停住这个回答") from None
    finally:
        text = "".join(pieces) if answer is None else answer
        if text.strip():
            print("" if live else mended(text), flush=True)
    return 0 if text.strip() else 1


class Terminal:
    """Reads lines, shows answers as they are made; what is remembered is the session's business."""

    def __init__(self, engine: Engine, session: ChatSession, sampling: Sampling) -> None:
        self.engine, self.session, self.sampling = engine, session, sampling
        self.retries = 0

    def loop(self) -> None:
        """Talk until the user leaves."""
        _line_editing()
        say("开始对话。/help 看命令，stop 退出")
        for text in self._messages():
            try:
                command = understand(text)
                if command.kind == "exit":
                    return
                self._do(command)
            except CornucopiaError as error:
                warn(str(error))

    def _messages(self) -> Iterator[str]:
        """Whole messages; ends at Ctrl-D. Ctrl-C drops an unfinished line."""
        lines = Lines()
        while True:
            try:
                text = lines.add(input("… " if lines.waiting else "\n问："))
            except EOFError:
                print()
                return
            except KeyboardInterrupt:
                lines.reset()
                say("\n（退出请输入 stop，或按 Ctrl-D）")
                continue
            if text is not None:
                yield text

    def _do(self, command: Command) -> None:
        if command.kind == "ask":
            self.retries = 0
            self._answer(command.text)
        elif command.kind == "clear":
            self.session.clear()
            say("已忘掉前面的对话")
        elif command.kind == "retry":
            self._retry()
        elif command.kind == "save":
            say(f"已存 {self.session.save(command.text)} 轮：{command.text}")
        elif command.kind == "history":
            for asked, answer in self.session.turns:
                print(f"问：{asked}\n答：{answer}\n")
            if not self.session.turns:
                say("还没有对话")
        elif command.kind == "help":
            say(HELP)

    def _retry(self) -> None:
        question = self.session.retry()
        if question is None:
            say("还没有问过问题")
            return
        self.retries += 1
        if not self.engine.settings(self.sampling).do_sample:
            say("（现在是贪心解码，每次回答都一样；启动时加 --temperature 0.7 才会有变化）")
        self._answer(question)

    def _answer(self, question: str) -> None:
        record, pieces = self.session.ask(question), []
        if self.session.dropped:
            say(f"（对话太长，最早的 {self.session.dropped} 轮这次没有给模型看）")
        sampling = self.sampling.model_copy(update={"seed": self.sampling.seed + self.retries})
        print("答：", end="", flush=True)
        stream = self.engine.stream(record, sampling)
        said, answer = _said(stream), None
        try:
            while True:
                piece = next(said)
                pieces.append(piece)
                print(plain(piece), end="", flush=True)
        except StopIteration as end:
            answer = end.value  # what was thought is told apart for certain only when all is there
        except KeyboardInterrupt:
            stream.close()
            print("（已停）", end="")
        finally:
            print()
        self.session.answered(question, "".join(pieces) if answer is None else answer)


def _said(stream: Generator[str, None, Reply]) -> Generator[str, None, str | None]:
    """The answer's pieces; returns the whole answer.

    That the model is thinking first is told on standard error, and so is an answer that never came; what it thinks is
    not shown.
    """
    thought = said = False
    reply = None
    try:
        while True:
            piece = next(stream)
            if not isinstance(piece, Thought):
                said = said or bool(piece.strip())
                yield piece
            elif not thought:
                thought = True
                if sys.stderr.isatty():
                    print("（在想……）", end="", file=sys.stderr, flush=True)
    except StopIteration as end:
        reply = end.value
    if not said:
        cause = "想到了长度上限，没有写出回答" if thought else "模型没有写出回答"
        warn(f"{cause}：调大 --max-new-tokens，或换一个模型")
    return reply.answer if reply else None


def _line_editing() -> None:
    """Arrow keys, history and correct deletion of Chinese characters, where the system has them."""
    if os.name == "posix":
        import contextlib

        with contextlib.suppress(ImportError):
            import readline  # noqa: F401
