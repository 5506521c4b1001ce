// Where a question is written: text that grows, pictures where the model sees them, send and stop.
import { el, icon } from "./element.js";

const ICONS = {
  send: "M12 3l8 8-1.500 1.500L13 7v14h-2V7l-5.500 5.500L4 11z",
  stop: "M6 6h12v12H6z",
  picture: "M5 4h14a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zm0 2v10l4-4 3 3 4-5 3 4V6zm3.500 1.500a1.500 1.500 0 1 1 0 3 1.500 1.500 0 0 1 0-3z",
};
const LARGEST = 1536; // pixels of a picture's longer side; models see no more

/** actions: send(text, images), stop(), up() (arrow up in an empty box). Gives `root`, `focus()`, `busy(yes)`,
 * `sees(yes)`, `fill(text)`. */
export function composer(shell, actions, placeholder) {
  let images = [], busy = false, sees = false;
  const box = el("textarea", { rows: 1, placeholder, ariaLabel: placeholder, title: "Enter 发送，Shift+Enter 换行", oninput: grow, onkeydown: key, onpaste: paste });
  const shown = el("div", { class: "images" });
  const file = el("input", { type: "file", accept: "image/*", multiple: true, hidden: true, onchange: () => { take(file.files); file.value = ""; } });
  const picture = el("button", { type: "button", class: "ghost picture", title: "加图片（也可以粘贴、拖进来）", ariaLabel: "加图片", hidden: true, onclick: () => file.click() }, icon(ICONS.picture));
  const send = el("button", { type: "button", class: "primary send", onclick: press }, icon(ICONS.send));
  const root = el("div", { class: "composer", ondragover: (event) => { if (sees) event.preventDefault(); }, ondrop: drop },
    shown, el("div", { class: "line" }, picture, box, send, file));

  function grow() {
    box.style.height = "auto";
    box.style.height = `${Math.min(box.scrollHeight + 2, innerHeight * 0.4)}px`;
    send.disabled = !busy && !box.value.trim() && !images.length;
  }

  function key(event) {
    // What an input method takes for itself (Enter chooses a word) is not ours.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); if (!busy) press(); }
    if (event.key === "ArrowUp" && !box.value) { event.preventDefault(); actions.up?.(); }
  }

  function press() {
    if (busy) return actions.stop();
    const text = box.value.trim();
    if (!text && !images.length) return;
    const sent = images;
    images = [];
    box.value = "";
    draw();
    actions.send(text, sent);
  }

  function paste(event) {
    const files = [...event.clipboardData.files].filter((one) => one.type.startsWith("image/"));
    if (files.length && sees) { event.preventDefault(); take(files); }
  }

  function drop(event) {
    if (!sees || !event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  }

  async function take(files) {
    for (const one of files) {
      try { images.push(await shrunk(one)); } catch { shell.toast(`${one.name} 不是能读的图片`, "bad"); }
    }
    draw();
  }

  function draw() {
    shown.replaceChildren(...images.map((source) => el("button", { type: "button", title: "去掉这张", onclick: () => { images = images.filter((other) => other !== source); draw(); } }, el("img", { src: source, alt: "要发的图片，点一下去掉" }))));
    grow();
  }

  const made = {
    root,
    focus: () => box.focus(),
    busy(yes) {
      busy = yes;
      send.replaceChildren(icon(yes ? ICONS.stop : ICONS.send));
      send.title = send.ariaLabel = yes ? "停止（Esc）" : "发送（Enter）";
      grow();
    },
    sees(yes) {
      sees = yes;
      picture.hidden = !yes;
      if (!yes && images.length) { images = []; draw(); }
    },
    fill(text) { box.value = text; grow(); box.focus(); },
  };
  made.busy(false);
  return made;
}

/** A picture as a data: address, no larger than a model looks at. */
async function shrunk(file) {
  const picture = await createImageBitmap(file), scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  const canvas = el("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
  const brush = canvas.getContext("2d");
  brush.fillStyle = "#fff";
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.88);
}
