// One message of a talk as it is shown, with what can be done with it.
import { answerView } from "./answer.js";
import { copyText } from "./code.js";
import { el, icon } from "./element.js";

const ICONS = {
  copy: "M8 3h11a2 2 0 0 1 2 2v11h-2V5H8zM5 7h9a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V9a2 2 0 0 1 2-2zm0 2v10h9V9z",
  pen: "M4 16.500 15.500 5 19 8.500 7.500 20H4zM17 3.500l1-1 3.500 3.500-1 1z",
  again: "M12 5V1L7 6l5 5V7a5 5 0 1 1-5 5H5a7 7 0 1 0 7-7z",
  left: "M15 5 8 12l7 7 1.500-1.500L11 12l5.500-5.500z",
  right: "M9 5l7 7-7 7-1.500-1.500L13 12 7.500 6.500z",
};

/** actions: edit(message, text), again(message), choose(message), loading(model): whether it is not yet in memory. Gives `root`, `show()` (the message has changed),
 * `place()` (its siblings have). */
export function messageView(talk, message, actions) {
  return message.role === "user" ? questionView(talk, message, actions) : replyView(talk, message, actions);
}

function tool(name, path, onclick) {
  return el("button", { type: "button", class: "ghost", title: name, ariaLabel: name, onclick }, icon(path));
}

function questionView(talk, message, actions) {
  const text = el("div", { class: "bubble" }, message.content);
  const images = el("div", { class: "images" }, (message.images || []).map((source) => el("img", { src: source, alt: "发出的图片" })));
  const branches = branchesOf(talk, message, actions);
  const bar = el("div", { class: "bar" }, branches.root, tool("改写后重问", ICONS.pen, edit),
    el("span", {}, copyTool(() => message.content)));
  const root = el("article", { class: "message user", dataset: { id: message.id } }, images, text, bar);

  function edit() {
    const area = el("textarea", { class: "editing", value: message.content, rows: Math.min(12, message.content.split("\n").length + 1) });
    const close = () => { form.replaceWith(text); bar.hidden = false; };
    const send = () => { close(); actions.edit(message, area.value); };
    const form = el("form", { class: "edit", onsubmit: (event) => { event.preventDefault(); send(); } }, area,
      el("div", { class: "buttons" }, el("button", { type: "button", onclick: close }, "取消"), el("button", { class: "primary" }, "重问")));
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.stopPropagation(); close(); }
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
    });
    text.replaceWith(form);
    bar.hidden = true;
    area.focus();
  }

  return { root, show() {}, place: branches.place, edit };
}

function replyView(talk, message, actions) {
  const view = answerView(), branches = branchesOf(talk, message, actions);
  const bar = el("div", { class: "bar" }, branches.root, tool("重新回答", ICONS.again, () => actions.again(message)),
    copyTool(() => message.content), view.foot);
  const root = el("article", { class: "message assistant", dataset: { id: message.id } }, el("div", { class: "by" }, message.model), view.root, bar);

  function show() {
    bar.classList.toggle("writing", !message.finish);
    const loading = actions.loading(message.model);
    view.show({ calls: [], reasoning: "", error: "", first: 0, seconds: 0, tokens: 0, loading, ...message });
  }

  show();
  return { root, show, place: branches.place };
}

function copyTool(text) {
  const made = tool("复制", ICONS.copy, () => copyText(text(), made));
  return made;
}

/** 「‹ 2/3 ›」 where a message has siblings. */
function branchesOf(talk, message, actions) {
  const count = el("span", {});
  const step = (by) => () => {
    const all = talk.siblings(message);
    actions.choose(all[(all.indexOf(message) + by + all.length) % all.length]);
  };
  const root = el("span", { class: "branches" }, tool("上一个分支", ICONS.left, step(-1)), count, tool("下一个分支", ICONS.right, step(1)));
  function place() {
    const all = talk.siblings(message);
    root.hidden = all.length < 2;
    count.textContent = `${all.indexOf(message) + 1}/${all.length}`;
  }
  place();
  return { root, place };
}
