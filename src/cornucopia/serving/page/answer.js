// One answer as it is shown: thoughts folded, text, tool calls, how it ended and how fast it was written.
import { codeBlock } from "./code.js";
import { el } from "./element.js";
import { showMarkdown } from "./markdown.js";

const PAUSE = 80; // milliseconds between two paintings of an answer that grows
const ENDS = { length: "到了长度上限", stopped: "已停止", cut: "没有写完就断了", tool_calls: "要用工具", content_filter: "被接口拦下" };

/** Where an answer of `ask` is shown: `root`, and `show(answer)`, which may be called for every piece. */
export function answerView() {
  const thought = el("div", { class: "markdown" }), thinking = el("summary", {}, "思考");
  const folded = el("details", { class: "thought", hidden: true }, thinking, thought);
  const text = el("div", { class: "markdown", lang: "zh-CN" }), calls = el("div", { class: "calls" });
  const foot = el("span", { class: "facts" }), failed = el("p", { class: "failed", hidden: true });
  const root = el("div", { class: "answer" }, folded, text, calls, failed);
  let latest = null, timer = 0;

  function paint() {
    timer = 0;
    const answer = latest, over = Boolean(answer.finish);
    root.classList.toggle("writing", !over);
    root.classList.toggle("waiting", !over && !answer.content && !answer.reasoning);
    root.dataset.waiting = answer.loading ? "模型正在载入…" : "● ● ●";
    folded.hidden = !answer.reasoning;
    if (over && !answer.content && !answer.calls.length) folded.open = true; // all there is
    thinking.textContent = !over && !answer.content ? "正在思考…" : `思考（${answer.reasoning.length} 字）`;
    showMarkdown(thought, answer.reasoning);
    showMarkdown(text, answer.content);
    if (calls.childElementCount !== answer.calls.length || over) calls.replaceChildren(...answer.calls.map(callOf));
    failed.hidden = !answer.error;
    failed.textContent = answer.error;
    foot.textContent = over ? factsOf(answer) : "";
    root.dispatchEvent(new CustomEvent("painted", { bubbles: true }));
  }

  return {
    root,
    foot,
    show(answer) {
      latest = answer;
      if (answer.finish) clearTimeout(timer), paint();
      else timer ||= setTimeout(paint, PAUSE);
    },
  };
}

/** How an answer ended and how fast it was: 「到了长度上限 · 128 词元 · 32.1 词元/秒 · 首字 0.4 秒」 */
export function factsOf(answer) {
  const writing = answer.seconds - answer.first, rate = answer.tokens > 1 && writing > 0 ? (answer.tokens - 1) / writing : 0;
  return [
    ENDS[answer.finish],
    answer.tokens ? `${answer.tokens} 词元` : "",
    rate ? `${rate < 100 ? rate.toFixed(1) : Math.round(rate)} 词元/秒` : "",
    answer.first ? `首字 ${answer.first.toFixed(answer.first < 10 ? 2 : 0)} 秒` : "",
  ].filter(Boolean).join(" · ");
}

function callOf(call) {
  let text = call.arguments;
  try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* cut off, or never JSON: as it was written */ }
  return el("details", { class: "call" }, el("summary", {}, "调用工具 ", el("code", {}, call.name)), codeBlock(text, "json"));
}
