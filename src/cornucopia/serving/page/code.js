// Blocks of code: a button that copies, and colours for strings, numbers, comments and the commonest keywords.
import { el } from "./element.js";

const WORDS = new Set(("and as async await break case catch class const continue def del do elif else except export extends " +
  "false False finally fn for from func function global if impl import in int is lambda let match mut new None nil not null or pass " +
  "public private raise return select self static str struct super switch this throw true True try type use var void while with " +
  "yield SELECT FROM WHERE AND OR JOIN ON GROUP ORDER BY LIMIT INSERT UPDATE DELETE AS").split(" "));
const HASH = /^(py|python|sh|bash|shell|console|zsh|r|ruby|rb|yaml|yml|toml|ini|dockerfile|make|)$/i;
const LONGEST = 30000; // characters that are coloured

/** A block of code; `language` is what stood behind the fence. */
export function codeBlock(text, language) {
  const copy = el("button", { type: "button", class: "ghost copy", onclick: () => copyText(text, copy) }, "复制");
  return el("figure", { class: "code" },
    el("figcaption", {}, el("span", {}, language || "代码"), copy),
    el("pre", { tabIndex: 0 }, el("code", {}, text.length > LONGEST ? text : coloured(text, language))));
}

/** Copy a text, and say so on the button; without HTTPS a page may not use the clipboard's own interface. */
export async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { value: text, class: "unseen" });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = [...button.childNodes];
  button.replaceChildren("已复制");
  setTimeout(() => button.replaceChildren(...before), 1500);
}

function coloured(text, language) {
  const comment = HASH.test(language) ? "#[^\\n]*" : "//[^\\n]*|/\\*[^]*?\\*/|--[^\\n]*";
  const pattern = new RegExp(`(${comment})|("(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*')|(\\b\\d[\\d_.]*\\b)|([A-Za-z_]\\w*)`, "g");
  const found = [];
  let at = 0;
  for (const match of text.matchAll(pattern)) {
    const kind = match[1] ? "comment" : match[2] ? "string" : match[3] ? "number" : WORDS.has(match[4]) ? "word" : "";
    if (!kind) continue;
    found.push(text.slice(at, match.index), el("span", { class: kind }, match[0]));
    at = match.index + match[0].length;
  }
  return [...found, text.slice(at)];
}
