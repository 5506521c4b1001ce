"""The chat and the columns in a real browser, with models whose answers are written here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cornucopia.inference import open_engine
from cornucopia.inference.engine import Reply
from running_server import running, until
from scripted_engine import Scripted

pytestmark = pytest.mark.browser

EVIL = (
    "<script>window.ran = 1</script> <img src=x onerror='window.ran = 1'> [按我](javascript:window.ran=1) "
    "![图](http://192.0.2.1/x.png)\n\n| 期 | 息 |\n|---|---:|\n| 1 | <b>3%</b> |\n\n"
    "$\\frac{P}{1+r}$ 和 $100 到 $200\n\n```html\n<iframe src='http://192.0.2.1/'></iframe>\n```"
)
SAID = (
    "return [...document.querySelectorAll('.chat .message .bubble, .chat .answer > .markdown')]"
    ".map((n) => n.innerText.trim())"
)
IDLE = "return document.querySelector('.chat .send').title.startsWith('发送')"
BRANCH = "return [...document.querySelectorAll('.branches:not([hidden])')].map((n) => n.textContent)"


class Two(Scripted):
    """Two models: 「恶」 tries to run something, 「比」 gets an answer by each; see Scripted for the rest."""

    seen = ()  # the pictures of the last question

    def __init__(self, base):
        super().__init__()
        self.base, self.turn = base, 0

    def limits(self):
        return replace(super().limits(), images=True)

    def stream(self, record, sampling):
        Two.seen = record.messages[-1].images
        return (yield from super().stream(record, sampling))

    def _said(self, asked):
        self.turn += 1
        if asked.startswith("恶"):
            text = EVIL
        elif asked.startswith("比"):
            text = f"每月还 {'4490' if self.base.endswith('1') else '5361'} 元，期限三十年。"
        elif asked.startswith("数"):
            text = f"第 {self.turn} 次"
        else:
            return (yield from super()._said(asked))
        yield from text
        return Reply("", text, "stop", len(asked), len(text))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    kinds = {
        "scripted": open_engine.Kind(
            lambda spec: spec.base.startswith("scripted"), lambda specs: [Two(spec.base) for spec in specs]
        )
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_engine, "KINDS", kinds)
        state = str(tmp_path_factory.mktemp("page") / "state")
        with running(model=["甲=scripted1", "乙=scripted2"], state=state) as running_server:
            yield running_server


@pytest.fixture
def page(chromium, served):
    for talk in served.http.get("/page/api/talks").json()["talks"]:
        served.http.delete(f"/page/api/talks/{talk['id']}")
    chromium.open(f"{served.url}/")
    chromium.run("localStorage.clear()")
    until(lambda: chromium.run("return document.querySelectorAll('.chat .model option').length") == 2)
    yield chromium
    assert chromium.console() == [], "nothing was blocked, nothing failed"
    elsewhere = "return performance.getEntriesByType('resource').filter((e) => !e.name.startsWith(location.origin))"
    assert chromium.run(elsewhere) == [], "no request leaves the machine"


def say(page, text, tab="chat"):
    page.type(f".{tab} .composer textarea", f"{text}\n")
    until(lambda: page.run(f"return document.querySelector('.{tab} .send').title.startsWith('发送')"))


def test_a_talk_streams_is_kept_and_is_there_after_a_reload(page, served):
    say(page, "字 复利是利滚利")
    assert page.run(SAID) == ["字 复利是利滚利", "复利是利滚利"]
    assert "词元" in page.run("return document.querySelector('.message .facts').textContent")
    say(page, "想")
    assert page.run("return document.querySelector('.message.last .thought').open") is False
    assert page.run("return document.querySelector('.message.last .thought .markdown').textContent") == "想一想"
    say(page, "工具")
    assert "calc" in page.run("return document.querySelector('.message.last .call summary').textContent")
    shown = page.run(SAID)
    until(lambda: served.http.get("/page/api/talks?whole=1").json()["talks"][0]["messages"][-1]["finish"])
    page.open(page.run("return location.href"))
    until(lambda: page.run(SAID) == shown)
    assert page.run("return document.querySelector('.talk-item.here a').textContent") == "字 复利是利滚利"
    page.type(".history input", "没有这样的话")
    until(lambda: "没有找到" in page.run("return document.querySelector('.talks').textContent"))


def test_an_answer_is_stopped_and_what_was_written_stays(page, served):
    page.type(".chat .composer textarea", "慢\n")
    until(lambda: page.run(SAID)[-1].startswith("慢慢慢"))
    saved = lambda: served.http.get("/page/api/talks?whole=1").json()["talks"][0]["messages"]  # noqa: E731
    assert saved()[0]["content"] == "慢"  # the question is kept before its answer begins
    until(lambda: "慢慢" in saved()[-1]["content"])  # and the answer while it is written
    page.type(".chat .composer textarea", "\ue00c")  # Escape
    until(lambda: page.run(IDLE))
    until(lambda: saved()[-1]["finish"] == "stopped")
    assert "已停止" in page.run("return document.querySelector('.message.last .facts').textContent")
    page.type(".chat .composer textarea", "坏\n")
    until(lambda: page.run("return document.querySelector('.message.last .failed')?.hidden === false"))
    until(lambda: page.run(IDLE))
    assert ["500" in line["message"] for line in page.console()] == [True]  # the model's own failure, told in its place
    page.click(".fresh")
    say(page, "字 又好了")
    assert page.run(SAID) == ["字 又好了", "又好了"]


def test_answers_and_questions_branch(page):
    say(page, "数一")
    page.click(".message.last [title=重新回答]")
    until(lambda: page.run(BRANCH) == ["2/2"] and page.run(IDLE))
    second = page.run(SAID)[-1]
    page.click(".message.last [title=上一个分支]")
    first = page.run(SAID)[-1]
    assert page.run(BRANCH) == ["1/2"] and first != second
    say(page, "字 接着第一个")
    page.run("document.querySelector('.message.user [title=改写后重问]').click()")
    page.run("document.querySelector('.editing').value = '字 改写过'")
    page.click(".edit .primary")
    until(lambda: page.run(SAID) == ["字 改写过", "改写过"])
    page.open(page.run("return location.href"))
    until(lambda: page.run(SAID) == ["字 改写过", "改写过"])
    page.run("document.querySelector('.message.user [title=上一个分支]').click()")
    until(lambda: page.run(SAID) == ["数一", first, "字 接着第一个", "接着第一个"])


def test_what_a_model_writes_never_runs_and_is_never_fetched(page):
    say(page, "恶")
    assert page.run("return window.ran") is None
    assert page.run("return document.querySelectorAll('.chat .answer :is(script, img, iframe, b)').length") == 0
    text = page.run("return document.querySelector('.chat .answer').innerText")
    assert "<script>window.ran = 1</script>" in text and "<iframe" in text and "$100 到 $200" in text
    assert page.run("return document.querySelector('.chat .answer a').href") == "http://192.0.2.1/x.png"
    assert page.run("return document.querySelectorAll('.chat .answer math mfrac').length") == 1
    assert page.run("return document.querySelector('.chat .answer td.right').textContent") == "<b>3%</b>"
    page.run("const s = document.createElement('script'); s.textContent = 'window.ran = 2'; document.body.append(s)")
    assert page.run("return window.ran") is None
    assert [line for line in page.console() if "Content Security Policy" not in line["message"]] == []


def test_a_picture_is_shrunk_and_shown_to_a_model_that_sees(page):
    say(page, "字 载入")  # what a model sees is known once it is loaded
    until(lambda: page.run("return !document.querySelector('.chat .picture').hidden"))
    page.run(
        "const canvas = document.createElement('canvas'); canvas.width = 3000; canvas.height = 1000;"
        "canvas.getContext('2d').fillRect(0, 0, 9, 9); canvas.toBlob((blob) => {"
        "  const given = new DataTransfer(); given.items.add(new File([blob], 'x.png', {type: 'image/png'}));"
        "  const file = document.querySelector('.chat .composer input[type=file]'); file.files = given.files;"
        "  file.dispatchEvent(new Event('change')); })"
    )
    until(lambda: page.run("return document.querySelectorAll('.chat .composer .images img').length") == 1)
    say(page, "字 看")
    assert page.run("return document.querySelector('.message.user .images img').naturalWidth") == 1536
    assert [picture[:23] for picture in Two.seen] == ["data:image/jpeg;base64,"]


def test_talks_go_out_as_json_and_come_in_again(page, served):
    say(page, "字 存起来")
    page.run(
        "window.saved = []; HTMLAnchorElement.prototype.click = () => {};"
        "URL.createObjectURL = (blob) => { blob.text().then((text) => saved.push(text)); return 'blob:x' }"
    )
    until(lambda: served.http.get("/page/api/talks?whole=1").json()["talks"][0]["messages"][-1]["finish"] == "stop")
    page.click(".chat [title=导出这个对话]")
    until(lambda: page.run("return saved.length"))
    (talk,) = json.loads(page.run("return saved[0]"))["talks"]
    address = f"/page/api/talks/{talk['id']}"
    kept = served.http.get(address).json()["messages"]
    served.http.delete(address)
    page.run(
        "const given = new DataTransfer(); given.items.add(new File([saved[0]], 'x.json'));"
        "const file = document.querySelector('.history input[type=file]'); file.files = given.files;"
        "file.dispatchEvent(new Event('change'))"
    )
    until(lambda: served.http.get("/page/api/talks").json()["talks"])
    assert served.http.get(address).json()["messages"] == kept


def test_columns_write_together_and_what_differs_is_marked(page):
    page.run("location.hash = '#columns'")
    until(lambda: page.run("return document.querySelectorAll('.column-head').length") == 2)
    say(page, "比一比", "columns")
    cells = "return [...document.querySelectorAll('.columns .cell .answer')].map((n) => n.innerText.trim())"
    assert page.run(cells) == ["每月还 4490 元，期限三十年。", "每月还 5361 元，期限三十年。"]
    marked = (
        "return [...CSS.highlights.get(arguments[0])]"
        ".map((range) => range.startContainer.data.slice(range.startOffset, range.endOffset))"
    )
    assert page.run(marked, "differs") == page.run(marked, "differs-number") == ["4490", "5361"]
    page.run("document.querySelector('.columns .check input').click()")
    assert page.run(marked, "differs") == []
    page.click(".columns [title=加一列]")
    page.type(".columns .composer textarea", "慢\n")
    slow = (
        "return [...document.querySelectorAll('.columns .row:last-child .answer')]"
        ".filter((n) => n.innerText.includes('慢慢')).length"
    )
    until(lambda: page.run(slow) == 3)
    page.click(".columns .send")
    until(lambda: page.run("return document.querySelector('.columns .send').title.startsWith('发送')"))
    page.resize(390, 800)
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
    page.resize(1440, 1000)
