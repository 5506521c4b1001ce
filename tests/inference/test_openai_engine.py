"""The endpoint engine against a server on 127.0.0.1: answers, refusals, retries, pace, secrets."""

from __future__ import annotations

import json
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.core.errors import ConfigError, EndpointError
from cornucopia.inference import pace
from cornucopia.inference.engine import Request, Sampling
from cornucopia.inference.event_stream import events
from cornucopia.inference.openai_engine import OpenAIEngine
from cornucopia.inference.pace import retry_after, wait_seconds
from cornucopia.inference.providers import LOCAL, PROVIDERS, check_key, find_provider, parameters, redact
from cornucopia.inference.refusal import message_of
from cornucopia.inference.text import Thought
from cornucopia.records.schema import Message, Passage, Record
from servers import chat_server

KEY = "sk-secret-1234567890"
BUSY = (429, {}, {"error": {"message": "too fast"}})


def ask(text: str, material: str = "") -> Record:
    return Record((Message("user", text),), passages=(Passage(material),) if material else ())


def answers(engine: OpenAIEngine, count: int = 1, **sampling) -> dict:
    requests = [Request(str(number), ask(f"问{number}")) for number in range(count)]
    return {reply.id: reply for reply in engine.generate(requests, Sampling(**sampling))}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(pace, "FIRST_WAIT", 0.02)


def test_answer_usage_and_what_is_sent():
    with chat_server() as server:
        engine = OpenAIEngine(server.url, "m")
        record = Record((Message("system", "守规矩"), Message("user", "看材料")), passages=(Passage("利率3.5%"),))
        sampling = Sampling(max_new_tokens=9, temperature=0.5, top_p=0.9, top_k=5, stop=["停"], seed=7, num_beams=4)
        [reply] = engine.generate([Request("a", record)], sampling)
    assert reply.answer == "答：看材料\n\n材料：\n利率3.5%" and reply.finish_reason == "stop"
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, len(reply.answer)) and reply.seconds > 0
    assert server.requests[0] == {
        "model": "m",
        "messages": [{"role": "system", "content": "守规矩"}, {"role": "user", "content": reply.answer[2:]}],
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 9, "stop": ["停"], "seed": 7, "top_k": 5,
    }  # fmt: skip
    assert not engine.limits().scores


def test_unset_sampling_is_left_to_the_server():
    with chat_server(finish="length") as server:
        assert answers(OpenAIEngine(server.url, "m"))["0"].finish_reason == "length"
    assert set(server.requests[0]) == {"model", "messages", "seed"}


def test_the_openai_client_and_our_engine_get_the_same_answer(monkeypatch):
    openai = pytest.importorskip("openai")
    monkeypatch.setenv("MY_KEY", KEY)
    with chat_server(key=KEY) as server:
        client = openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0)
        messages = [{"role": "user", "content": "问0"}]
        theirs = client.chat.completions.create(model="m", messages=messages, seed=42)
        chunks = client.chat.completions.create(model="m", messages=messages, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        engine = OpenAIEngine(server.url, "m", key_env="MY_KEY")
        ours = answers(engine)["0"]
        assert (
            ours.answer
            == theirs.choices[0].message.content
            == streamed
            == "".join(engine.stream(ask("问0"), Sampling()))
        )
        assert ours.completion_tokens == theirs.usage.completion_tokens
    assert server.requests[0]["messages"] == server.requests[2]["messages"]


def test_many_at_once_and_each_answered_once():
    with chat_server(delay=0.03) as server:
        found = answers(OpenAIEngine(server.url, "m", concurrency=4), 12)
    assert {key: reply.answer for key, reply in found.items()} == {str(n): f"答：问{n}" for n in range(12)}
    assert 2 <= server.most_running <= 4


@pytest.mark.parametrize("trouble", [
    BUSY, (500, {}, "oops"), (503, {}, "<html>"), (408, {}, ""), "cut", "hang",
])  # fmt: skip
def test_trouble_that_passes_is_tried_again(trouble):
    with chat_server(script=[trouble, trouble]) as server:
        assert answers(OpenAIEngine(server.url, "m", timeout=0.3))["0"].answer == "答：问0"
    assert len(server.requests) == 3


def test_retry_after_is_obeyed():
    with chat_server(script=[(429, {"Retry-After": "0.4"}, {"error": {"message": "slow down"}})]) as server:
        assert answers(OpenAIEngine(server.url, "m"))["0"].answer
    assert server.times[1] - server.times[0] >= 0.4


def test_trouble_that_stays_is_an_error_after_the_retries():
    with chat_server(script=[BUSY] * 3) as server:
        reply = answers(OpenAIEngine(server.url, "m", max_retries=2))["0"]
    assert reply.finish_reason == "error" and "429" in reply.error and "too fast" in reply.error
    assert "requests_per_minute" in reply.error and len(server.requests) == 3


@pytest.mark.parametrize(("status", "hint"), [(401, "MY_KEY"), (404, "/v1"), (403, "权限"), (402, "充值")])
def test_a_hopeless_refusal_is_asked_once_and_explained(monkeypatch, status, hint):
    monkeypatch.setenv("MY_KEY", KEY)
    with chat_server(script=[(status, {}, {"error": {"message": f"no permission: Bearer {KEY}"}})] * 9) as server:
        found = answers(OpenAIEngine(server.url, "m", key_env="MY_KEY", concurrency=1), 5)
    assert all(hint in reply.error and KEY not in reply.error for reply in found.values()) and len(found) == 5
    assert len(server.requests) == 1


def test_a_bad_request_fails_alone():
    with chat_server(script=[(400, {}, {"error": {"message": "temperature out of range"}})]) as server:
        found = answers(OpenAIEngine(server.url, "m", concurrency=1), 3)
    assert sorted(bool(reply.error) for reply in found.values()) == [False, False, True] and len(server.requests) == 3


def test_a_spent_quota_is_not_tried_again():
    with chat_server(script=[(429, {}, {"error": {"message": "pay", "code": "insufficient_quota"}})]) as server:
        assert "pay" in answers(OpenAIEngine(server.url, "m"))["0"].error
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", ["not json", "[]", "{}", '{"choices": []}', '{"choices": [3]}', '{"code": 10007, "message": "忙"}']
)
def test_a_success_that_is_no_completion_is_an_error(body):
    with chat_server(script=[(200, {}, body)] * 9) as server:
        reply = answers(OpenAIEngine(server.url, "m"))["0"]
    assert reply.finish_reason == "error" and "chat/completions" in reply.error and len(server.requests) == 3
    with chat_server(script=[(200, {}, body)]) as server:
        assert answers(OpenAIEngine(server.url, "m"))["0"].answer == "答：问0"


def test_empty_content_and_filters():
    silent = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}
    barred = {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}
    spoken = {**silent, "usage": {"prompt_tokens": 5, "completion_tokens": 1}}  # the model chose to say nothing
    with chat_server(script=[(200, {}, spoken), (200, {}, barred), *[(200, {}, silent)] * 3]) as server:
        found = answers(OpenAIEngine(server.url, "m", concurrency=1), 3)
    assert found["0"].answer == "" and not found["0"].error and "审核" in found["1"].error
    assert "空的回答" in found["2"].error and len(server.requests) == 5


def test_thinking_is_kept_apart_from_the_answer():
    def replied(**message):
        return (200, {}, {"choices": [{"message": message, "finish_reason": "stop"}]})

    script = [
        replied(content="能退", reasoning_content=" 犹豫期 "),
        replied(content="能退", reasoning="犹豫期"),
        replied(content="<think>\n犹豫期\n</think>\n\n能退"),
    ]
    with chat_server(script=script) as server:
        found = answers(OpenAIEngine(server.url, "m", concurrency=1), 3)
    assert {(reply.reasoning, reply.answer) for reply in found.values()} == {("犹豫期", "能退")}


@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning_content": "犹豫"}, {"reasoning_content": "期"}, {"content": "能"}, {"content": "退"}],
        [{"content": part} for part in ("<thi", "nk>犹豫期</thi", "nk>\n\n能", "退")],
    ],
)
def test_thinking_is_streamed_apart_from_the_answer(deltas):
    stream = "".join(f"data: {json.dumps({'choices': [{'delta': delta}]})}\n\n" for delta in deltas)
    with chat_server(script=[(200, {}, stream)]) as server:
        shown = list(OpenAIEngine(server.url, "m").stream(ask("问"), Sampling()))
    assert "".join(piece for piece in shown if isinstance(piece, Thought)) == "犹豫期"
    assert "".join(piece for piece in shown if not isinstance(piece, Thought)) == "能退"


def test_requests_per_minute_spreads_the_starts():
    with chat_server() as server:
        answers(OpenAIEngine(server.url, "m", requests_per_minute=600, concurrency=4), 4)
    gaps = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    assert server.times[-1] - server.times[0] >= 0.27 and min(gaps) > 0.05


def test_leaving_early_stops_the_workers():
    with chat_server(delay=0.05) as server:
        replies = OpenAIEngine(server.url, "m", concurrency=1).generate(
            [Request(str(n), ask("问")) for n in range(50)], Sampling()
        )
        next(replies)
        replies.close()
        time.sleep(0.2)
        asked = len(server.requests)
        time.sleep(0.2)
        assert asked <= 4 and len(server.requests) == asked


def test_a_missing_key_says_which_variable(monkeypatch):
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    with pytest.raises(EndpointError, match="DEEPSEEK_API_KEY"):
        OpenAIEngine("https://api.deepseek.com", "deepseek-chat")


def test_a_key_goes_only_to_its_own_host(monkeypatch):
    for provider in PROVIDERS:
        monkeypatch.setenv(provider.key_env, KEY)
    with chat_server() as server:
        answers(OpenAIEngine(server.url, "m"))
    assert server.keys == [""]
    assert find_provider("https://api.openai.com.evil.example/v1") is LOCAL
    assert all(find_provider(provider.url) is provider for provider in PROVIDERS)


def test_parameters_fit_the_service():
    wanted = Sampling(do_sample=False, max_new_tokens=5, top_k=3, repetition_penalty=1.1)
    by_name = {provider.name[:2]: parameters(wanted, provider) for provider in PROVIDERS}
    assert by_name["Op"] == {"temperature": 0.0, "max_completion_tokens": 5, "seed": 42}
    assert by_name["讯飞"] == {"temperature": 0.01, "max_tokens": 5}
    assert by_name["通义"]["top_k"] == 3


def test_a_stream_that_reports_an_error():
    with (
        chat_server(script=[(200, {}, 'data: {"error": {"message": "炸了"}}\n\n')]) as server,
        pytest.raises(EndpointError, match="炸了"),
    ):
        list(OpenAIEngine(server.url, "m").stream(ask("问"), Sampling()))


def test_waits_grow_and_are_bounded():
    assert all(0 < wait_seconds(attempt, None) <= pace.LONGEST_WAIT for attempt in range(30))
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@given(st.one_of(st.none(), st.text(), st.floats().map(str), st.integers().map(str)))
def test_any_retry_after_is_read_or_passed_over(value):
    seconds = retry_after(value)
    assert seconds is None or 0 <= seconds < float("inf")


@given(st.lists(st.text()))
def test_any_event_stream_is_read(lines):
    assert all(isinstance(event, dict) for event in events(iter(["data:" + line for line in lines])))


@given(
    st.one_of(
        st.text(),
        st.recursive(st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)),
    )
)
def test_any_error_body_gives_a_short_message(body):
    assert len(message_of(body)) <= 300


@settings(max_examples=50)
@given(st.text(), st.text("abcdefgh0123", min_size=8), st.text())
def test_a_key_never_survives_redaction(before, key, after):
    assert key not in redact(f"{before}{key}{after}", key).replace("***", "")


def test_threads_do_not_pile_up():
    before = threading.active_count()
    with chat_server() as server:
        answers(OpenAIEngine(server.url, "m", concurrency=8), 20)
    time.sleep(0.1)
    assert threading.active_count() <= before + 1


def flagged(text):
    return (403, {}, {"error": {"code": 403, "message": "blocked", "metadata": {"flagged_input": text}}})


@pytest.mark.parametrize("refusal", [flagged("问"), (451, {}, "no"), (403, {}, "<html>拦截</html>")])
def test_one_refused_prompt_stops_no_other(refusal):
    with chat_server(script=[None, refusal]) as server:
        found = answers(OpenAIEngine(server.url, "m", concurrency=1), 5)
    assert [bool(reply.error) for _, reply in sorted(found.items())] == [False, True, False, False, False]
    assert len(server.requests) == 5


def test_a_server_error_is_told_as_one_with_its_tries():
    with chat_server(script=[(500, {}, "boom")] * 3) as server:
        error = answers(OpenAIEngine(server.url, "m", max_retries=2))["0"].error
    assert "服务器出错" in error and "试了 3 次" in error and "拒绝" not in error


def test_a_service_that_nobody_reaches_is_not_asked_for_every_question():
    begun = time.monotonic()
    found = answers(OpenAIEngine("http://127.0.0.1:9/v1", "m", max_retries=1, concurrency=2), 40)
    assert len(found) == 40 and all("连不上" in reply.error for reply in found.values())
    assert time.monotonic() - begun < 5


def test_waiting_has_an_end_and_is_told(monkeypatch, capsys):
    monkeypatch.setattr(pace, "TELL_AFTER", 0.2)
    with chat_server(script=["hang"] * 9) as server:
        begun = time.monotonic()
        error = answers(OpenAIEngine(server.url, "m", timeout=0.25, max_retries=20))["0"].error
    assert "超时" in error and time.monotonic() - begun < 2 and len(server.requests) <= 4
    assert "还在等 http://127.0.0.1" in capsys.readouterr().err


def test_a_service_that_drips_for_ever_is_given_up(monkeypatch):
    with chat_server(drip=0.05) as server:
        begun = time.monotonic()
        error = answers(OpenAIEngine(server.url, "m", timeout=0.2, max_retries=0))["0"].error
    assert "超时" in error and time.monotonic() - begun < 2


def test_a_long_retry_after_is_not_slept_through():
    with chat_server(script=[(429, {"Retry-After": "3600"}, {"error": {"message": "later"}})]) as server:
        begun = time.monotonic()
        error = answers(OpenAIEngine(server.url, "m", timeout=1))["0"].error
    assert "later" in error and time.monotonic() - begun < 2


@pytest.mark.parametrize("stop", ["\n", " ", ",", "利率"])
def test_a_stop_text_ends_the_answer_even_where_the_service_does_not_know_it(stop):
    text = f"年化{stop}3.5%"
    with chat_server(answer=lambda body: text) as server:
        engine = OpenAIEngine(server.url, "m")
        [reply] = engine.generate([Request("a", ask("问"))], Sampling(stop=[stop]))
        pieces = engine.stream(ask("问"), Sampling(stop=[stop]))
        shown = "".join(pieces)
    assert (reply.answer, reply.finish_reason, shown) == ("年化", "stop", "年化")


def test_half_a_character_in_the_question_is_asked_all_the_same():
    with chat_server() as server:
        assert answers(OpenAIEngine(server.url, "m"))["0"].answer
        [reply] = OpenAIEngine(server.url, "m").generate([Request("a", ask("半个\ud83d"))], Sampling())
    assert reply.answer == "答：半个\ufffd"


def test_a_stream_returns_the_whole_reply_with_a_stray_thought_told_apart():
    stream = "".join(
        f"data: {json.dumps({'choices': [{'delta': {'content': part}}]})}\n\n"
        for part in ("先想", "\n</thi", "nk>\n能退")
    )
    with chat_server(script=[(200, {}, stream)]) as server:
        pieces = OpenAIEngine(server.url, "m").stream(ask("问"), Sampling())
        shown = []
        try:
            while True:
                shown.append(next(pieces))
        except StopIteration as end:
            reply = end.value
    assert "</think>" not in "".join(shown) and (reply.reasoning, reply.answer) == ("先想", "能退")


@pytest.mark.parametrize("body", ["", "<html>登录</html>", '{"choices": []}'])
def test_a_stream_that_is_none_is_an_error(body):
    with chat_server(script=[(200, {}, body)]) as server, pytest.raises(EndpointError, match="chat/completions"):
        list(OpenAIEngine(server.url, "m").stream(ask("问"), Sampling()))


def test_a_whole_answer_instead_of_a_stream_is_shown():
    whole = {"choices": [{"message": {"content": "能退"}, "finish_reason": "stop"}]}
    with chat_server(script=[(200, {}, whole)]) as server:
        assert "".join(OpenAIEngine(server.url, "m").stream(ask("问"), Sampling())) == "能退"


def test_tools_and_pictures_are_sent_and_calls_come_back():
    from cornucopia.records.schema import ToolCall

    tool = {"type": "function", "function": {"name": "贷款"}}
    call = ToolCall("贷款", "{}", "c1")
    turns = (Message("user", "<image>看", images=("data:x",)), Message("assistant", "", tool_calls=(call,)),
             Message("tool", "12", tool_call_id="c1"))  # fmt: skip
    wanted = {"id": "c2", "type": "function", "function": {"name": "贷款", "arguments": "{}"}}
    replied = {"choices": [{"message": {"content": None, "tool_calls": [wanted]}, "finish_reason": "tool_calls"}]}
    with chat_server(script=[(200, {}, replied)]) as server:
        [reply] = OpenAIEngine(server.url, "m").generate([Request("a", Record(turns, tools=(tool,)))], Sampling())
    assert reply.tool_calls == (ToolCall("贷款", "{}", "c2"),) and reply.finish_reason == "tool_calls"
    sent = server.requests[0]
    assert sent["tools"] == [tool] and sent["messages"][0]["content"][0]["image_url"] == {"url": "data:x"}
    assert sent["messages"][1]["tool_calls"][0]["id"] == sent["messages"][2]["tool_call_id"] == "c1"


@pytest.mark.parametrize(("endpoint", "key_env", "allowed", "good"), [
    ("https://api.deepseek.com", None, (), True), ("https://api.deepseek.com", "DEEPSEEK_API_KEY", (), True),
    ("https://evil.example/v1", "DEEPSEEK_API_KEY", (), False), ("https://evil.example/v1", "HOME", (), False),
    ("https://evil.example/v1", None, (), True), ("http://10.0.0.5:8000/v1", None, (), True),
    ("http://127.0.0.1:8000/v1", "MY", (), False), ("http://127.0.0.1:8000/v1", "MY", ["MY=127.0.0.1"], True),
    ("https://a.example/v1", "MY", ["MY=a.example"], True), ("https://a.example/v1", "MY", ["MY=b.example"], False),
    ("https://a.example/v1", "MY", ["OTHER=a.example"], False), ("https://a.example/v1", "MY", ["MY"], False),
    ("https://a.example:8443/v1", "MY", ["MY=a.example:443"], False),
    ("http://a.example/v1", "MY", ["MY=a.example"], False),
    ("http://a.example/v1", "MY", ["MY=http://a.example"], True), ("http://api.deepseek.com", None, (), False),
    ("https://api.deepseek.com.evil.example", "DEEPSEEK_API_KEY", (), False),
    ("https://api.deepseek.com@evil.example/v1", "DEEPSEEK_API_KEY", (), False),
])  # fmt: skip
def test_a_variable_goes_only_where_it_is_registered_or_the_user_says(endpoint, key_env, allowed, good):
    if good:
        check_key(endpoint, key_env, allowed)
    else:
        with pytest.raises(ConfigError, match="allow-key"):
            check_key(endpoint, key_env, allowed)
