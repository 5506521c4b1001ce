// What stands within a line of Markdown: emphasis, code, links, formulas. Made of elements and text only.
import { el } from "./element.js";
import { formula } from "./formula.js";

const DEEPEST = 8, LONGEST = 20000, FARTHEST = 3000; // levels, and characters of a text and of an emphasis
const CJK = /[\u3040-\u30ff\u3400-\u9fff\uff00-\uffef]/;

/** The nodes of a text. */
export function inline(text, depth = 0) {
  if (depth > DEEPEST || text.length > LONGEST) return [text];
  const found = [];
  let plain = "", at = 0;
  while (at < text.length) {
    const made = special(text, at, depth);
    if (!made) {
      plain += text[at];
      at += 1;
      continue;
    }
    if (plain) found.push(plain);
    plain = "";
    found.push(made.node);
    at = made.end;
  }
  if (plain) found.push(plain);
  return found;
}

/** What begins at a place, and where it ends; null for a plain character. */
function special(text, at, depth) {
  switch (text[at]) {
    case "\\": return escaped(text, at);
    case "`": return code(text, at);
    case "$": return dollars(text, at);
    case "*": case "_": case "~": return emphasis(text, at, depth);
    case "[": return link(text, at, depth);
    case "!": return text[at + 1] === "[" ? picture(text, at, depth) : null;
    case "h": return address(text, at);
    case "<": return angle(text, at);
    case "\n": return { node: el("br"), end: at + 1 };
    default: return null;
  }
}

function escaped(text, at) {
  for (const [open, close] of [["\\(", "\\)"], ["\\[", "\\]"]]) {
    const end = text.startsWith(open, at) ? text.indexOf(close, at + 2) : -1;
    if (end > 0) return { node: formula(text.slice(at + 2, end).trim(), open === "\\["), end: end + 2 };
  }
  return /[!-/:-@[-`{-~]/.test(text[at + 1] || "") ? { node: text[at + 1], end: at + 2 } : null;
}

function code(text, at) {
  const ticks = /^`+/.exec(text.slice(at, at + 20))[0], end = text.indexOf(ticks, at + ticks.length);
  if (end < 0) return { node: ticks, end: at + ticks.length };
  return { node: el("code", {}, text.slice(at + ticks.length, end).trim() || " "), end: end + ticks.length };
}

/** A formula between dollars; sums of money ("从 $100 涨到 $200") are none: a formula neither begins nor ends with a
 * blank, is not followed by a digit, and has Chinese only within \text{}. */
function dollars(text, at) {
  const block = text.startsWith("$$", at), mark = block ? "$$" : "$", from = at + mark.length;
  let end = text.indexOf(mark, from);
  while (end > 0 && text[end - 1] === "\\") end = text.indexOf(mark, end + 1);
  const inner = end < 0 ? "" : text.slice(from, end);
  if (!inner.trim() || (!block && (/^\s|\s$/.test(inner) || /\d/.test(text[end + 1] || "") || /\n\n/.test(inner)))) return null;
  if (!block && CJK.test(inner.replace(/\\(text|mbox|mathrm|operatorname)\s*\{[^}]*\}/g, ""))) return null;
  return { node: formula(inner.trim(), block), end: end + mark.length };
}

const EMPHASES = [["***", "strong"], ["**", "strong"], ["__", "strong"], ["~~", "del"], ["*", "em"], ["_", "em"]];

function emphasis(text, at, depth) {
  const [mark, tag] = EMPHASES.find(([sign]) => text.startsWith(sign, at)) || [];
  if (!mark) return null;
  const from = at + mark.length, single = mark.length === 1, letter = /[A-Za-z0-9]/;
  const blocked = /\s/.test(text[from] || " ") || ((single || mark === "__") && letter.test(text[at - 1] || ""));
  if (blocked) return { node: mark, end: from };
  let end = text.indexOf(mark, from);
  while (end > 0 && end - from < FARTHEST && (/\s/.test(text[end - 1]) || (single && (text[end + 1] === mark || text[end - 1] === mark)) ||
    (mark === "_" && letter.test(text[end + 1] || "")))) end = text.indexOf(mark, end + 1);
  if (end <= from || end - from > FARTHEST) return { node: mark, end: from };
  const inner = inline(text.slice(from, end), depth + 1);
  return { node: mark === "***" ? el("strong", {}, el("em", {}, inner)) : el(tag, {}, inner), end: end + mark.length };
}

/** `[words](address)`, the parentheses balanced; null where there is none. */
function linkAt(text, at) {
  const close = text.indexOf("](", at);
  if (close < 0 || text.slice(at, close).includes("\n\n")) return null;
  let depth = 1, end = close + 2;
  for (; end < text.length && depth; end += 1) depth += (text[end] === "(") - (text[end] === ")");
  return depth ? null : { words: text.slice(at + 1, close), address: text.slice(close + 2, end - 1).trim().split(/\s+"/)[0], end };
}

function link(text, at, depth) {
  const found = linkAt(text, at);
  return found && { node: anchor(found.address, inline(found.words, depth + 1)), end: found.end };
}

/** A picture is told and linked, never loaded: its address could tell another machine what was asked. */
function picture(text, at, depth) {
  const found = linkAt(text, at + 1);
  return found && { node: anchor(found.address, ["图片：", ...inline(found.words || found.address, depth + 1)]), end: found.end };
}

function address(text, at) {
  const found = /^https?:\/\/[^\s<>"'`\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+/.exec(text.slice(at, at + 2000));
  if (!found || /[A-Za-z0-9]/.test(text[at - 1] || "")) return null;
  const whole = found[0].replace(/[.,;:!?)\]*]+$/, "");
  return { node: anchor(whole, [whole]), end: at + whole.length };
}

function angle(text, at) {
  const found = /^<(https?:\/\/[^\s<>]+)>|^<br\s*\/?>/i.exec(text.slice(at, at + 2000));
  if (!found) return null;
  return { node: found[1] ? anchor(found[1], [found[1]]) : el("br"), end: at + found[0].length };
}

/** A link to the web; any other address (javascript:, data:, this server's own) is shown as words. */
function anchor(address, children) {
  if (!/^(https?:\/\/|mailto:)/i.test(address)) return el("span", { title: address }, children);
  return el("a", { href: address, title: address, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
}
