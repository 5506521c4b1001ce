import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.serving.app import make_app
from cornucopia.serving.keys import Keys, read_keys
from cornucopia.serving.settings import ServeSettings
from running_server import running, until

KEY, OTHER = "secret-key-of-the-first", "secret-key-of-the-second"


@pytest.fixture(scope="module")
def locked(tiny, tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.txt"
    file.write_text(f"# 给研究部\n研究部={KEY}\n\n{OTHER}\n", encoding="utf-8")
    file.chmod(0o600)
    with running(model=[f"m={tiny}"], keys_file=str(file), requests_per_minute=3, max_body_mb=0.01) as served:
        yield served


def test_only_the_health_is_told_without_a_key(locked):
    assert locked.http.get("/health").status_code == 200
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"Authorization": f"Basic {KEY}"}):
        for path in ("/v1/models", "/metrics", "/v1/nope"):
            response = locked.http.get(path, headers=headers)
            assert response.status_code == 401 and response.json()["error"]["code"] == "invalid_api_key"


def test_each_key_has_its_own_rate_and_its_name_in_the_log(locked):
    with_key = {"Authorization": f"Bearer {KEY}"}
    statuses = [locked.http.get("/v1/models", headers=with_key).status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    response = locked.http.get("/v1/models", headers=with_key)
    assert int(response.headers["retry-after"]) >= 1 and response.json()["error"]["code"] == "rate_limit_exceeded"
    assert locked.lines[-1]["key"] == "研究部"
    assert locked.http.get("/v1/models", headers={"Authorization": f"Bearer {OTHER}"}).status_code == 200
    assert KEY not in str(locked.lines) and OTHER not in str(locked.lines)


def test_a_body_that_is_too_large_is_not_read(locked):
    response = locked.post("/v1/chat/completions", {"x": "长" * 9000}, headers={"Authorization": f"Bearer {OTHER}"})
    assert response.status_code == 413


def test_a_key_is_needed_beyond_this_machine(tiny):
    with pytest.raises(ConfigError, match="密钥"):
        make_app(ServeSettings.build({"model": [str(tiny)], "host": "0.0.0.0", "keys_env": "NO_SUCH_KEYS"}))


def test_keys_come_from_the_environment_too(monkeypatch):
    monkeypatch.setenv("SOME_KEYS", f"甲={KEY}, {OTHER}")
    keys = Keys(read_keys(None, "SOME_KEYS"))
    assert keys.name_of(f"Bearer {KEY}") == "甲" and keys.name_of(f"bearer {OTHER}") and keys.name_of("Bearer ") is None


@pytest.mark.parametrize("text", ["short", "甲=short", f"甲={KEY},甲={OTHER}"])
def test_a_key_that_can_be_guessed_or_a_name_given_twice_is_refused(monkeypatch, text):
    monkeypatch.setenv("SOME_KEYS", text)
    with pytest.raises(ConfigError, match="密钥"):
        read_keys(None, "SOME_KEYS")


def test_a_rate_fills_up_again_with_time():
    now = [0.0]
    keys = Keys({}, per_minute=60, clock=lambda: now[0])
    assert [keys.wait("a") for _ in range(60)] == [0.0] * 60
    assert keys.wait("a") == pytest.approx(1.0) and keys.wait("b") == 0
    now[0] = 1.5
    assert keys.wait("a") == 0 and keys.wait("a") == pytest.approx(0.5)


def test_pages_of_other_sites_get_nothing(server):
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert server.http.get("/v1/models", headers=headers).status_code == 403
    own = {"Origin": server.url}
    assert server.http.get("/v1/models", headers=own).status_code == 200


def test_the_log_holds_no_contents_unless_it_is_asked_to(server, tiny):
    server.chat("不该记下的话")
    line = server.lines[-1]
    assert line["model"] == "base" and line["status"] == 200 and line["completion_tokens"] > 0 and line["finish"]
    assert "不该记下的话" not in str(server.lines)
    with running(model=[f"m={tiny}"], log_contents=True) as talkative:
        talkative.chat("该记下的话")
        assert "该记下的话" in str(talkative.lines[-1]) and talkative.lines[-1]["answers"]


@pytest.mark.parametrize(("settings", "said"), [
    ({"model": ["a=x", "a=y"]}, "同名"), ({"model": ["a=x+"]}, "写法有误"),
    ({"model": ["a=x", "b=y"], "adapter": "z"}, "--adapter"),
    ({"models": [{"base": "x", "sampling": {"temprature": 1}}]}, "temperature"), ({"models": [{"bse": "x"}]}, "base"),
])  # fmt: skip
def test_a_wrong_table_of_models_is_told_before_the_server_starts(settings, said):
    with pytest.raises(ConfigError) as told:
        ServeSettings.build(settings).table()
    assert said in str(told.value)


def test_the_log_and_the_counts_tell_the_path_but_none_that_a_caller_made_up(server):
    for ask, path in (
        (lambda: server.chat("你好"), "/v1/chat/completions"),
        (lambda: server.http.get("/v1/models/base"), "/v1/models/{name:path}"),
        (lambda: server.http.get("/made/up"), "other"),
    ):
        count = len(server.lines)
        ask()
        until(lambda count=count: len(server.lines) > count)
        assert server.lines[-1]["path"] == path
    assert server.metric('cornucopia_requests_total{path="/v1/chat/completions",status="200"}') >= 1
    assert server.metric('cornucopia_requests_total{path="/made/up"') == 0
