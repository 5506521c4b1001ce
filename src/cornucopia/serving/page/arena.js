// The arena: two models answer one question side by side, nobody's name shown; a vote; the table of all votes.
import { answerView } from "./answer.js";
import { ask, noAnswer } from "./ask.js";
import { parametersForm, requestOf } from "./parameters.js";
import { standingsView } from "./standings.js";

export const title = "竞技场";

const HERE = "/page/api/arena";
const CHOICES = [["left", "回答 1 好"], ["right", "回答 2 好"], ["tie", "不相上下"], ["bad", "都不行"]]; // by the keys 1 to 4
const SIDES = ["left", "right"];
const VOTER = "cornucopia.voter";

export function mount(root, shell) {
  const { el } = shell;
  const state = { battle: "", ready: false, stop: null, compared: false };
  const sides = Object.fromEntries(SIDES.map((side, index) => [side, sideOf(index + 1)]));
  const form = parametersForm();
  const standings = standingsView(shell, HERE);

  const words = el("textarea", { rows: 3, placeholder: "问一个问题，两个模型同时回答", "aria-label": "问题", onkeydown: typed });
  const begin = el("button", { class: "primary", type: "submit" }, "开一局");
  const settings = el("details", { class: "more" }, el("summary", {}, "参数（两边一样）"), form.root);
  const asking = el("form", { class: "asking", onsubmit: (event) => { event.preventDefault(); start(); } }, words, begin);
  const source = el("select", { "aria-label": "比什么", hidden: true, onchange: choose },
    el("option", { value: "" }, "自己出题，当场回答"), el("option", { value: "compared" }, "投已有的比较"));
  const asked = el("div", { class: "asked", hidden: true });
  const duel = el("div", { class: "duel", hidden: true }, sides.left.root, sides.right.root);
  const buttons = CHOICES.map(([choice, label], index) =>
    el("button", { type: "button", disabled: true, dataset: { choice }, onclick: () => vote(choice) }, label, el("kbd", {}, String(index + 1))));
  const next = el("button", { class: "primary", type: "button", hidden: true, onclick: again }, "再来一局", el("kbd", {}, "N"));
  const other = el("button", { class: "ghost", type: "button", onclick: again }, "换一局");
  const ballot = el("div", { class: "ballot", hidden: true, role: "group", "aria-label": "投票" }, buttons, next, other);
  const said = el("p", { class: "soft said", hidden: true, "aria-live": "polite" });
  root.append(el("div", { class: "arena-page" }, source, asking, settings, said, asked, duel, ballot, standings.root));

  document.addEventListener("keydown", pressed);
  about();

  function sideOf(number) {
    const name = el("h3", {}, `回答 ${number}`), body = el("div", { class: "body" });
    return { root: el("article", { class: "card side" }, name, body), name, body, number };
  }

  /** What this server can offer. */
  async function about() {
    const can = await shell.json(HERE).catch(() => null);
    if (!can) return;
    source.hidden = !(can.models && can.compared);
    state.compared = !can.models && can.compared > 0;
    asking.hidden = settings.hidden = !can.models;
    if (!can.models) tell(can.compared ? "" : "竞技场要两个以上的模型：cornucopia serve --model 甲=… --model 乙=…");
    if (!state.compared) return;
    standings.show(true);
    startCompared();
  }

  function choose() {
    state.compared = source.value === "compared";
    asking.hidden = settings.hidden = state.compared;
    standings.show(state.compared);
    clear();
    if (state.compared) startCompared();
  }

  function typed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    start();
  }

  function tell(text) {
    said.hidden = !text;
    said.textContent = text;
  }

  /** Stop what runs, and show an empty field. */
  function clear() {
    state.stop?.abort();
    Object.assign(state, { battle: "", ready: false, stop: new AbortController() });
    tell("");
    asked.hidden = duel.hidden = ballot.hidden = next.hidden = true;
    other.hidden = false;
    for (const side of Object.values(sides)) {
      side.name.textContent = `回答 ${side.number}`;
      side.root.classList.remove("won");
      side.body.replaceChildren();
    }
    allow(false);
  }

  function allow(ready) {
    state.ready = ready;
    for (const button of buttons) {
      button.disabled = !ready;
      button.classList.remove("chosen");
    }
  }

  async function start() {
    const text = words.value.trim();
    if (!text) return words.focus();
    clear();
    const { stop } = state, { model: _, ...body } = requestOf("", [{ role: "user", content: text }], form.value);
    const drawn = await shell.json(`${HERE}/battles`, { json: { ...body, voter: voter() }, signal: stop.signal }).catch(() => null);
    if (!drawn || stop.signal.aborted) return;
    state.battle = drawn.id;
    words.blur(); // so that 1 to 4 vote
    duel.hidden = ballot.hidden = false;
    const answers = await Promise.all(SIDES.map((side) => stream(side, drawn.id, stop.signal)));
    if (stop.signal.aborted) return;
    if (answers.some((answer) => answer.finish === "error")) tell("有一边没有答上来，这一局不能投票。");
    else allow(true);
  }

  function stream(side, id, signal) {
    const view = answerView();
    sides[side].body.replaceChildren(view.root);
    view.show(noAnswer(""));
    return ask(shell, {}, { path: `${HERE}/battles/${id}/${side}`, signal, update: view.show });
  }

  async function startCompared() {
    clear();
    const { stop } = state;
    const drawn = await shell.json(`${HERE}/compared`, { json: { voter: voter() }, signal: stop.signal }).catch(() => null);
    if (!drawn || stop.signal.aborted) return;
    if (!drawn.id) return tell("这份比较里的都投过了。");
    state.battle = drawn.id;
    asked.replaceChildren(...drawn.asked.map(({ content, material }) =>
      el("div", { class: "card" }, el("p", {}, content), material && el("details", {}, el("summary", {}, "材料"), el("p", { class: "soft" }, material)))));
    SIDES.forEach((side, index) => {
      const view = answerView();
      sides[side].body.replaceChildren(view.root);
      view.show({ ...noAnswer(""), content: drawn.answers[index], finish: "stop" });
    });
    asked.hidden = duel.hidden = ballot.hidden = false;
    allow(true);
  }

  function again() {
    if (state.compared) return startCompared();
    clear();
    words.select();
    words.focus();
  }

  async function vote(choice) {
    if (!state.ready) return;
    state.ready = false; // one press, one vote
    const names = await shell.json(`${HERE}/battles/${state.battle}/vote`, { json: { vote: choice } }).catch(() => null);
    if (!names) return allow(true); // the reason has been told
    allow(false);
    for (const button of buttons) button.classList.toggle("chosen", button.dataset.choice === choice);
    for (const side of SIDES) {
      sides[side].name.textContent = names[side];
      sides[side].root.classList.toggle("won", side === choice);
    }
    next.hidden = false;
    other.hidden = true;
    standings.show(state.compared);
  }

  function pressed(event) {
    if (root.hidden || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
    const choice = CHOICES[Number(event.key) - 1];
    if (choice) vote(choice[0]);
    else if (event.key.toLowerCase() === "n" && !next.hidden) event.preventDefault(), again();
  }

  /** What this browser calls itself, so that votes of two people are told apart. */
  function voter() {
    let name = shell.storage.get(VOTER);
    if (!name) {
      name = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
      shell.storage.set(VOTER, name);
    }
    return name;
  }

  return { shown: () => standings.show(state.compared) };
}
