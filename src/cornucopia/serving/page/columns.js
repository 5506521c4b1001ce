// One question, two to four models side by side: they write at the same time, and what they say differently is marked.
import { answerView, factsOf } from "./answer.js";
import { ask, noAnswer } from "./ask.js";
import { composer } from "./composer.js";
import { markDifferences } from "./difference.js";
import { el, icon } from "./element.js";
import { parametersForm, requestOf } from "./parameters.js";

export const title = "并排";

const FEWEST = 2, MOST = 4;
const CHOSEN = "cornucopia.columns";
const ICONS = {
  plus: "M11 4h2v7h7v2h-7v7h-2v-7H4v-2h7z", bin: "M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7z",
  cross: "M6 4.500 12 10.500 18 4.500 19.500 6 13.500 12l6 6-1.500 1.500-6-6-6 6L4.500 18l6-6-6-6z",
  dials: "M4 7h9v2H4zM17 7h3v2h-3zM14 5h2v6h-2zM4 15h3v2H4zM11 15h9v2h-9zM8 13h2v6H8z", save: "M11 3h2v9l3.500-3.500L18 10l-6 6-6-6 1.500-1.500L11 12zM4 18h16v2H4z",
  again: "M12 5V1L7 6l5 5V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z",
};

export function mount(root, shell) {
  let models = [], rows = [], control = null;
  const columns = []; // {select, head}

  const form = parametersForm();
  const drawer = el("aside", { class: "drawer", hidden: true }, el("h2", {}, "参数（各列共用）"), form.root);
  const heads = el("div", { class: "heads" }), body = el("div", { class: "rows" });
  const differ = el("input", { type: "checkbox", checked: true, onchange: compare });
  const button = (name, path, onclick) => el("button", { type: "button", class: "ghost", title: name, ariaLabel: name, onclick }, icon(path));
  const more = button("加一列", ICONS.plus, () => { add(); keep(); });
  const writing = composer(shell, { send: say, stop: () => control?.abort() }, "同一个问题问每一列…");
  const grid = el("div", { class: "grid" }, heads, body);
  root.append(el("div", { class: "beside" },
    el("div", { class: "head" }, el("label", { class: "check" }, differ, "标出不同"), el("span", { class: "spring" }),
      more, button("再答一次", ICONS.again, again), button("清空", ICONS.bin, clear), button("导出", ICONS.save, take),
      button("参数", ICONS.dials, () => { drawer.hidden = !drawer.hidden; })),
    grid, writing.root), drawer);
  root.addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.isComposing) control?.abort(); });

  function add(name) {
    const select = el("select", { class: "model", ariaLabel: `第 ${columns.length + 1} 列的模型`, onchange: keep },
      models.map(({ id }) => el("option", { value: id }, id)));
    const column = { select, head: el("div", { class: "column-head" }, select, button("去掉这一列", ICONS.cross, () => remove(column))) };
    columns.push(column);
    select.value = models.some((one) => one.id === name) ? name : models[(columns.length - 1) % models.length].id;
    for (const row of rows) place(row, null);
    draw();
  }

  function remove(column) {
    const at = columns.indexOf(column);
    columns.splice(at, 1);
    for (const row of rows) row.cells.splice(at, 1)[0].root.remove();
    draw();
    keep();
    compare();
  }

  function draw() {
    root.style.setProperty("--columns", columns.length);
    heads.replaceChildren(...columns.map((column) => column.head));
    more.disabled = columns.length >= MOST || Boolean(control);
    for (const { head } of columns) head.lastChild.hidden = columns.length <= FEWEST || Boolean(control);
    writing.busy(Boolean(control));
  }

  function keep() {
    shell.storage.set(CHOSEN, JSON.stringify(columns.map(({ select }) => select.value)));
    writing.sees(columns.every(({ select }) => models.find((one) => one.id === select.value)?.images));
  }

  /** A column's place in a row; without an answer it stays empty. */
  function place(row, answer) {
    const cell = { answer, view: answerView(), root: el("div", { class: "cell" }) };
    if (answer) cell.root.append(el("div", { class: "by" }, answer.model), cell.view.root, cell.view.foot);
    row.cells.push(cell);
    row.root.append(cell.root);
  }

  function say(content, images) {
    const question = { role: "user", content: images.length ? [{ type: "text", text: content }, ...images.map((url) => ({ type: "image_url", image_url: { url } }))] : content };
    const bubble = el("div", { class: "bubble" }, content), pictures = el("div", { class: "images" }, images.map((source) => el("img", { src: source, alt: "发出的图片" })));
    const row = { question, text: content, cells: [], root: el("section", { class: "row" }, el("div", { class: "asked" }, pictures, bubble)) };
    rows.push(row);
    body.append(row.root);
    for (const { select } of columns) place(row, noAnswer(select.value));
    answer(row);
  }

  function again() {
    const row = rows.at(-1);
    if (!row || control) return;
    for (const cell of row.cells.splice(0)) cell.root.remove();
    for (const { select } of columns) place(row, noAnswer(select.value));
    answer(row);
  }

  /** All columns at once; one that fails says so in its place. */
  async function answer(row) {
    control = new AbortController();
    draw();
    for (const { answer: empty, view } of row.cells) view.show({ ...empty, loading: models.some((one) => one.id === empty.model && !one.loaded) });
    row.root.scrollIntoView({ block: "start" });
    await Promise.all(row.cells.map((cell, at) => ask(shell, requestOf(cell.answer.model, asked(row, at), form.value), {
      signal: control.signal,
      update(grown) { cell.answer = grown; cell.view.show(grown); },
    })));
    control = null;
    draw();
    compare();
  }

  /** What a column is asked: its own answers so far, and the question. */
  function asked(row, at) {
    const before = rows.slice(0, rows.indexOf(row)).filter(({ cells }) => cells[at].answer?.content);
    return [...before.flatMap(({ question, cells }) => [question, { role: "assistant", content: cells[at].answer.content }]), row.question];
  }

  function compare() {
    const done = rows.map(({ cells }) => cells.filter(({ answer: given }) => given?.finish && given.content));
    const shares = markDifferences(differ.checked ? done.map((cells) => cells.map(({ view }) => view.root.querySelector(":scope > .markdown"))) : []);
    done.forEach((cells, row) => cells.forEach((cell, at) => {
      const share = shares[row]?.[at];
      cell.view.foot.textContent = factsOf(cell.answer) + (share === undefined || cells.length < 2 ? "" : share ? ` · ${Math.ceil(100 * share)}% 与别列不同` : " · 与别列相同");
    }));
  }

  function clear() {
    control?.abort();
    rows = [];
    body.replaceChildren();
    compare();
    writing.focus();
  }

  function take() {
    const told = rows.map(({ text, cells }) => ({ question: text, answers: cells.map(({ answer: given }) => given).filter(Boolean) }));
    shell.save("并排.json", JSON.stringify({ parameters: form.value, rows: told }, null, 1));
  }

  async function start() {
    ({ models } = await shell.json("/page/api/models"));
    let chosen = [];
    try { chosen = JSON.parse(shell.storage.get(CHOSEN) || "[]"); } catch { /* as at first */ }
    const count = Math.min(MOST, Math.max(FEWEST, chosen.length || models.length));
    for (let at = 0; at < count; at += 1) add(chosen[at]);
    keep();
    writing.focus();
  }

  start().catch(() => {});
}
