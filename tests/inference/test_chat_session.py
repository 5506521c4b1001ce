"""What a typed line means, how lines become messages, what still fits the context."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.core.errors import UsageError
from cornucopia.inference.chat_session import ChatSession, Command, Lines, understand
from cornucopia.records.read import read_records


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("clear", Command("clear")), (" STOP ", Command("exit")), ("++", Command("retry")), ("/help", Command("help")),
        ("save 对话.jsonl", Command("save", "对话.jsonl")), ("", Command("nothing")), ("   ", Command("nothing")),
        ("stop loss 是什么", Command("ask", "stop loss 是什么")), ("/history", Command("history")),
        ("save money for me", Command("ask", "save money for me")), ("/clear", Command("clear")),
        ("clear 是什么", Command("ask", "clear 是什么")), ("退出", Command("exit")),
        ("/etc 是什么", Command("ask", "/etc 是什么")),
    ],
)  # fmt: skip
def test_only_a_command_word_alone_is_a_command(text, command):
    assert understand(text) == command


@pytest.mark.parametrize("line", ["save", "/save"])
def test_save_without_a_file_is_not_asked_of_the_model(line):
    with pytest.raises(UsageError):
        understand(line)


@given(st.text(max_size=20))
def test_any_line_means_something(text):
    try:
        command = understand(text)
    except UsageError:
        return
    assert command.kind != "ask" or command.text == text.strip() != ""


def test_fences_and_backslashes_join_lines():
    lines = Lines()
    assert lines.add("一句") == "一句"
    assert lines.add("上\\") is None and lines.waiting
    assert lines.add("下") == "上\n下" and not lines.waiting
    assert lines.add('"""第一') is None
    assert lines.add("clear\\") is None
    assert lines.add('第三"""') == "第一\nclear\\\n第三"
    assert lines.add('"""一行"""') == "一行"
    assert lines.add('"""') is None
    lines.reset()
    assert lines.add("新") == "新"


@given(st.lists(st.text("ab\n好 ", max_size=8), min_size=1, max_size=5).map("\n".join))
def test_a_fenced_message_arrives_as_typed(text):
    lines, got = Lines(), None
    for part in f'"""{text}"""'.split("\n"):
        assert got is None
        got = lines.add(part)
    assert got == text.strip("\n") and not lines.waiting


def characters(record):
    return sum(len(message.content) for message in record.messages)


def test_history_is_cut_from_the_oldest_turn_and_the_system_message_stays():
    session = ChatSession("规矩", characters, 14)
    for i in range(4):
        session.answered(f"问{i}", f"答{i}")
    record = session.ask("新问")
    assert [message.content for message in record.messages] == ["规矩", "问2", "答2", "问3", "答3", "新问"]
    assert session.dropped == 2 and len(session.turns) == 4
    assert [m.content for m in session.ask("长" * 50).messages] == ["规矩", "长" * 50]


def test_clear_retry_and_stopped_answers():
    session = ChatSession("规矩")
    assert session.retry() is None
    session.answered("问", "")
    assert not session.turns
    session.answered("问", "半句")
    assert session.retry() == "问" and not session.turns
    session.answered("问", "答")
    session.clear()
    assert [m.role for m in session.ask("再问").messages] == ["system", "user"]


def test_a_saved_conversation_is_training_data(tmp_path):
    session = ChatSession("规矩")
    with pytest.raises(UsageError):
        session.save(tmp_path / "c.jsonl")
    session.answered("问", "答")
    assert session.save(tmp_path / "c.jsonl") == 1
    (record,) = read_records(tmp_path / "c.jsonl").records
    assert [m.role for m in record.messages] == ["system", "user", "assistant"] and record.golden == "答"
    assert json.loads((tmp_path / "c.jsonl").read_text(encoding="utf-8"))["messages"][1]["content"] == "问"
    with pytest.raises(UsageError, match="存不下来"):
        session.save(tmp_path)
