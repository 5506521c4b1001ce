import threading

from cornucopia.inference import open_engine
from cornucopia.serving.settings import ServeSettings
from running_server import running, until
from scripted_engine import Scripted


def test_a_model_is_let_go_for_another_but_not_while_it_answers(monkeypatch):
    """Room for one: each is loaded when it is asked for, and one at work is waited for."""
    from cornucopia.serving import shelf

    monkeypatch.setattr(shelf, "_size", lambda model: 100.0)
    engines = {}

    def open_(specs):
        engines[specs[0].base] = Scripted()
        return [engines[specs[0].base]]

    kinds = {"scripted": open_engine.Kind(lambda spec: True, open_)}
    monkeypatch.setattr(open_engine, "KINDS", kinds)
    with running(model=["a=x", "b=y"], memory_gb=150e-9) as served:
        assert served.chat("字 一", model="a").status_code == 200
        assert served.chat("字 二", model="b").status_code == 200
        assert [served.metric(f'cornucopia_loaded{{model="{name}"}}') for name in "ab"] == [0, 1]
        body = {"model": "b", "messages": [{"role": "user", "content": "慢"}], "stream": True}
        with served.http.stream("POST", "/v1/chat/completions", json=body) as slow:
            lines = slow.iter_lines()
            next(lines)
            other = []
            thread = threading.Thread(target=lambda: other.append(served.chat("字 三", model="a")))
            thread.start()
            until(lambda: served.http.get("/health").status_code == 200)
            assert thread.is_alive() and served.metric('cornucopia_loaded{model="b"}') == 1
        thread.join(20)
        assert other[0].status_code == 200
        assert [served.metric(f'cornucopia_loaded{{model="{name}"}}') for name in "ab"] == [1, 0]


def test_a_model_that_cannot_be_loaded_is_told_without_its_path_and_harms_no_other(tiny, tmp_path):
    with running(model=[f"good={tiny}", f"bad={tmp_path / 'nowhere'}"]) as served:
        response = served.chat(model="bad")
        assert response.status_code == 503 and response.headers["retry-after"]
        assert response.json()["error"]["code"] == "model_not_loaded" and str(tmp_path) not in response.text
        assert served.chat(model="good").status_code == 200


def test_adapters_of_one_base_are_one_group(tiny, adapter):
    from cornucopia.serving.shelf import Shelf

    table = ServeSettings.build({"model": [f"a={tiny}", f"b={tiny}+{adapter}", "c=https://x/v1#m"]}).table()
    groups = Shelf(table, memory_gb=1)._groups
    assert groups["a"] is groups["b"] is not groups["c"] and groups["a"].size > 0 and groups["c"].size == 0
