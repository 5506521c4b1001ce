"""`cornucopia data review`: look at records beside their source in the browser, and decide."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from cornucopia.core.config import Config, option
from cornucopia.core.console import say
from cornucopia.core.errors import ConfigError, DataError
from cornucopia.core.jsonl import read_jsonl
from cornucopia.core.options import parse
from cornucopia.factory.review.app import make_app
from cornucopia.factory.review.decisions import DECISIONS_SUFFIX, Decisions
from cornucopia.factory.review.session import Session
from cornucopia.records.read import read_records
from cornucopia.sources.document import Document, document_of


class ReviewConfig(Config):
    """`cornucopia data review`"""

    file: Path = option(..., "要审的数据：任何能训练的格式，或数据工厂的产物")
    documents: Path | None = option(None, "原文：cornucopia data read 写的 documents.jsonl，引文所在的一页摆在旁边")
    decisions: Path | None = option(None, "审阅记录；不写则放在数据旁边：数据文件名.review.jsonl")
    port: int = option(8010, "端口；被占用时换下一个空的", ge=1, le=65535)


def run(argv: list[str]) -> int:
    """Serve the page until Ctrl-C."""
    config, _ = parse(
        ReviewConfig,
        argv,
        prog="cornucopia data review",
        summary="在浏览器里逐条审：左边是来源，右边是记录；按键采纳、修改、不要，随时停，下次接着审。",
        positional="file",
        positional_help="数据文件",
        examples="  cornucopia data review runs/bank/train.jsonl --documents runs/bank/documents.jsonl\n"
        "  cornucopia data reviewed 数据.jsonl --decisions 数据.jsonl.review.jsonl --out 审后.jsonl",
    )
    records = read_records(config.file, rejects=False).records
    documents = _documents(config.documents)
    path = config.decisions or config.file.with_name(config.file.name + DECISIONS_SUFFIX)
    decisions = Decisions(path)
    try:
        session = Session(records, decisions, documents)
        _serve(session, config.port)
        counts = session.summary()
        done = counts["total"] - counts["undecided"]
        say(f"已审 {done} / {counts['total']} 条，记在 {path}")
        say(f"照它取舍：cornucopia data reviewed {config.file} --decisions {path} --out 审后.jsonl")
    finally:
        decisions.close()
    return 0


def _documents(path: Path | None) -> dict[str, Document]:
    if path is None:
        return {}
    if not path.is_file():
        raise DataError("找不到原文", where=str(path), fix="cornucopia data read 文件夹 --out documents.jsonl")
    try:
        return {document.id: document for document in map(document_of, read_jsonl(path))}
    except (ValueError, TypeError, KeyError):
        fix = "cornucopia data read 文件夹 --out documents.jsonl"
        raise DataError("不是 data read 写的原文", where=str(path), fix=fix) from None


def _serve(session: Session, port: int) -> None:
    app = make_app(session)
    import uvicorn

    with _socket(port) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        say(f"用浏览器打开 {address} （Ctrl-C 结束；每一次裁决都已存下）")
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        with contextlib.suppress(KeyboardInterrupt):  # the verdicts are on the disk: stopping is no interruption
            server.run(sockets=[listening])


def _socket(port: int) -> socket.socket:
    for number in range(port, min(port + 50, 65536)):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind(("127.0.0.1", number))
            made.listen()  # before the address is told: whoever opens it at once waits and is not refused
        except OSError:
            made.close()
            continue
        return made
    raise ConfigError("找不到空的端口", found=f"{port} 起的 50 个都被占用", fix="--port 换一个")
