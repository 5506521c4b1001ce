"""The board in a real browser: a file is dropped in, a run started from the form, watched over a reload, and ends."""

from __future__ import annotations

import json
import time

from running_server import running

VALUES = {
    "max_steps": 8, "batch_size": 2, "val_set_size": 4, "learning_rate": 0.002, "logging_steps": 1, "eval_steps": 4,
}  # fmt: skip
DROP = """
const held = new DataTransfer();
held.items.add(new File([arguments[0]], "问答.jsonl"));
const dropped = new DragEvent("drop", {dataTransfer: held, bubbles: true, cancelable: true});
document.querySelector(".drop").dispatchEvent(dropped);
"""
SET = """
const control = document.querySelector(`[name=${arguments[0]}]`);
control.value = arguments[1];
control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input", {bubbles: true}));
"""
PRESS = "[...document.querySelectorAll('.board button')].find((one) => one.textContent === arguments[0]).click()"


def wait(chromium, script, seconds=240):
    end = time.monotonic() + seconds
    while not (found := chromium.run(f"return {script}")):
        assert time.monotonic() < end, (script, chromium.run("return document.querySelector('.board').innerText"))
        time.sleep(0.2)
    return found


def test_a_run_is_started_from_the_form_and_watched_to_its_end(chromium, tmp_path):
    rows = [{"instruction": f"第{i}问：怎么退保", "output": "犹豫期内可以全额退保。"} for i in range(16)]
    text = (
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) + '{"instruction": "<script>1</script>"}\n'
    )
    with running(model=["nano"], state=str(tmp_path / "state"), runs=str(tmp_path / "runs")) as served:
        chromium.open(f"{served.url}/#board/new")
        wait(chromium, "document.querySelector('.drop')")
        chromium.run(DROP, text)
        assert "没有答案" in wait(chromium, "document.querySelector('.bads')?.innerText")
        for name, value in {"template": "fin_template", "compile": "off", **VALUES}.items():
            chromium.run(SET, name, str(value))
        assert "--max-steps 8" in wait(
            chromium, "document.querySelector('.command pre')?.innerText.match(/.*max-steps.*/)?.[0]"
        )
        chromium.run(PRESS, "预览数据")
        assert wait(chromium, "document.querySelector('.record mark')?.innerText").startswith("犹豫期内")
        chromium.run(PRESS, "开始训练")
        wait(chromium, "document.querySelector('.now.preparing, .now.running, .now.done')")
        chromium.open(chromium.run("return location.href"))  # a refresh: the run is its own process
        wait(chromium, "document.querySelector('.now.done')")
        assert (
            chromium.run("return document.querySelectorAll('.plot .line').length") >= 4
        )  # loss, validation, rate, norm
        assert "8 / 8" in chromium.run("return document.querySelector('.facts').innerText")
        chromium.run("document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))")
        told = chromium.run("return document.querySelector('.tip').innerText")
        assert "第 8 步" in told and "训练" in told and "验证" in told
        assert "max_steps: 8" in chromium.run("return document.querySelector('.more').textContent")
        chromium.run(PRESS, "照这个再练")
        assert wait(chromium, "document.querySelector('[name=max_steps]')?.value") == "8"
        errors = [line for line in chromium.console() if line["level"] == "SEVERE"]
        assert not errors, errors
