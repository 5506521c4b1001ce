// Markdown -> elements, block by block. Markup in the text is shown as text; while an answer grows, only what changed
// is made again, so that what the reader has selected or opened stays.
import { codeBlock } from "./code.js";
import { el } from "./element.js";
import { formula } from "./formula.js";
import { inline } from "./inline.js";

const DEEPEST = 6, WIDEST = 200; // levels, and columns of a table

/** Show a text in an element. */
export function showMarkdown(root, text) {
  const made = blocks(text.replace(/\r\n?/g, "\n").split("\n"));
  const old = root.blocks || [];
  let same = 0;
  while (same < made.length && same < old.length && made[same].key === old[same].key) same += 1;
  for (const gone of old.slice(same)) gone.node.remove();
  root.blocks = old.slice(0, same);
  for (const block of made.slice(same)) {
    const node = block.make();
    root.append(node);
    root.blocks.push({ key: block.key, node });
  }
}

/** The elements of some lines. */
function nodes(lines, depth) {
  return blocks(lines, depth).map((block) => block.make());
}

/** The blocks of some lines: `key` tells whether one changed, `make` gives its element. */
function blocks(lines, depth = 0) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) { at += 1; continue; }
    const [end, make] = READERS.map((read) => read(lines, at, depth)).find(Boolean) || paragraph(lines, at, depth);
    found.push({ key: `${make.name}\n${lines.slice(at, end).join("\n")}`, make });
    at = end;
  }
  return found;
}

// Each reader gives [the line behind the block, what makes its element], or null where its kind of block does not begin.

function fence(lines, at) {
  const open = /^( {0,3})(`{3,}|~{3,})\s*([^`]*)$/.exec(lines[at]);
  if (!open) return null;
  const closes = (line) => line.trim().startsWith(open[2]) && !line.trim().replaceAll(open[2][0], "");
  let end = at + 1;
  while (end < lines.length && !closes(lines[end])) end += 1;
  const text = lines.slice(at + 1, end).map((line) => line.replace(new RegExp(`^ {0,${open[1].length}}`), "")).join("\n");
  return [Math.min(end + 1, lines.length), () => codeBlock(text, open[3].trim().split(/\s/)[0])];
}

const FORMULAS = [["$$", "$$"], ["\\[", "\\]"]];

function display(lines, at) {
  const line = lines[at].trim(), marks = FORMULAS.find(([open]) => line.startsWith(open));
  if (!marks) return null;
  for (let end = at; end < lines.length && end < at + 60; end += 1) {
    const text = lines.slice(at, end + 1).join("\n").trim(), inner = text.slice(2);
    if (!inner.endsWith(marks[1])) continue;
    return [end + 1, () => el("div", { class: "formula" }, formula(inner.slice(0, -2).trim(), true))];
  }
  return null;
}

function heading(lines, at) {
  const found = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/.exec(lines[at]);
  return found && [at + 1, () => el(`h${Math.min(found[1].length + 2, 6)}`, {}, inline(found[2]))]; // h1 and h2 are the page's
}

function rule(lines, at) {
  return /^ {0,3}([-*_])(\s*\1){2,}\s*$/.test(lines[at]) ? [at + 1, () => el("hr")] : null;
}

function quote(lines, at, depth) {
  if (!/^ {0,3}>/.test(lines[at]) || depth > DEEPEST) return null;
  let end = at;
  while (end < lines.length && (/^ {0,3}>/.test(lines[end]) || (lines[end].trim() && !begins(lines, end)))) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return [end, () => el("blockquote", {}, nodes(inner, depth + 1))];
}

const cells = (line) => line.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));

function table(lines, at) {
  if (!lines[at].includes("|") || !/^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[at + 1] || "")) return null;
  const sides = cells(lines[at + 1]).map((cell) => (cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : "left"));
  if (sides.length > WIDEST || cells(lines[at]).length !== sides.length) return null;
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && lines[end].trim()) end += 1;
  const line = (tag, text) => {
    const found = cells(text);
    return el("tr", {}, sides.map((side, place) => el(tag, { class: side }, inline(found[place] || ""))));
  };
  return [end, () => el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, line("th", lines[at])), el("tbody", {}, lines.slice(at + 2, end).map((text) => line("td", text)))))];
}

const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])(\s+|$)/;

function list(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  if (!first || first[1].length > 3 || depth > DEEPEST) return null;
  const ordered = /\d/.test(first[2]), items = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const line = lines[end], found = ITEM.exec(line), indent = /^\s*/.exec(line)[0].length;
    const own = found && found[1].length < first[1].length + 2 && /\d/.test(found[2]) === ordered;
    if (own) items.push([line.slice(found[0].length)]);
    else if (!line.trim()) items.at(-1).push("");
    else if (indent >= first[1].length + 2) items.at(-1).push(line.slice(Math.min(indent, first[0].length)));
    else if (!begins(lines, end) && items.at(-1).at(-1) !== "") items.at(-1).push(line.trim());
    else break;
  }
  while (!lines[end - 1].trim()) end -= 1;
  const start = ordered ? { start: Number.parseInt(first[2], 10) } : {};
  return [end, () => el(ordered ? "ol" : "ul", start, items.map((item) => listItem(item, depth)))];
}

function listItem(lines, depth) {
  const task = /^\[([ xX])\]\s+/.exec(lines[0]);
  const text = task ? [lines[0].slice(task[0].length), ...lines.slice(1)] : lines;
  const made = nodes(text, depth + 1);
  if (made[0]?.tagName === "P" && !lines.slice(0, -1).includes("")) made[0].replaceWith(...made.splice(0, 1, ...made[0].childNodes));
  return el("li", { class: task ? "task" : "" }, task && el("input", { type: "checkbox", disabled: true, checked: task[1] !== " " }), made);
}

const READERS = [fence, display, heading, rule, quote, table, list];

const BEGINS = /^ {0,3}(`{3,}|~{3,}|#{1,6}\s|>|([-*_])(\s*\2){2,}\s*$|[-*+]\s|\d{1,9}[.)]\s)|^\s*(\$\$|\\\[)/;

/** Whether a block other than a paragraph begins here. */
function begins(lines, at) {
  return BEGINS.test(lines[at]) || table(lines, at) !== null;
}

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !begins(lines, end)) end += 1;
  return [end, () => el("p", {}, inline(lines.slice(at, end).map((line) => line.trim()).join("\n")))];
}
