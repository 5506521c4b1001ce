// One run in full: how far it is, its curves (with those of others beside them), what it says, and what can be done.
import { nameOf, progress } from "./board.js";
import { chart, short } from "./chart.js";

/** Charts beside the loss: title -> the curves in it. */
const OTHERS = {
  学习率: ["learning_rate"], 梯度的范数: ["grad_norm"], "词元 / 秒": ["tokens_per_second"], 奖励: ["rollout_reward"],
  验证判对: ["eval_accuracy"], 数值全对: ["eval_number_accuracy"],
};

/** options: `again(name)` fills the form as for this run; `changed()` looks at all runs anew. */
export function runView(shell, { again, changed }) {
  const { el } = shell;
  const name = el("h2"), chip = el("span", { class: "chip" }), acts = el("div", { class: "acts" }), body = el("div");
  const head = el("div", { class: "card now" }, el("div", { class: "row" }, name, chip, acts), body);
  const more = el("div", { class: "more" }), tail = el("pre", { class: "log" });
  const loss = chart(el, { label: "损失曲线", height: 300 });
  const logarithm = el("input", { type: "checkbox", onchange: () => drawCharts() });
  const legend = el("div", { class: "legend" });
  const small = new Map(Object.keys(OTHERS).map((title) => [title, chart(el, { label: title, height: 150 })]));
  const smalls = [...small].map(([title, one]) => el("div", { class: "card" }, el("h3", {}, title), one.node));
  const node = el("div", { class: "watch" }, head,
    el("div", { class: "card" }, el("div", { class: "row" }, el("h3", {}, "损失"), legend, el("label", { class: "check" }, logarithm, "对数")), loss.node),
    el("div", { class: "smalls" }, smalls), more);
  let drawn = [], before = "", could = "";

  function draw(runs) {
    drawn = runs;
    if (!runs.length) return;
    const run = runs[0].full;
    drawHead(run);
    drawCharts();
    const mark = JSON.stringify([run.name, run.said.tables, run.said.lines.length > 0, run.recipe, run.command, run.reports]);
    if (mark !== before) drawMore(run); // else what somebody marks or copies would be taken from under the hand
    before = mark;
    const said = run.said.lines.slice(-60).join("\n");
    if (tail.textContent !== said) {
      tail.textContent = said;
      tail.scrollTop = tail.scrollHeight;
    }
  }

  function drawHead(run) {
    const facts = [
      ["步", run.steps ? `${run.step} / ${run.steps}` : String(run.step)], ["轮", run.epoch && short(run.epoch)],
      ["还要", run.seconds_left !== null && span(run.seconds_left)], ["用时", run.seconds && span(run.seconds)],
      ["每步", run.seconds_a_step && `${short(run.seconds_a_step)} 秒`], ["速度", run.tokens_per_second && `${Math.round(run.tokens_per_second)} 词元/秒`],
      ["损失", run.loss !== null && short(run.loss)], ["最好的验证", run.eval_best !== null && short(run.eval_best)],
    ].filter(([, value]) => value);
    const told = [run.method, run.objective, run.base, run.template, run.data.join("、"), run.rejects && `跳过坏行 ${run.rejects}`];
    head.className = `card now ${run.state}`;
    const can = JSON.stringify([run.name, run.state, run.stoppable, run.resumable]);
    if (can !== could) acts.replaceChildren(...buttons(run)); // a button that is pressed stays where it is
    could = can;
    name.textContent = nameOf(run);
    chip.textContent = run.status;
    body.replaceChildren(
      el("p", { class: "faint" }, told.filter(Boolean).join(" · ")), run.alive ? progress(el, run) : "",
      el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value)))),
      run.error ? el("pre", { class: "error" }, run.error) : "",
      run.state === "diverged" && !run.error ? el("p", { class: "bad" }, "损失或梯度不是有限的数，训练停在那一步。学习率调小、预热调大，再练一次。") : "");
  }

  function buttons(run) {
    const act = (text, path, kind = "") => el("button", { type: "button", class: kind, onclick: (event) => send(event, path, run) }, text);
    return [
      run.stoppable && act(run.state === "stopping" ? "立即停下" : "停下并保存", "stop", "danger"),
      run.resumable && act("接着练", "resume", "primary"),
      run.recipe && el("button", { type: "button", onclick: () => again(run.name) }, "照这个再练"),
    ].filter(Boolean);
  }

  async function send(event, path, run) {
    event.target.disabled = true;
    const body = { run: run.name };
    try {
      await shell.json(`/page/api/board/${path}`, { json: body, quiet: true });
    } catch (error) {
      if (!isBusy(error)) shell.toast(error.message, "bad");
      else if (await together(shell, error.message)) await shell.json("/page/api/board/resume", { json: { ...body, together: true } }).catch(() => {});
    }
    event.target.disabled = false;
    changed();
  }

  function drawCharts() {
    const several = drawn.length > 1;
    const named = (full, word) => (several ? `${nameOf(full)} ${word}` : word);
    const series = drawn.flatMap(({ full, color }) => Object.keys(full.curves).filter(isLoss).sort(lossFirst).map((name) => (
      { name: named(full, nameOfLoss(name)), color, dashed: name !== "loss", steps: full.curves[name][0], values: full.curves[name][1] })));
    loss.draw(series, { log: logarithm.checked });
    legend.replaceChildren(...series.map((one) => el("span", {}, el("i", { class: `key ${one.color}${one.dashed ? " dashed" : ""}` }), one.name)));
    [...small].forEach(([title, one], place) => {
      const own = drawn.flatMap(({ full, color }) => OTHERS[title].filter((name) => full.curves[name]).map((name) => (
        { name: several ? nameOf(full) : title, color, steps: full.curves[name][0], values: full.curves[name][1] })));
      smalls[place].hidden = !own.length;
      one.draw(own);
    });
  }

  function drawMore(run) {
    const { tables, lines } = run.said;
    const open = new Set([...more.querySelectorAll("details[open]")].map((one) => one.dataset.title));
    const fold = (title, ...inside) => el("details", { class: "card", open: open.has(title), dataset: { title } }, el("summary", {}, title), ...inside);
    more.replaceChildren(...[
      run.reports.length && el("p", {}, "报告：", run.reports.map((report) =>
        el("a", { href: `page/report/${report.ticket}`, target: "_blank", rel: "noopener" }, report.name))),
      lines.length ? el("div", { class: "card" }, el("h3", {}, "它说的话"), tail)
        : el("p", { class: "faint" }, run.command ? "它还没有说话。" : "不是从网页启动的：它说的话在启动它的终端里。"),
      Object.keys(tables).length && fold("计划：数据、内存、磁盘", planTables(el, tables)),
      run.recipe && fold("配方", copied(shell, run.recipe)),
      run.command && fold("命令行", copied(shell, run.command)),
    ].filter(Boolean));
  }

  return { node, draw };
}

const lossFirst = (a, b) => (b === "loss") - (a === "loss") || a.localeCompare(b);
const isLoss = (name) => name === "loss" || (name.startsWith("eval_") && name.endsWith("loss"));
const nameOfLoss = (name) => ({ loss: "训练", eval_loss: "验证" })[name] || `验证 ${name.slice(5, -5)}`;

/** Whether the server refused because another run is on. */
export const isBusy = (error) => error.status === 409 && error.message.startsWith("已有训练在跑");

/** Whether two runs at once are wanted. */
export async function together(shell, message, ...told) {
  const { el } = shell;
  return await shell.dialog("已有训练在跑", el("p", {}, message), ...told, el("div", { class: "buttons" },
    el("button", { value: "" }, "等它练完"), el("button", { value: "yes", class: "primary" }, "两个一起跑"))) === "yes";
}

/** Text with a button that copies it. */
export function copied(shell, text) {
  const { el } = shell;
  const copy = () => navigator.clipboard.writeText(text).then(() => shell.toast("已复制", "good"), () => shell.toast("浏览器不让复制，请手工选中", "bad"));
  return el("div", { class: "copied" }, el("pre", {}, text), el("button", { type: "button", class: "ghost", onclick: copy }, "复制"));
}

/** The tables of a plan without the recipe's, and how much of the memory it takes. */
export function planTables(el, tables) {
  const size = (name) => Number(tables["内存估计"]?.find(([key]) => key === name)?.[1]);
  const need = size("合计"), free = size("可用");
  const meter = Number.isFinite(need / free) && el("div", { class: `memory${need > free ? " over" : ""}` },
    el("meter", { min: 0, max: Math.max(need, free), value: need, "aria-label": "内存" }), el("span", {}, `内存约 ${need} GiB，可用 ${free} GiB`));
  const shown = Object.entries(tables).filter(([title]) => title !== "配方");
  return [meter, el("div", { class: "tables" }, shown.map(([title, rows]) => el("table", {}, el("caption", {}, title),
    el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell))))))))];
}

function span(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} 秒`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} 分 ${Math.round(seconds % 60)} 秒`;
  return `${Math.floor(seconds / 3600)} 小时 ${Math.round((seconds % 3600) / 60)} 分`;
}
