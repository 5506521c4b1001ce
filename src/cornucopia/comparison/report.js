// Lays out the questions of the page: filters, sorts, pages, marks. Every text goes in as a text node, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const names = data.contestants;
  const $ = (id) => document.getElementById(id);
  const grid = $("grid");
  const hasNumbers = data.rows.some((row) => row.cells.some((cell) => cell.numbers !== null));
  const hasGolden = data.rows.some((row) => row.golden);
  const controls = ["search", "domain", "kind", "sort", "judged", "differ", "marks", "strays", "expand", "size"].filter((id) => $(id));
  const LONGEST = 4e6; // characters of one answer times those of the golden answer, above which no marks are computed
  data.rows.forEach((row, order) => {
    row.order = order;
    row.haystack = [row.id, row.question, row.material, row.golden, row.domain, row.kind, ...row.cells.map((c) => c.answer || c.error), ...row.cells.map((c) => c.reasoning)]
      .join("\n").toLowerCase();
  });
  let page = 0;
  let shown = [];
  let here = -1;
  let target = null; // {row, cell}: the one answer that the address names

  const el = (tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  };
  const option = (value, text, parent) => {
    const node = el("option", "", text);
    node.value = value;
    parent.append(node);
  };

  function fillChoices(id, field, all) {
    const counts = new Map();
    for (const row of data.rows) if (row[field]) counts.set(row[field], (counts.get(row[field]) || 0) + 1);
    option("", all, $(id));
    for (const [name, count] of counts) option(name, `${name}（${count}）`, $(id));
    $(id).hidden = counts.size < 2;
  }

  function fillSorts() {
    option("", "按原来的顺序", $("sort"));
    option("domain", "按领域", $("sort"));
    if (!hasGolden) return;
    names.forEach((name, i) => {
      const group = el("optgroup");
      group.label = name;
      option(`f1-${i}`, `${name}：F1 从高到低`, group);
      option(`-f1-${i}`, `${name}：F1 从低到高`, group);
      if (hasNumbers) option(`-numbers-${i}`, `${name}：数字正确率从低到高`, group);
      if (i) option(`gap-${i}`, `${name}：比「${names[0]}」好得最多`, group);
      if (i) option(`-gap-${i}`, `${name}：比「${names[0]}」差得最多`, group);
      $("sort").append(group);
    });
  }

  // ---- choosing rows
  function order(rows, how) {
    if (how === "domain") return rows.sort((a, b) => a.domain.localeCompare(b.domain, "zh") || a.order - b.order);
    const [, minus, what, index] = /^(-?)(f1|numbers|gap)-(\d+)$/.exec(how) || [];
    if (!what || !names[index]) return rows;
    const value = (row) => {
      if (what === "numbers") return row.cells[index].numbers ?? null;
      const f1 = row.cells[index].f1;
      if (f1 === null || (what === "gap" && row.cells[0].f1 === null)) return null;
      return what === "f1" ? f1 : f1 - row.cells[0].f1;
    };
    const sign = minus ? 1 : -1;
    return rows.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null) || a.order - b.order; // unscored rows go last
      return sign * (x - y) || a.order - b.order;
    });
  }

  function choose() {
    const words = $("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const rows = data.rows.filter((row) =>
      (!$("domain").value || row.domain === $("domain").value) && (!$("kind").value || row.kind === $("kind").value) &&
      (!$("differ").checked || row.differ) && (!$("judged").value || judge.filters[$("judged").value](row)) && words.every((word) => row.haystack.includes(word)));
    shown = order(rows, $("sort").value);
    return words;
  }

  // ---- marking
  // Which characters of `text` lie in a longest common subsequence with `golden`, in runs of two or more:
  // single characters (的, 了) meet by chance.
  function matches(text, golden) {
    const n = text.length, m = golden.length;
    if (!n || !m || n * m > LONGEST) return null;
    const width = m + 1;
    const table = new Uint16Array((n + 1) * width);
    for (let i = n - 1; i >= 0; i--) {
      for (let j = m - 1; j >= 0; j--) {
        table[i * width + j] = text[i] === golden[j] ? table[(i + 1) * width + j + 1] + 1
          : Math.max(table[(i + 1) * width + j], table[i * width + j + 1]);
      }
    }
    const marked = new Uint8Array(n);
    for (let i = 0, j = 0, run = 0; i <= n && j <= m;) {
      if (i < n && j < m && text[i] === golden[j]) { i++; j++; run++; continue; }
      if (run > 1) marked.fill(1, i - run, i);
      run = 0;
      if (i >= n || j >= m) break;
      if (table[(i + 1) * width + j] >= table[i * width + j + 1]) i++; else j++;
    }
    return marked;
  }

  function hits(text, words) {
    const found = new Uint8Array(text.length);
    const low = text.toLowerCase();
    if (low.length !== text.length) return found;
    for (const word of words) for (let at = low.indexOf(word); at >= 0; at = low.indexOf(word, at + word.length)) found.fill(1, at, at + word.length);
    return found;
  }

  function write(node, text, marked, words, strays = []) {
    const found = hits(text, words);
    const odd = new Uint8Array(text.length);
    for (const [start, end] of strays) odd.fill(1, start, end);
    for (let i = 0; i < text.length;) {
      let j = i + 1;
      while (j < text.length && found[j] === found[i] && odd[j] === odd[i] && (!marked || marked[j] === marked[i])) j++;
      const piece = text.slice(i, j);
      const kind = [marked && marked[i] ? "m" : "", odd[i] ? "stray" : "", found[i] ? "hit" : ""].filter(Boolean).join(" ");
      node.append(kind ? el(found[i] ? "mark" : "span", kind, piece) : document.createTextNode(piece));
      i = j;
    }
    return node;
  }

  // ---- drawing
  function drawAsk(row, number, words) {
    const tr = el("tr", "ask");
    const th = el("th");
    th.colSpan = names.length + (hasGolden ? 1 : 0);
    th.scope = "rowgroup";
    const line = el("span", "line");
    line.append(el("span", "number", `${number}`));
    write(line, row.question, null, words);
    for (const chip of [row.domain, row.kind]) if (chip) line.append(el("span", "chip", chip));
    if (row.material) line.append(write(el("span", "material"), row.material, null, words));
    th.append(line);
    tr.append(th);
    return tr;
  }

  function drawFoot(row, cell, index, best) {
    const foot = el("div", "foot");
    const add = (text, className, title) => { const node = el("span", className, text); if (title) node.title = title; foot.append(node); };
    if (cell.f1 !== null) add(`F1 ${cell.f1.toFixed(2)}`, best ? "score best" : "score", best ? "这一题的最高分" : "");
    if (cell.rouge_l !== null) add(`ROUGE-L ${cell.rouge_l.toFixed(2)}`, "score");
    if (cell.numbers !== null) add(`数字 ${Math.round(100 * cell.numbers)}%`, cell.numbers < 1 ? "numbers low" : "numbers", cell.numbers_note);
    else if (cell.strays.length) add(`没依据的数字 ${cell.strays.length}`, "numbers", cell.numbers_note);
    add(`${[...cell.answer].length} 字`, "", `题目 ${cell.asked}、回答 ${cell.tokens} 个词元，${cell.seconds.toFixed(1)} 秒${cell.speed ? `，每秒 ${cell.speed.toFixed(1)} 个` : ""}`);
    if (cell.perplexity !== "—") add(`困惑度 ${cell.perplexity}`, "", "对参考答案的困惑度");
    if (cell.finish === "length") add("截断", "flag", "到长度上限还没说完");
    if (cell.repetition > 0.3) add(`重复 ${Math.round(cell.repetition * 100)}%`, "flag", "四字片段的重复占比");
    const link = el("a", "link", "链接");
    link.href = `#${new URLSearchParams({ row: row.id, cell: String(index) })}`;
    link.title = "这一格的地址";
    foot.append(link, judge.draw(row, index));
    return foot;
  }

  function drawThought(text, words) {
    const details = el("details", "thought");
    details.append(el("summary", "", "思考过程"), write(el("div", "text"), text, null, words));
    return details;
  }

  function drawCell(row, cell, index, best, words, marks) {
    const td = el("td", cell.error ? "error" : "");
    td.dataset.name = names[index];
    if (cell.error) {
      td.append(write(el("div", "text"), `出错：${cell.error}`, null, words));
      return td;
    }
    const marked = marks && row.golden ? matches(cell.answer, row.golden) : null;
    if (cell.reasoning) td.append(drawThought(cell.reasoning, words));
    td.append(cell.answer ? write(el("div", "text"), cell.answer, marked, words, $("strays") && $("strays").checked ? cell.strays : []) : el("div", "text empty", "（空）"));
    for (const doubt of cell.doubts) td.append(el("div", "doubt", doubt));
    if (cell.f1 !== null) {
      const meter = el("span", "meter");
      const level = el("i", `c${index}`);
      level.style.width = `${100 * cell.f1}%`;
      meter.append(level);
      td.append(meter);
    }
    td.append(drawFoot(row, cell, index, best));
    td.classList.toggle("target", target !== null && target.row === row.id && target.cell === index);
    return td;
  }

  function drawRow(row, number, words, marks) {
    const body = el("tbody");
    body.tabIndex = -1;
    body.dataset.id = row.id;
    const tr = el("tr", "answers");
    if (hasGolden) {
      const td = el("td", "golden");
      td.dataset.name = "参考答案";
      td.append(write(el("div", "text"), row.golden, null, words));
      const foot = el("div", "foot");
      for (const text of [row.source, row.as_of && `截至 ${row.as_of}`]) if (text) foot.append(el("span", "", text));
      if (foot.childNodes.length) td.append(foot);
      tr.append(td);
    }
    const scores = row.cells.map((cell) => cell.f1 ?? -1);
    const top = Math.max(...scores);
    const single = names.length > 1 && top > 0 && scores.filter((score) => score === top).length === 1;
    row.cells.forEach((cell, i) => tr.append(drawCell(row, cell, i, single && scores[i] === top, words, marks)));
    body.append(drawAsk(row, number, words), tr);
    return body;
  }

  function addMore(body) {
    const cut = [...body.querySelectorAll(".text")].filter((text) => text.scrollHeight > text.clientHeight + 4);
    if (!cut.length) return;
    body.classList.add("long");
    cut.forEach((text) => text.classList.add("cut"));
    const button = el("button", "more", "展开");
    button.type = "button";
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => toggle(body));
    cut[0].after(button);
  }

  function toggle(body, open = !body.classList.contains("open")) {
    body.classList.toggle("open", open);
    const button = body.querySelector(".more");
    if (!button) return;
    button.textContent = open ? "收起" : "展开";
    button.setAttribute("aria-expanded", String(open));
  }

  function draw(everything = false) {
    const words = choose();
    const size = everything ? Math.max(shown.length, 1) : Number($("size").value);
    const pages = Math.max(1, Math.ceil(shown.length / size));
    page = everything ? 0 : Math.min(page, pages - 1);
    grid.querySelectorAll("tbody").forEach((body) => body.remove());
    const marks = $("marks") ? $("marks").checked : false;
    const bodies = shown.slice(page * size, (page + 1) * size).map((row) => drawRow(row, row.order + 1, words, marks));
    grid.append(...bodies);
    bodies.forEach(addMore);
    if ($("expand").checked) bodies.forEach((body) => toggle(body, true));
    here = -1;
    $("count").textContent = shown.length === data.rows.length ? `${shown.length} 题` : `${shown.length} / ${data.rows.length} 题`;
    $("place").textContent = `${page + 1} / ${pages}`;
    $("previous").disabled = page === 0;
    $("next").disabled = page >= pages - 1;
    $("pages").hidden = data.rows.length <= 10;
    $("nothing").hidden = shown.length > 0;
    remember();
  }

  // ---- state in the address
  const value = (id) => ($(id).type === "checkbox" ? $(id).checked : $(id).value);
  const initial = {};
  function remember() {
    const state = new URLSearchParams();
    for (const id of controls) if (value(id) !== initial[id]) state.set(id, String(value(id)));
    if (target) state.set("row", target.row), state.set("cell", String(target.cell));
    else if (page) state.set("page", String(page + 1));
    const hash = state.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }
  function recall() {
    const state = new URLSearchParams(location.hash.slice(1));
    for (const id of controls) {
      const wanted = state.has(id) ? state.get(id) : initial[id];
      if ($(id).type === "checkbox") $(id).checked = String(wanted) === "true";
      else $(id).value = wanted;
      if ($(id).tagName === "SELECT" && $(id).selectedIndex < 0) $(id).value = initial[id];
    }
    page = Math.max(0, (parseInt(state.get("page"), 10) || 1) - 1);
    target = data.rows.some((row) => row.id === state.get("row")) ? { row: state.get("row"), cell: Number(state.get("cell")) || 0 } : null;
    if (target) {
      choose();
      page = Math.max(0, Math.floor(shown.findIndex((row) => row.id === target.row) / Number($("size").value)));
    }
    draw();
    const marked = grid.querySelector("td.target");
    if (marked) {
      toggle(marked.closest("tbody"), true);
      marked.scrollIntoView({ block: "center" });
    }
  }
  function turn(step) {
    page = Math.max(0, page + step);
    target = null;
    draw();
    $("answers").scrollIntoView();
  }
  function reset() {
    for (const id of ["search", "domain", "kind"]) $(id).value = "";
    $("differ").checked = false;
    page = 0;
    draw();
  }

  // ---- export
  function save(name, type, text) {
    const link = el("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  // A leading = + - @ would be run by a spreadsheet as a formula.
  const quote = (text) => `"${String(text ?? "").replace(/^(?=[=+\-@\t\r])/, "'").replace(/"/g, '""')}"`;
  function exportCsv() {
    const head = ["id", "领域", "题型", "问题", "材料", "参考答案", ...names, ...names.map((name) => `${name} F1`), ...names.map((name) => `${name} 数字正确率`)];
    const number = (x) => (x === null ? "" : x);
    const lines = shown.map((row) => [...[row.id, row.domain, row.kind, row.question, row.material, row.golden,
      ...row.cells.map((c) => (c.error ? `出错：${c.error}` : c.answer))].map(quote), ...row.cells.map((c) => number(c.f1)), ...row.cells.map((c) => number(c.numbers))]);
    save("answers.csv", "text/csv", "\ufeff" + [head.map(quote), ...lines].map((line) => line.join(",")).join("\r\n") + "\r\n");
  }
  function exportJsonl() {
    const lines = shown.map((row) => JSON.stringify({ id: row.id, domain: row.domain, kind: row.kind, question: row.question,
      material: row.material, golden: row.golden, answers: Object.fromEntries(names.map((name, i) => [name, row.cells[i]])) }));
    save("answers.jsonl", "application/jsonl", lines.join("\n") + "\n");
  }

  const judge = makeJudge(data, el, save, countVerdicts);
  function countVerdicts() {
    const counts = judge.count().filter((one) => one.pass + one.fail);
    $("judged-count").textContent = counts.map((one) => `「${one.name}」合格 ${one.pass}、不合格 ${one.fail}。`).join("");
    for (const id of ["votes", "pairs"]) $(id).hidden = !judge[id]().length;
  }

  // ---- keyboard
  function go(step) {
    const bodies = [...grid.querySelectorAll("tbody")];
    if (!bodies.length) return;
    bodies.forEach((body) => body.classList.remove("here"));
    here = Math.min(Math.max(here + step, 0), bodies.length - 1);
    bodies[here].classList.add("here");
    bodies[here].focus({ preventScroll: true });
    bodies[here].scrollIntoView({ block: "start" });
  }
  const keys = {
    "/": () => $("search").focus(), j: () => go(1), k: () => go(-1), n: () => $("next").disabled || turn(1),
    p: () => $("previous").disabled || turn(-1), d: () => $("differ").click(),
    e: () => { const body = grid.querySelectorAll("tbody")[Math.max(here, 0)]; if (body) toggle(body); },
  };
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "Escape" && event.target === $("search")) { $("search").value = ""; page = 0; draw(); $("search").blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  // ---- start
  fillChoices("domain", "domain", "全部领域");
  fillChoices("kind", "kind", "全部题型");
  fillSorts();
  document.documentElement.style.setProperty("--columns", String(names.length + (hasGolden ? 1 : 0)));
  for (const id of controls) {
    initial[id] = value(id);
    $(id).addEventListener(id === "search" ? "input" : "change", () => { page = 0; target = null; draw(); });
  }
  $("previous").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("reset").addEventListener("click", reset);
  $("csv").addEventListener("click", exportCsv);
  $("jsonl").addEventListener("click", exportJsonl);
  $("votes").addEventListener("click", judge.saveVotes);
  $("pairs").addEventListener("click", judge.savePairs);
  window.addEventListener("hashchange", recall);
  window.addEventListener("beforeprint", () => draw(true));
  window.addEventListener("afterprint", () => draw());
  // The window without its scrollbar, which 100vw counts in; up to four columns never make the page wider than it.
  function measure() {
    const root = document.documentElement;
    const columns = names.length + (hasGolden ? 1 : 0);
    root.style.setProperty("--window", `${root.clientWidth}px`);
    root.classList.toggle("narrow", root.clientWidth < Math.max(700, Math.min(columns, 4) * 210 + 112));
    root.style.setProperty("--bar", `${$("bar").offsetHeight}px`);
  }
  const watch = new ResizeObserver(measure);
  watch.observe($("bar"));
  watch.observe(document.documentElement);
  measure();
  countVerdicts();
  recall();
})();
