// The page's shell: tabs, theme, key, and what every tab uses. A tab is one module in TABS.
import { el, icon } from "./element.js";
import * as chat from "./chat.js";
import * as columns from "./columns.js";
import * as arena from "./arena.js";
import * as board from "./board.js";

/** Name in the address -> module: `title`, and `mount(root, shell)`, called when the tab is first shown;
 * what it returns may have `shown()` and `hidden()`, called as the tab comes and goes. */
const TABS = { chat, columns, arena, board };

const KEY = "cornucopia.key";
const $ = (id) => document.getElementById(id);

/** Storage that a browser may forbid. */
const storage = {
  get(name) { try { return sessionStorage.getItem(name) ?? localStorage.getItem(name); } catch { return null; } },
  set(name, value, keep = true) { try { (keep ? localStorage : sessionStorage).setItem(name, value); } catch { /* for this visit only */ } },
  drop(name) { try { localStorage.removeItem(name); sessionStorage.removeItem(name); } catch { /* nothing is kept */ } },
};

let key = storage.get(KEY) || "";
let models = null;

/** What every tab is given. */
const shell = {
  el,
  icon,
  storage,

  /** A response of this server, the key added. `options`: those of fetch; `json` is sent as a JSON body (POST unless
   * another method is named); `quiet` leaves telling an error to the caller. Throws an Error with the server's message. */
  async fetch(path, { json, quiet, headers, ...options } = {}) {
    const request = { ...options, headers: { ...headers, ...(key && { authorization: `Bearer ${key}` }) } };
    if (json !== undefined) {
      request.method ??= "POST";
      request.body = JSON.stringify(json);
      request.headers["content-type"] = "application/json";
    }
    try {
      const response = await fetch(path.replace(/^\//, ""), request); // relative: it may stand behind a proxy's prefix
      if (response.ok) return response;
      const told = await response.json().catch(() => ({}));
      const error = new Error(told.error?.message || `请求没有成功（${response.status}）`);
      error.status = response.status;
      throw error;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (error instanceof TypeError) error = new Error("连不上服务：它停了，或网络断了");
      if (error.status === 401) askKey();
      else if (!quiet) shell.toast(error.message, "bad");
      throw error;
    }
  },

  /** The JSON of a response. */
  async json(path, options) { return (await shell.fetch(path, options)).json(); },

  /** The models' ids, the default first. */
  async models() {
    models ??= shell.json("/v1/models").then((list) => list.data.map((model) => model.id));
    models.catch(() => { models = null; });
    return models;
  },

  /** Tell something for a few seconds; kind: "", "good" or "bad". */
  toast(text, kind = "") {
    const shown = el("div", { class: `toast ${kind}` }, text);
    $("toasts").append(shown);
    setTimeout(() => shown.remove(), kind === "bad" ? 8000 : 3500);
  },

  /** A dialog with these children; resolves with the value of the button that closed it, '' for Escape. */
  dialog(title, ...children) {
    const shown = el("dialog", { class: "dialog" }, el("form", { method: "dialog" }, el("h2", {}, title), ...children));
    document.body.append(shown);
    shown.showModal();
    return new Promise((resolve) => shown.addEventListener("close", () => { shown.remove(); resolve(shown.returnValue); }));
  },

  /** Save text as a file of the user's. */
  save(name, text, type = "application/json") {
    const address = URL.createObjectURL(new Blob([text], { type }));
    el("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  },
};

let asking = false;

async function askKey() {
  if (asking) return;
  asking = true;
  const word = el("input", { type: "password", value: key, autocomplete: "off", required: true, "aria-label": "密钥" });
  const keep = el("input", { type: "checkbox" });
  const done = await shell.dialog(
    "密钥",
    el("p", { class: "soft" }, "这个服务要密钥，问部署它的人要。"),
    word,
    el("label", { class: "check" }, keep, "记在这个浏览器里（公用的电脑不要勾）"),
    el("div", { class: "buttons" }, el("button", { value: "ok", class: "primary" }, "进入")),
  );
  asking = false;
  if (done !== "ok") return;
  key = word.value.trim();
  storage.drop(KEY);
  storage.set(KEY, key, keep.checked);
  location.reload(); // every tab begins anew with what this key may see
}

const THEMES = {
  auto: ["跟随系统", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 2v14a7 7 0 0 1 0-14z"],
  light: ["浅色", "M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM11 1h2v3h-2zM11 20h2v3h-2zM1 11h3v2H1zM20 11h3v2h-3zM4 5.400 5.400 4l2.100 2.100-1.400 1.400zM16.500 17.900l1.400-1.400L20 18.600 18.600 20zM4 18.600l2.100-2.100 1.400 1.400L5.400 20zM16.500 6.100 18.600 4 20 5.400l-2.100 2.100z"],
  dark: ["深色", "M20.500 14.500A9 9 0 0 1 9.500 3.500a9 9 0 1 0 11 11z"],
};

function addTools() {
  const theme = el("button", { class: "ghost", type: "button", onclick: turn });
  function show() {
    const [name, path] = THEMES[document.documentElement.dataset.themeChoice] || THEMES.auto;
    theme.replaceChildren(icon(path));
    theme.title = theme.ariaLabel = `颜色：${name}`;
  }
  function turn() {
    const names = Object.keys(THEMES);
    storage.set("cornucopia.theme", names[(names.indexOf(document.documentElement.dataset.themeChoice) + 1) % names.length]);
    document.documentElement.dispatchEvent(new Event("themechange"));
    show();
  }
  show();
  const lock = "M7 10V8a5 5 0 0 1 10 0v2h1a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1H6a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1zm2 0h6V8a3 3 0 0 0-6 0z";
  const change = el("button", { class: "ghost", type: "button", title: "密钥", ariaLabel: "密钥", onclick: askKey, hidden: !key }, icon(lock));
  $("tools").append(change, theme);
}

const mounted = {};
let current = "";

function panelOf(name) {
  if (!mounted[name]) {
    const root = el("section", { class: `panel ${name}`, id: `panel-${name}`, role: "tabpanel" });
    root.setAttribute("aria-labelledby", `tab-${name}`);
    $("panels").append(root);
    mounted[name] = { root, hooks: TABS[name].mount(root, shell) || {} };
  }
  return mounted[name];
}

function show() {
  const asked = location.hash.slice(1).split("/")[0];
  const name = asked in TABS ? asked : Object.keys(TABS)[0];
  if (name === current) return;
  if (current) mounted[current].hooks.hidden?.();
  current = name;
  const panel = panelOf(name);
  for (const other of Object.values(mounted)) other.root.hidden = other !== panel;
  for (const tab of $("tabs").children) {
    tab.setAttribute("aria-selected", String(tab.id === `tab-${name}`));
  }
  document.title = `${TABS[name].title} · 聚宝盆`;
  panel.hooks.shown?.();
}

for (const [name, tab] of Object.entries(TABS)) {
  $("tabs").append(el("a", { id: `tab-${name}`, href: `#${name}`, role: "tab" }, tab.title));
}
addTools();
addEventListener("hashchange", show);
show();
