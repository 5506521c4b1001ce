// The list of talks beside the chat: open, search, rename, delete, export, import.
import { el, icon } from "./element.js";

const ICONS = {
  plus: "M11 4h2v7h7v2h-7v7h-2v-7H4v-2h7z",
  pen: "M4 16.500 15.500 5 19 8.500 7.500 20H4zM17 3.500l1-1 3.500 3.500-1 1z",
  bin: "M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7z",
};
const DAY = 86400;

/** actions: open(id), fresh(), forgotten(id), renamed(id, title). Gives `root`, `load()`, `mark(id)`. */
export function historyList(shell, actions) {
  const search = el("input", { type: "search", placeholder: "搜索对话", ariaLabel: "搜索对话", oninput: () => later() });
  const list = el("nav", { class: "talks", "aria-label": "对话" });
  const file = el("input", { type: "file", accept: ".json,application/json", hidden: true, multiple: true, onchange: bring });
  const root = el("aside", { class: "history" },
    el("button", { type: "button", class: "fresh", title: "Alt+N", onclick: () => actions.fresh() }, icon(ICONS.plus), "新对话"),
    search, list,
    el("div", { class: "files" },
      el("button", { type: "button", class: "ghost", onclick: () => file.click() }, "导入"),
      el("button", { type: "button", class: "ghost", onclick: takeAll }, "导出全部"), file));
  let marked = "", timer = 0;

  function later() {
    clearTimeout(timer);
    timer = setTimeout(load, 250);
  }

  async function load() {
    try {
      const { talks } = await shell.json(`/page/api/talks?words=${encodeURIComponent(search.value.trim())}`, { quiet: true });
      const none = el("p", { class: "faint" }, search.value ? "没有找到。" : "聊过的会列在这里。");
      list.replaceChildren(...(talks.length ? grouped(talks) : [none]));
      mark(marked);
    } catch (error) {
      list.replaceChildren(el("p", { class: "faint" }, `对话记录现在读不到：${error.message}`));
    }
  }

  function grouped(talks) {
    const midnight = new Date().setHours(0, 0, 0, 0) / 1000, found = new Map();
    for (const talk of talks) {
      const day = talk.changed >= midnight ? "今天" : talk.changed >= midnight - DAY ? "昨天" : talk.changed >= midnight - 30 * DAY ? "近三十天" : "更早";
      found.set(day, [...(found.get(day) || []), item(talk)]);
    }
    return [...found].flatMap(([day, items]) => [el("h3", {}, day), ...items]);
  }

  function item(talk) {
    const title = talk.title || "没有标题";
    return el("div", { class: "talk-item", dataset: { id: talk.id } },
      el("a", { href: `#chat/${talk.id}`, title }, title),
      el("button", { type: "button", class: "ghost", title: "改标题", ariaLabel: `改标题：${title}`, onclick: () => rename(talk) }, icon(ICONS.pen)),
      el("button", { type: "button", class: "ghost", title: "删除", ariaLabel: `删除：${title}`, onclick: () => forget(talk) }, icon(ICONS.bin)));
  }

  async function rename(talk) {
    const words = el("input", { value: talk.title, maxLength: 200, "aria-label": "标题" });
    const done = shell.dialog("改标题", words, el("div", { class: "buttons" }, el("button", { value: "ok", class: "primary" }, "好")));
    words.select();
    if ((await done) !== "ok" || !words.value.trim()) return;
    await shell.json(`/page/api/talks/${talk.id}`, { json: { title: words.value.trim() } });
    actions.renamed(talk.id, words.value.trim());
    load();
  }

  async function forget(talk) {
    const buttons = el("div", { class: "buttons" }, el("button", { value: "" }, "留着"), el("button", { value: "ok", class: "danger" }, "删除"));
    if ((await shell.dialog("删除这个对话？", el("p", { class: "soft" }, `「${talk.title}」删了就找不回来。`), buttons)) !== "ok") return;
    await shell.fetch(`/page/api/talks/${talk.id}`, { method: "DELETE" });
    actions.forgotten(talk.id);
    load();
  }

  async function takeAll() {
    const { talks } = await shell.json("/page/api/talks?whole=1");
    shell.save(`对话-${new Date().toISOString().slice(0, 10)}.json`, JSON.stringify({ talks }, null, 1));
  }

  /** Talks from files that were exported here; one that is already here is merged with it. */
  async function bring() {
    let count = 0;
    for (const chosen of file.files) {
      try {
        const read = JSON.parse(await chosen.text());
        for (const { id, title, about, leaf, messages } of read.talks || [read]) {
          await shell.json(`/page/api/talks/${id}`, { json: { title, about, leaf, messages }, quiet: true });
          count += 1;
        }
      } catch (error) {
        shell.toast(`${chosen.name}：${error instanceof SyntaxError || error instanceof TypeError ? "不是这里导出的 JSON" : error.message}`, "bad");
      }
    }
    file.value = "";
    if (count) shell.toast(`导入了 ${count} 个对话`, "good");
    load();
  }

  function mark(id) {
    marked = id;
    for (const shown of list.querySelectorAll(".talk-item")) shown.classList.toggle("here", shown.dataset.id === id);
  }

  return { root, load, mark };
}
