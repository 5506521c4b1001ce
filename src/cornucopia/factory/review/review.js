
"use strict";
// Everything a record holds is set as text, never as markup: a record cannot run anything.
const TOKEN = document.querySelector("meta[name=token]").content;
const $ = (id) => document.getElementById(id);
const ROLES = { system: "系统提示", user: "提问", assistant: "回答", tool: "工具" };
const FACTS = { id: "编号", domain: "领域", kind: "类型", source: "出处", span: "位置", licence: "许可证", as_of: "核对到", origin: "文件" };
let summary = null, queue = [], place = 0, shown = null, busy = false;

async function call(path, body) {
  const options = { headers: { "x-token": TOKEN, "content-type": "application/json" } };
  if (body !== undefined) { options.method = "POST"; options.body = JSON.stringify(body); }
  const response = await fetch(path, options);
  const value = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(value.error || "请求没有成功（" + response.status + "）");
  return value;
}

function element(kind, text, classes) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function fill(select, choices, kept) {
  select.replaceChildren(...kept);
  for (const [value, label] of choices) { const option = element("option", label); option.value = value; select.append(option); }
}

function showSummary(value) {
  summary = value;
  const done = value.total - value.undecided;
  for (const verdict of Object.keys(value.verdicts)) $("bar-" + verdict).style.width = 100 * value.counts[verdict] / Math.max(value.total, 1) + "%";
  const parts = Object.entries(value.verdicts).map(([verdict, label]) => label + " " + value.counts[verdict]);
  $("counts").textContent = done + " / " + value.total + "（" + parts.join("，") + "）";
}

async function loadQueue(number) {
  const query = new URLSearchParams({ show: $("show").value, domain: $("domain").value, order: $("order").value, words: $("words").value });
  queue = await call("/api/queue?" + query);
  place = Math.max(queue.indexOf(number), 0);
  await showRecord();
}

async function showRecord() {
  if (!queue.length) {
    shown = null;
    $("source").replaceChildren();
    $("record").replaceChildren(element("p", summary.undecided ? "这里没有要看的，换一个「看」。" : "全部审完了。", "empty"));
    $("place").textContent = "";
    return;
  }
  shown = await call("/api/records/" + queue[place]);
  $("place").textContent = (place + 1) + " / " + queue.length;
  $("note").value = shown.decision ? shown.decision.note : "";
  $("source").replaceChildren(...(shown.sources.length ? shown.sources.map(sourceOf) : [element("p", "这一条没有带来源原文。", "empty")]));
  $("record").replaceChildren(...recordParts());
  const mark = $("source").querySelector("mark");
  if (mark) mark.scrollIntoView({ block: "center" }); else $("source").scrollTop = 0;
  $("record").scrollTop = 0;
}

function sourceOf(source) {
  const article = element("article"), words = element("div", undefined, "words");
  const chars = source.text; let at = 0;
  for (const [start, end] of source.marks.map((m) => m.map((p) => utf16(chars, p)))) {
    if (start < at) continue;
    words.append(chars.slice(at, start), element("mark", chars.slice(start, end)));
    at = end;
  }
  words.append(chars.slice(at));
  article.append(element("h2", source.title), words);
  return article;
}

// Places are counted in characters; the browser counts UTF-16 units.
function utf16(text, place) {
  if (!/[\ud800-\udbff]/.test(text)) return place;
  return Array.from(text).slice(0, place).join("").length;
}

function recordParts() {
  const parts = [];
  if (shown.decision) parts.push(element("p", "已定：" + summary.verdicts[shown.decision.verdict], "verdict " + shown.decision.verdict));
  const facts = element("dl");
  for (const [name, value] of Object.entries(shown.facts)) facts.append(element("dt", FACTS[name]), element("dd", value));
  for (const [name, value] of Object.entries(shown.scores)) facts.append(element("dt", "分数 " + name), element("dd", String(value)));
  if (facts.children.length) parts.push(facts);
  shown.turns.forEach((turn, number) => parts.push(turnOf(turn, String(number))));
  if (shown.text) parts.push(turnOf({ role: "text", content: shown.text }, "text"));
  shown.rejected.forEach((turns) => turns.forEach((turn) => parts.push(turnOf(turn, "", "没选中的回答"))));
  return parts;
}

function turnOf(turn, name, label) {
  const article = element("article", undefined, "turn " + (label ? "rejected" : turn.role));
  article.append(element("h2", label || ROLES[turn.role] || "正文"));
  if (turn.reasoning) article.append(element("div", turn.reasoning, "words reasoning"));
  const changed = shown.decision && name in shown.decision.turns;
  const words = element("div", changed ? shown.decision.turns[name] : turn.content, "words said");
  if (name) words.dataset.turn = name;
  article.append(words);
  for (const made of turn.calls || []) article.append(element("div", made, "words reasoning"));
  return article;
}

function edit() {
  if (!shown || document.querySelector("textarea")) return;
  let first = null;
  for (const words of document.querySelectorAll("[data-turn]")) {
    const area = element("textarea");
    area.value = words.textContent; area.dataset.turn = words.dataset.turn; area.spellcheck = false;
    area.rows = Math.min(20, Math.max(2, Math.ceil(area.value.length / 30) + area.value.split("\n").length));
    words.replaceWith(area);
    if (shown.turns[+words.dataset.turn]?.role === "assistant" || !first) first = area;
  }
  $("edit").lastChild.textContent = " 存下修改（Ctrl+Enter）";
  if (first) first.focus();
}

function stopEditing() { $("edit").lastChild.textContent = " 修改"; }

async function decide(verdict) {
  if (!shown || busy) return;
  busy = true;
  try {
    const turns = {};
    for (const area of document.querySelectorAll("textarea")) turns[area.dataset.turn] = area.value;
    const body = { number: shown.number, verdict, turns: verdict === "edit" ? turns : {}, note: $("note").value };
    showSummary(await call("/api/decisions", body));
    stopEditing();
    say("");
    if ($("show").value === "undecided") { queue.splice(place, 1); place = Math.min(place, Math.max(queue.length - 1, 0)); }
    else place = Math.min(place + 1, queue.length - 1);
    await showRecord();
  } catch (error) { say(error.message); } finally { busy = false; }
}

async function undo() {
  const value = await call("/api/undo", {});
  showSummary(value);
  if (value.number === null) { say("没有可撤回的"); return; }
  say(""); stopEditing();
  await loadQueue(value.number);
}

async function move(step) { place = Math.min(Math.max(place + step, 0), queue.length - 1); stopEditing(); await showRecord(); }
function say(text) { $("message").textContent = text; }
function attempt(action) { return () => Promise.resolve(action()).catch((error) => say(error.message)); }

const KEYS = { a: () => decide("accept"), r: () => decide("reject"), e: edit, u: undo, j: () => move(1), k: () => move(-1),
  n: () => $("note").focus(), "/": () => $("words").focus() };

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
  if (event.key === "Escape") { event.target.blur(); if (document.querySelector("textarea")) { stopEditing(); attempt(showRecord)(); } return; }
  if (document.querySelector("textarea")) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); attempt(() => decide("edit"))(); }
    return;
  }
  if (event.target.id === "note" && event.key === "Enter") { event.target.blur(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = KEYS[event.key.toLowerCase()];
  if (action) { event.preventDefault(); attempt(action)(); }
});

$("accept").onclick = attempt(() => decide(document.querySelector("textarea") ? "edit" : "accept"));
$("reject").onclick = attempt(() => decide("reject"));
$("edit").onclick = attempt(() => document.querySelector("textarea") ? decide("edit") : edit());
$("undo").onclick = attempt(undo);
$("next").onclick = attempt(() => move(1));
$("previous").onclick = attempt(() => move(-1));
for (const id of ["show", "domain", "order", "words"]) $(id).onchange = attempt(() => { stopEditing(); return loadQueue(); });

attempt(async () => {
  showSummary(await call("/api/summary"));
  fill($("show"), Object.entries(summary.shown), []);
  fill($("order"), Object.entries(summary.orders), []);
  fill($("domain"), summary.domains.map((name) => [name, name]), [...$("domain").children]);
  await loadQueue();
})();
