// The training board: the runs of this machine, watched as they go, and a form that starts one.
import { runForm } from "./board-form.js";
import { runView } from "./board-run.js";
import { short } from "./chart.js";

export const title = "训练";

const OFTEN = 2500, SELDOM = 8000; // milliseconds between two looks: while something trains, and else
const COLORS = ["c1", "c2", "c4", "c3", "c5", "c6", "c7"];

export function mount(root, shell) {
  const { el } = shell;
  const list = el("div", { class: "runs", role: "list" }), state = el("p", { class: "faint" });
  const begin = el("a", { class: "button begin", href: "#board/new" }, "开始训练");
  const others = el("div", { class: "reports" });
  const aside = el("aside", {}, begin, state, list, others), place = el("div", { class: "place" });
  root.append(el("div", { class: "desk" }, aside, place));

  let runs = [], timer = 0, looking = false, on = false, known = null;
  const beside = new Set(); // names of runs that are drawn beside the one that is shown
  const kept = new Map(); // name -> { mark, run }: the last that was read of it
  const view = runView(shell, { again, changed: look });
  const form = runForm(shell, { started });

  const asked = () => decodeURIComponent(location.hash.split("/").slice(1).join("/"));

  async function again(name) {
    location.hash = "#board/new";
    draw();
    await form.like(name);
  }

  function started(name) {
    location.hash = `#board/${encodeURIComponent(name)}`;
    return look();
  }

  function draw() {
    const focus = document.activeElement?.dataset?.key;
    list.replaceChildren(...runs.map(card));
    if (focus) [...list.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focus)?.focus();
    state.textContent = runs.length ? `${runs.length} 次训练` : "还没有训练过。放一个数据文件进来，就能从这里开始。";
    const name = asked();
    if (name === "new" || !runs.length) show(form.node);
    else drawRun(runs.find((run) => run.name === name) || runs[0]);
  }

  function show(node) {
    if (place.firstChild !== node) {
      place.replaceChildren(node);
      if (node === form.node) form.open();
    }
    root.dataset.shows = node === form.node ? "form" : "run";
  }

  async function drawRun(run) {
    show(view.node);
    const names = [run.name, ...[...beside].filter((name) => name !== run.name && runs.some((one) => one.name === name))];
    const read = await Promise.all(names.map(one));
    if (place.firstChild !== view.node || (asked() && asked() !== run.name)) return; // another was chosen meanwhile
    view.draw(read.filter(Boolean).map((full, at) => ({ full, color: COLORS[at % COLORS.length] })));
  }

  /** A run in full, read again only when something of it has changed. */
  async function one(name) {
    const told = runs.find((run) => run.name === name), mark = JSON.stringify({ ...told, seconds_left: 0 });
    if (kept.get(name)?.mark !== mark || told.alive) {
      const run = await shell.json(`/page/api/board/run?name=${encodeURIComponent(name)}`, { quiet: true }).catch(() => null);
      if (run) kept.set(name, { mark, run });
    }
    return kept.get(name)?.run;
  }

  function card(run) {
    const shown = (asked() || runs[0].name) === run.name;
    const pick = el("input", {
      type: "checkbox", checked: shown || beside.has(run.name), disabled: shown, title: "曲线画在一起", "aria-label": `把 ${nameOf(run)} 的曲线画在一起`,
      dataset: { key: `beside ${run.name}` }, onchange: () => { if (!beside.delete(run.name)) beside.add(run.name); draw(); },
    });
    const facts = [run.loss !== null && `损失 ${short(run.loss)}`, run.eval_best !== null && `验证 ${short(run.eval_best)}`];
    return el("div", { class: `run ${run.state}${shown ? " shown" : ""}`, role: "listitem" }, pick,
      el("a", { href: `#board/${encodeURIComponent(run.name)}`, dataset: { key: run.name } },
        el("span", { class: "head" }, el("b", {}, nameOf(run)), el("span", { class: "chip" }, run.status)),
        el("span", { class: "faint" }, [`${run.method} ${run.objective}`, run.base.split("/").at(-1), ...facts].filter((word) => word && word.trim()).join(" · ")),
        run.alive && progress(el, run)));
  }

  function drawReports(reports) {
    others.replaceChildren(...(reports.length ? [el("details", {}, el("summary", { class: "soft" }, `报告 ${reports.length} 份`),
      ...reports.map((report) => el("a", { href: `page/report/${report.ticket}`, target: "_blank", rel: "noopener" }, report.name)))] : []));
  }

  async function look() {
    if (looking) return;
    looking = true;
    try {
      const told = await shell.json("/page/api/board/runs", { quiet: true });
      runs = told.runs;
      const mark = JSON.stringify(told.reports);
      if (mark !== known) drawReports(told.reports);
      known = mark;
      draw();
    } catch (error) {
      const off = error.status === 404;
      state.textContent = off ? "这个服务没有开训练页（--no-board）。" : error.message;
      begin.hidden = off;
      if (off) on = false;
    } finally {
      looking = false;
    }
  }

  async function watch() {
    clearTimeout(timer);
    if (!document.hidden) await look();
    if (on) timer = setTimeout(watch, runs.some((run) => run.alive) ? OFTEN : SELDOM);
  }

  addEventListener("hashchange", () => { if (on && location.hash.startsWith("#board")) draw(); });
  return {
    shown() { on = true; watch(); },
    hidden() { on = false; clearTimeout(timer); },
  };
}

export const nameOf = (run) => run.label || run.name;

/** A bar with how far a run is. */
export function progress(el, run) {
  const bar = el("progress", { max: run.steps || 1, "aria-label": "进度" });
  if (run.steps) bar.value = Math.min(run.step, run.steps);
  return bar;
}
