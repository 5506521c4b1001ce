// Chat with one model.
import { ask } from "./ask.js";
import { composer } from "./composer.js";
import { el, icon } from "./element.js";
import { historyList } from "./history.js";
import { messageView } from "./message.js";
import { parametersForm, requestOf } from "./parameters.js";
import { Talk } from "./talk.js";

export const title = "对话";

const EXAMPLES = ["等额本息和等额本金，哪种还的利息多？", "用一张表比较股票、债券和货币基金的风险", "什么是市盈率？怎么算？", "年化 3.5%，存 10 万，五年后有多少？写出公式"];
const LIST = "M4 6h16v2H4zM4 11h16v2H4zM4 16h16v2H4z", DIALS = "M4 7h9v2H4zM17 7h3v2h-3zM14 5h2v6h-2zM4 15h3v2H4zM11 15h9v2h-9zM8 13h2v6H8z", SAVE = "M11 3h2v9l3.500-3.500L18 10l-6 6-6-6 1.500-1.500L11 12zM4 18h16v2H4z";
const MODEL = "cornucopia.model", PARAMETERS = "cornucopia.parameters";

export function mount(root, shell) {
  const talks = new Map(); // those that are shown or answered, by id
  const answering = new Map(); // talk's id -> AbortController
  const views = new Map(); // message's id -> view
  let talk = null, models = [];

  const history = historyList(shell, {
    open: (id) => open(id), fresh,
    forgotten: (id) => { talks.delete(id); if (talk.id === id) fresh(); },
    renamed: (id, name) => { const changed = talks.get(id); if (changed) changed.title = name; },
  });
  const model = el("select", { class: "model", ariaLabel: "模型", onchange: () => { shell.storage.set(MODEL, model.value); seen(); } });
  const form = parametersForm();
  const messages = el("div", { class: "messages" });
  const scroller = el("div", { class: "scroller", onscroll: () => { sticking = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60; } }, messages);
  const writing = composer(shell, { send: say, stop, up: editLast }, "问点什么…");
  const drawer = el("aside", { class: "drawer", hidden: true }, el("h2", {}, "参数"), form.root);
  const button = (name, path, onclick, kind = "") => el("button", { type: "button", class: `ghost ${kind}`, title: name, ariaLabel: name, onclick }, icon(path));
  const dials = button("参数", DIALS, () => { drawer.hidden = !drawer.hidden; });
  root.append(history.root, el("div", { class: "talk" },
    el("div", { class: "head" }, button("对话列表", LIST, () => root.classList.toggle("listing"), "lister"), model, el("span", { class: "spring" }),
      button("导出这个对话", SAVE, takeOne), dials),
    scroller, writing.root), drawer);
  history.root.addEventListener("click", (event) => { if (event.target.closest("a, .fresh")) root.classList.remove("listing"); });
  scroller.addEventListener("click", () => root.classList.remove("listing"));
  let sticking = true;
  messages.addEventListener("painted", stick);

  form.onchange = () => {
    dials.classList.toggle("set", Object.keys(form.value).length > 0);
    shell.storage.set(PARAMETERS, JSON.stringify(form.value));
    if (talk.byId.size) talk.save({ about: about() });
  };

  function stick() { if (sticking) scroller.scrollTop = scroller.scrollHeight; }

  const about = () => ({ model: model.value, parameters: form.value });

  function fresh() {
    talk = new Talk(shell, undefined, kept);
    if (location.hash.startsWith("#chat/")) location.hash = "#chat";
    try { form.value = JSON.parse(shell.storage.get(PARAMETERS) || "{}"); } catch { form.value = {}; }
    show();
    writing.focus();
  }

  async function open(id) {
    if (talk?.id === id) return;
    let found = talks.get(id);
    try {
      found ??= new Talk(shell, await shell.json(`/page/api/talks/${id}`), kept);
    } catch {
      return talk || fresh(); // what went wrong has been told
    }
    talk = found;
    form.value = talk.about?.parameters || {};
    if (models.some((one) => one.id === talk.about?.model)) model.value = talk.about.model;
    show();
  }

  function kept(saved) {
    talks.set(saved.id, saved);
    history.load();
  }

  /** Draw the talk; messages that are shown already stay what they are. */
  function show() {
    const path = talk.path();
    const shown = path.map((message) => {
      if (!views.has(message.id)) views.set(message.id, messageView(talk, message, { edit, again, choose, loading }));
      const view = views.get(message.id);
      view.place();
      return view.root;
    });
    messages.replaceChildren(...(shown.length ? shown : [welcome()]));
    messages.classList.toggle("none", !shown.length);
    for (const article of shown) article.classList.toggle("last", article === shown.at(-1));
    history.mark(talk.id);
    dials.classList.toggle("set", Object.keys(form.value).length > 0);
    writing.busy(answering.has(talk.id));
    seen();
    sticking = true;
    stick();
  }

  function welcome() {
    const examples = EXAMPLES.map((text) => el("button", { type: "button", onclick: () => writing.fill(text) }, text));
    return el("div", { class: "welcome" }, el("h1", {}, "想问点什么？"), el("p", { class: "soft" }, "模型就在这台服务上，问题不会发到别处；接在后面的在线接口除外。回答不构成投资建议。"), el("div", { class: "examples" }, examples));
  }

  function seen() { writing.sees(Boolean(models.find((one) => one.id === model.value)?.images)); }

  function say(text, images) {
    const question = talk.add("user", talk.leaf, { content: text, ...(images.length && { images }) });
    if (!talk.title) talk.title = text.replace(/\s+/g, " ").slice(0, 40) || "图片";
    answer(question);
  }

  function edit(message, text) {
    if (!text.trim() || answering.has(talk.id)) return;
    answer(talk.add("user", message.parent, { content: text.trim(), ...(message.images && { images: message.images }) }));
  }

  function again(message) {
    if (!answering.has(talk.id)) answer(talk.byId.get(message.parent));
  }

  function choose(message) {
    talk.choose(message);
    show();
  }

  const loading = (name) => models.some((one) => one.id === name && !one.loaded);

  function editLast() {
    const last = talk.path().findLast((message) => message.role === "user");
    if (last && !answering.has(talk.id)) views.get(last.id).edit();
  }

  /** Let the model answer a question; the user may meanwhile look at another talk. */
  async function answer(question) {
    const here = talk, reply = here.add("assistant", question.id, { model: model.value }), control = new AbortController();
    talks.set(here.id, here);
    answering.set(here.id, control);
    const request = requestOf(model.value, here.asked(question.id), form.value);
    if (location.hash !== `#chat/${here.id}`) location.hash = `#chat/${here.id}`;
    show();
    await here.save({ title: here.title, about: about() }); // the question stands there before anything is answered
    await ask(shell, request, {
      signal: control.signal,
      update({ model: _, ...grown }) {
        Object.assign(reply, grown);
        views.get(reply.id).show();
        if (!reply.finish) here.saveSoon(reply);
      },
    });
    here.dirty.add(reply);
    answering.delete(here.id);
    if (here === talk) writing.busy(false);
    await here.save();
    refresh();
  }

  function stop() { answering.get(talk.id)?.abort(); }

  function takeOne() {
    const { id, title: name, about: settings, leaf } = talk;
    shell.save(`对话-${name.slice(0, 20) || "空"}.json`, JSON.stringify({ talks: [{ id, title: name, about: settings, leaf, messages: [...talk.byId.values()] }] }, null, 1));
  }

  /** The models and what they see, which is known once one is loaded. */
  async function refresh() {
    ({ models } = await shell.json("/page/api/models"));
    const wanted = model.value || shell.storage.get(MODEL);
    model.replaceChildren(...models.map(({ id }) => el("option", { value: id }, id)));
    if (models.some((one) => one.id === wanted)) model.value = wanted;
    seen();
  }

  function key(event) {
    if (root.hidden || event.isComposing || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest?.("input, textarea, select");
    if (event.key === "Escape") stop();
    else if (event.altKey && event.code === "KeyN") { event.preventDefault(); fresh(); }
    else if (event.key === "/" && !typing) { event.preventDefault(); writing.focus(); }
  }

  function visit() {
    const [tab, id] = location.hash.slice(1).split("/");
    if (tab === "chat" && id) open(id);
  }

  addEventListener("keydown", key);
  addEventListener("hashchange", visit);
  const asked = location.hash.split("/")[1];
  fresh();
  refresh().then(async () => { if (asked) { location.hash = `#chat/${asked}`; await open(asked); } }).catch(() => {});
  history.load();
}
