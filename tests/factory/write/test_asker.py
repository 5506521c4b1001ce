"""Nothing is paid twice, no budget is passed, and a failing service never loses a record that it might answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from cornucopia.core.errors import ConfigError, DataError, EndpointError
from cornucopia.factory.write.ask import Ask, AskConfig
from cornucopia.factory.write.settings import WriteConfig
from cornucopia.inference import pace
from cornucopia.inference.paid.asker import Asker, Prompt
from cornucopia.inference.paid.replies import OVER
from cornucopia.inference.paid.spending import BudgetReached
from cornucopia.records.schema import Message
from servers import chat_server
from writing_fakes import document, good_author, said, settings, stage_run

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch):
    monkeypatch.setattr(pace, "FIRST_WAIT", 0.01)


def prompts(*texts: str) -> list[Prompt]:
    return [Prompt(text, (Message("user", text),)) for text in texts]


def asker(url: str, folder: Path, run: str = "run", **more) -> Asker:
    (folder / run).mkdir(exist_ok=True)
    return Asker(WriteConfig.build(settings(url, folder, **more)), "试", folder / run)


def counted(server) -> Counter[str]:
    return Counter(said(body) for body in server.requests)


def test_the_same_question_is_paid_once_in_a_run_in_another_and_in_the_same_call(tmp_path):
    with chat_server() as server:
        first = asker(server.url, tmp_path).ask([*prompts("甲", "乙"), Prompt("又是甲", (Message("user", "甲"),))])
        second = asker(server.url, tmp_path, "别的配方").ask(prompts("乙", "丙"))
        other = asker(server.url, tmp_path, temperature=0.1).ask(prompts("乙"))
    assert first["甲"].answer == first["又是甲"].answer == "答：甲"
    assert second["乙"].answer == other["乙"].answer == "答：乙"
    assert counted(server) == {"甲": 1, "乙": 2, "丙": 1}


def test_several_answers_to_one_prompt_are_several_requests(tmp_path):
    with chat_server(answer=lambda body: str(body["seed"])) as server:
        replies = asker(server.url, tmp_path).ask([Prompt(str(n), (Message("user", "甲"),), n) for n in range(3)])
    assert [replies[str(n)].answer for n in range(3)] == ["42", "43", "44"]


def test_all_requests_of_a_shard_are_under_way_together(tmp_path):
    with chat_server(delay=0.1) as server:
        asker(server.url, tmp_path, concurrency=8).ask(prompts(*map(str, range(16))))
    assert server.most_running == 8


def test_a_rate_limit_is_waited_out_and_a_cut_connection_tried_again(tmp_path):
    script = [(429, {"Retry-After": "0.05"}, {"error": {"message": "too fast"}}), "cut", (503, {}, "busy"), "hang"]
    with chat_server(script=script) as server:
        replies = asker(server.url, tmp_path, timeout=0.5, max_retries=4).ask(prompts("甲", "乙", "丙"))
    assert {reply.answer for reply in replies.values()} == {"答：甲", "答：乙", "答：丙"}


def test_a_service_that_fails_stops_the_run_and_keeps_what_was_answered(tmp_path):
    broken = {"乙"}

    def answer(body):
        return (500, {}, "oops") if said(body) in broken else "好"

    with chat_server(answer=answer) as server:
        one = asker(server.url, tmp_path, max_retries=1)
        with pytest.raises(EndpointError, match="2 个请求里有 1 个") as caught:
            one.ask(prompts("甲", "乙"))
        assert "不会再付钱" in str(caught.value)
        broken.clear()
        assert one.ask(prompts("甲", "乙"))["乙"].answer == "好"
    assert counted(server) == {"甲": 1, "乙": 3}


def test_a_few_lasting_failures_are_let_go_when_allowed(tmp_path):
    with chat_server(answer=lambda body: (500, {}, "oops") if said(body) == "3" else "好") as server:
        replies = asker(server.url, tmp_path, max_retries=0).ask(prompts(*map(str, range(20))))
    assert [name for name, reply in replies.items() if reply.error] == ["3"]


def test_a_wrong_key_is_never_let_go(tmp_path):
    refused = (401, {}, {"error": {"message": "bad api key"}})
    with chat_server(answer=lambda body: refused) as server, pytest.raises(EndpointError, match="没有得到回答"):
        asker(server.url, tmp_path, failures_allowed=1).ask(prompts("甲"))


def test_a_request_that_the_service_does_not_take_is_no_content_check(tmp_path):
    """A wrong setting is refused for every prompt: nothing may be dropped, or kept as refused, for that."""
    refused = (400, {}, {"error": {"message": "max_tokens must be at most 100"}})
    with chat_server(answer=lambda body: refused) as server, pytest.raises(EndpointError, match="没有得到回答"):
        asker(server.url, tmp_path).ask(prompts("甲"))
    with chat_server() as server:
        assert asker(server.url, tmp_path).ask(prompts("甲"))["甲"].answer


def test_a_key_does_not_go_where_it_does_not_belong(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    with chat_server() as server:
        with pytest.raises(ConfigError, match="export CORNUCOPIA_ALLOW_KEY=MY_KEY=http"):
            asker(server.url, tmp_path, key_env="MY_KEY").ask(prompts("甲"))
        monkeypatch.setenv("CORNUCOPIA_ALLOW_KEY", "MY_KEY=127.0.0.1")
        assert asker(server.url, tmp_path, key_env="MY_KEY").ask(prompts("甲"))["甲"].answer
    assert server.keys == ["Bearer secret"]
    assert "secret" not in "".join(path.read_text() for path in tmp_path.rglob("*.json*"))


def test_a_budget_is_never_passed_and_a_larger_one_goes_on(tmp_path):
    names = [str(number) for number in range(40)]
    with chat_server(answer=lambda body: "字" * 100) as server:  # 7 in, 100 out
        money = {"price_in": 1.0, "price_out": 10.0, "max_new_tokens": 200}
        one = asker(server.url, tmp_path, budget=0.02, **money)
        replies = one.ask(prompts(*names))
        answered = sum(not reply.error for reply in replies.values())
        assert 17 <= answered <= 19  # 0.02 yuan are 19.9 answers of 0.001007; room for one of 0.002 must be left
        assert {reply.error for reply in replies.values()} == {"", OVER}
        with pytest.raises(BudgetReached, match="还有"):
            one.settle(replies)
        assert len(server.requests) == answered
        again = asker(server.url, tmp_path, budget=0.02, **money)
        again.ask(prompts(*names))
        assert len(server.requests) <= 19
        replies = asker(server.url, tmp_path, budget=1.0, **money).ask(prompts(*names))
    assert not any(reply.error for reply in replies.values())
    assert max(counted(server).values()) == 1


def test_a_budget_of_tokens_holds_without_prices(tmp_path):
    with chat_server(answer=lambda body: "字" * 100) as server:
        one = asker(server.url, tmp_path, budget_tokens=1000, max_new_tokens=150, when_spent="finish")
        replies = one.ask(prompts(*map(str, range(30))))
        one.settle(replies)
    assert sum(7 + 100 for reply in replies.values() if not reply.error) <= 1000
    assert 6 <= len(server.requests) <= 9


def test_what_has_a_price_is_told_and_agreed_to_before_the_first_request(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115, PTH123
    with chat_server(answer=good_author) as server:
        stage = Ask(AskConfig.build(settings(server.url, tmp_path, price_in=2.0, price_out=8.0)))
        with pytest.raises(ConfigError, match="同意") as caught:
            stage_run(stage, document(), tmp_path / "run")
        assert "--yes" in caught.value.fix and not server.requests
        told = capsys.readouterr().err
        assert "个请求" in told and "元" in told
        agreed = Ask(AskConfig.build(settings(server.url, tmp_path, price_in=2.0, price_out=8.0, yes=True)))
        stage_run(agreed, document(), tmp_path / "run")
        capsys.readouterr()
        stage_run(agreed, document(), tmp_path / "other")
        assert "3 个回答已在缓存里" in capsys.readouterr().err


def test_a_budget_in_money_without_prices_is_refused():
    with pytest.raises(ConfigError, match="price_in"):
        WriteConfig.build({"base": "x", "budget": 5})


def test_no_model_is_an_error_with_the_flag_to_give(tmp_path):
    with pytest.raises(ConfigError, match="--model"):
        Asker(WriteConfig(), "ask", tmp_path)


def test_two_processes_do_not_write_one_cache(tmp_path):
    with chat_server() as server:
        one = asker(server.url, tmp_path)
        with one._open_cache(), pytest.raises(DataError, match="cache"):
            one.ask(prompts("甲"))


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from cornucopia.factory.write.ask import Ask, AskConfig
from writing_fakes import document, settings, stage_run
folder = Path(sys.argv[2])
stage = Ask(AskConfig.build(settings(sys.argv[1], folder, levels=["passage"], concurrency=2)))
out = stage_run(stage, document(), folder / "run")
print(len(out.kept))
"""


def test_killed_and_run_again_it_asks_only_what_it_lacks(tmp_path):
    with chat_server(answer=good_author, delay=0.15) as server:
        words = [sys.executable, "-c", KILLED, server.url, str(tmp_path), str(ROOT / "tests")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(server.requests) < 6 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        stored = sum(1 for path in tmp_path.rglob("ask.jsonl") for _ in path.open())
        before = len(server.requests)
        again = subprocess.run(words, env=environment, capture_output=True, encoding="utf-8", timeout=60)
        assert again.stdout.strip() == "6", again.stderr
        assert 3 <= stored <= before
        assert len(server.requests) - before == 9 - stored  # 3 of the first round, 6 of the second
        (row, *_) = map(json.loads, next(tmp_path.rglob("ask.jsonl")).open())
        assert row["answer"] and row["key"]


def test_a_server_that_dies_half_way_costs_nothing_twice(tmp_path):
    """The questions it answered before are not asked again when it is back."""
    lives = {"left": 4, "dead": False}

    def answer(body):
        lives["left"] -= 1
        if lives["left"] < 0 and not lives["dead"]:
            raise ConnectionError  # the connection is closed without an answer
        return good_author(body)

    with chat_server(answer=answer) as server:
        stage = Ask(AskConfig.build(settings(server.url, tmp_path, levels=["passage"], concurrency=2, max_retries=1)))
        with pytest.raises(EndpointError, match="没有得到回答"):
            stage_run(stage, document(), tmp_path / "run")
        paid = [said(body) for body in server.requests[:4]]
        lives["dead"] = True
        outcome = stage_run(stage, document(), tmp_path / "run")
    assert len(outcome.kept) == 6
    assert all(counted(server)[prompt] == 1 for prompt in paid)
