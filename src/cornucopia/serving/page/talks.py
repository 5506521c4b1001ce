"""Conversations as they are kept: each owner's own, a tree of messages each, in `history.sqlite3`.

A change is one transaction, so a talk is whole after a kill; messages are merged by id, so two windows that show one
talk lose nothing of each other.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from typing import Any, Literal

from pydantic import field_validator

from cornucopia.core.config import Config, option
from cornucopia.core.jsonl import to_json
from cornucopia.serving.problems import Problem

TABLES = """
CREATE TABLE IF NOT EXISTS talks (
    owner TEXT NOT NULL, id TEXT NOT NULL, title TEXT NOT NULL, about TEXT NOT NULL, leaf TEXT NOT NULL,
    changed REAL NOT NULL, PRIMARY KEY (owner, id));
CREATE TABLE IF NOT EXISTS messages (
    number INTEGER PRIMARY KEY, owner TEXT NOT NULL, talk TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    size INTEGER NOT NULL,
    UNIQUE (owner, talk, id), FOREIGN KEY (owner, talk) REFERENCES talks (owner, id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS sizes ON messages (owner, size);
"""
MOST_TALKS, MOST_MESSAGES, MOST_BYTES = 2000, 2000, 500_000_000  # of one owner, of one talk, of one owner
_ID = re.compile(r"[0-9a-z]{8,40}")


class Called(Config):
    """A tool call that a model wrote."""

    id: str | None = option(None, "编号")
    name: str = option("", "工具名")
    arguments: str = option("", "参数，JSON 文字")


class Message(Config):
    """One message of a talk."""

    id: str = option(..., "编号：8 到 40 个小写字母和数字")
    parent: str = option("", "上一条的编号；第一条没有")
    role: Literal["user", "assistant", "tool"] = option(..., "谁说的")
    content: str = option("", "文字")
    reasoning: str = option("", "思考")
    images: list[str] = option([], "图片，data:image/…")
    calls: list[Called] = option([], "工具调用")
    call: str = option("", "这是哪个工具调用的结果")
    model: str = option("", "谁答的")
    finish: str = option("", "怎样结束的；空为还没有写完")
    error: str = option("", "为什么没有答成")
    tokens: int = option(0, "词元数", ge=0)
    first: float = option(0.0, "首字用了多少秒", ge=0)
    seconds: float = option(0.0, "一共用了多少秒", ge=0)
    at: float = option(0.0, "什么时候，1970 年起的秒数", ge=0)

    @field_validator("id", "parent")
    @classmethod
    def _check_id(cls, value: str) -> str:
        if value and not _ID.fullmatch(value):
            raise ValueError("应为 8 到 40 个小写字母和数字")
        return value

    @field_validator("images")
    @classmethod
    def _check_images(cls, values: list[str]) -> list[str]:
        if not all(value.startswith("data:image/") for value in values):
            raise ValueError("图片只收 data:image/…;base64,… 的地址")
        return values


class Change(Config):
    """What is to be changed in a talk; what is not given stays."""

    title: str | None = option(None, "标题", max_length=200)
    about: dict[str, Any] | None = option(None, "模型和参数")
    leaf: str | None = option(None, "现在看到哪一条为止", max_length=40)
    messages: list[Message] = option([], "新的和改过的消息，上一条在前")


def check_talk(id: str) -> str:
    """The id of a talk.

    Raises:
        Problem: it is none.
    """
    if not _ID.fullmatch(id):
        raise Problem(404, "没有这个对话")
    return id


def list_talks(connection: sqlite3.Connection, owner: str, words: str) -> list[dict[str, Any]]:
    """An owner's talks, the last changed first: id, title, changed; those only in which the words stand, if any."""
    rows = connection.execute(
        """SELECT id, title, changed FROM talks WHERE owner = ?1 AND (?2 = '' OR instr(lower(title), ?2) OR EXISTS (
        SELECT 1 FROM messages WHERE owner = ?1 AND talk = talks.id
        AND instr(lower(json_extract(body, '$.content')), ?2))) ORDER BY changed DESC""",
        (owner, words.lower()),
    )
    return [dict(zip(("id", "title", "changed"), row, strict=True)) for row in rows]


def read_talk(connection: sqlite3.Connection, owner: str, id: str) -> dict[str, Any]:
    """A whole talk, its messages in the order in which they came.

    Raises:
        Problem: the owner has none of this id.
    """
    row = connection.execute(
        "SELECT title, about, leaf, changed FROM talks WHERE owner = ? AND id = ?", (owner, id)
    ).fetchone()
    if row is None:
        raise Problem(404, "没有这个对话")
    bodies = connection.execute(
        "SELECT body FROM messages WHERE owner = ? AND talk = ? ORDER BY number", (owner, id)
    ).fetchall()
    title, about, leaf, changed = row
    messages = [json.loads(body) for (body,) in bodies]
    return {
        "id": id, "title": title, "about": json.loads(about), "leaf": leaf, "changed": changed, "messages": messages
    }  # fmt: skip


def change_talk(connection: sqlite3.Connection, owner: str, id: str, change: Change) -> dict[str, Any]:
    """Change a talk, or begin it.

    Raises:
        Problem: a message has no parent in the talk, or there is too much.
    """
    row = connection.execute("SELECT 1 FROM talks WHERE owner = ? AND id = ?", (owner, id)).fetchone()
    changed = time.time()
    connection.execute(
        """INSERT INTO talks VALUES (?1, ?2, coalesce(?3, ''), coalesce(?4, '{}'), coalesce(?5, ''), ?6)
        ON CONFLICT DO UPDATE SET title = coalesce(?3, title), about = coalesce(?4, about), leaf = coalesce(?5, leaf),
        changed = ?6""",
        (owner, id, change.title, None if change.about is None else to_json(change.about), change.leaf, changed),
    )
    for message in change.messages:
        _put(connection, owner, id, message)
    _check_room(connection, owner, id, new=row is None)
    return {"id": id, "changed": changed}


def delete_talk(connection: sqlite3.Connection, owner: str, id: str) -> None:
    """Forget a talk.

    Raises:
        Problem: the owner has none of this id.
    """
    if not connection.execute("DELETE FROM talks WHERE owner = ? AND id = ?", (owner, id)).rowcount:
        raise Problem(404, "没有这个对话")


def _put(connection: sqlite3.Connection, owner: str, talk: str, message: Message) -> None:
    if message.parent == message.id or (message.parent and not _is_there(connection, owner, talk, message.parent)):
        raise Problem(400, f"消息 {message.id} 的上一条不在这个对话里", param="messages")
    old = connection.execute(
        "SELECT json_extract(body, '$.parent') FROM messages WHERE owner = ? AND talk = ? AND id = ?",
        (owner, talk, message.id),
    ).fetchone()
    if old is not None and old[0] != message.parent:  # else a talk could become a ring
        raise Problem(400, f"消息 {message.id} 的上一条不能改", param="messages")
    body = to_json(message.model_dump())
    connection.execute(
        "INSERT INTO messages (owner, talk, id, body, size) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (owner, talk, id) DO UPDATE SET body = excluded.body, size = excluded.size",
        (owner, talk, message.id, body, len(body.encode())),
    )


def _is_there(connection: sqlite3.Connection, owner: str, talk: str, id: str) -> bool:
    where = "SELECT 1 FROM messages WHERE owner = ? AND talk = ? AND id = ?"
    return connection.execute(where, (owner, talk, id)).fetchone() is not None


def _check_room(connection: sqlite3.Connection, owner: str, id: str, new: bool) -> None:
    talks = connection.execute("SELECT count(*) FROM talks WHERE owner = ?", (owner,)).fetchone()[0] if new else 0
    where = "SELECT count(*) FROM messages WHERE owner = ? AND talk = ?"
    messages = connection.execute(where, (owner, id)).fetchone()[0]
    size = connection.execute("SELECT total(size) FROM messages WHERE owner = ?", (owner,)).fetchone()[0]
    most = f"至多 {MOST_TALKS} 个、{MOST_BYTES // 1_000_000} MB"
    if talks > MOST_TALKS or size > MOST_BYTES:
        raise Problem(507, f"对话存满了（{most}）：导出后删掉一些", code="state")
    if messages > MOST_MESSAGES:
        raise Problem(507, f"这个对话太长（至多 {MOST_MESSAGES} 条）：新建一个", code="state")
