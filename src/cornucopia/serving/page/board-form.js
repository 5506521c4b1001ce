// The form that starts a run: data dropped in or picked, a model, and the recipe's settings, which the server lists.
import { copied, isBusy, planTables, together } from "./board-run.js";

const API = "/page/api/board/";
const KEPT = "cornucopia.board.form";
const KINDS = { chosen: "更好的回答", rejected: "被拒的回答", good: "标为好", bad: "标为坏", "": "" };

/** options: `started(name)` is called when a run has begun. Returns { node, open(), like(name) }. */
export function runForm(shell, { started }) {
  const { el } = shell;
  const node = el("div", { class: "start" }, el("p", { class: "faint" }, "正在读设置……"));
  let form = null, opened = null, chosen = fresh(), waiting = 0;

  function fresh() {
    try { return { ...blank(), ...JSON.parse(shell.storage.get(KEPT) || "{}") }; } catch { return blank(); }
  }
  function blank() { return { values: {}, base: "", adapter: "", data: [], val_data: "", label: "" }; }

  function changed(redraw = false) {
    shell.storage.set(KEPT, JSON.stringify(chosen), false);
    if (redraw) draw();
    clearTimeout(waiting);
    waiting = setTimeout(tellCommand, 400);
  }

  /** Read anew what may be picked, as the form comes into view. */
  function open() {
    opened = load().catch((error) => node.replaceChildren(el("p", { class: "bad" }, `读不到设置：${error.message}`)));
    return opened;
  }

  async function load() {
    form = await shell.json(`${API}form`, { quiet: true });
    if (!form.bases.includes(chosen.base)) chosen.base = form.bases[0] || "";
    const known = form.data.map((one) => one.id);
    chosen.data = chosen.data.filter((id) => known.includes(id));
    draw();
    tellCommand();
  }

  async function like(name) { await fill(`run=${encodeURIComponent(name)}`); }

  async function fill(query) {
    const filled = await shell.json(`${API}recipe?${query}`);
    await opened;
    chosen = { ...blank(), ...filled, base: filled.base || chosen.base, data: filled.data.length ? filled.data : chosen.data, label: chosen.label };
    delete chosen.missing;
    for (const word of filled.missing) shell.toast(word, "bad");
    changed(true);
  }

  // The parts of the form

  const command = el("div", { class: "command" }), outcome = el("div", { class: "outcome" }), checked = el("div", { class: "checked" });

  function draw() {
    const open = new Set([...node.querySelectorAll("details[open]")].map((one) => one.dataset.title));
    node.replaceChildren(
      el("div", { class: "row" }, el("h2", {}, "开始训练"), recipes()),
      el("section", { class: "card" }, el("h3", {}, "数据"), dropZone(), dataList(), checked),
      el("section", { class: "card" }, el("h3", {}, "模型"), el("div", { class: "settings" },
        picked("基座", "base", form.bases, "从哪个模型开始"), picked("适配器", "adapter", form.adapters, "在练过的适配器上接着练；不选则从头练一个", "不用"),
        picked("验证数据", "val_data", form.data.map((one) => one.id), "不选则按「验证集大小」从训练数据里分", "从训练数据里分"), label())),
      ...form.groups.map((group) => settings(group, open)).filter(Boolean),
      el("section", { class: "card" }, el("h3", {}, "命令行"), command),
      el("div", { class: "buttons" }, act("预览数据", preview), act("看计划和内存", plan), act("开始训练", start, "primary")),
      outcome);
  }

  function recipes() {
    const select = el("select", { "aria-label": "从一份配方开始", onchange: () => select.value && fill(`name=${encodeURIComponent(select.value)}`) },
      el("option", { value: "" }, "从一份配方开始……"), form.recipes.map((name) => el("option", { value: name }, name)));
    const clear = el("button", { type: "button", class: "ghost", onclick: () => { chosen = { ...blank(), base: form.bases[0] || "" }; checked.replaceChildren(); outcome.replaceChildren(); changed(true); } }, "全部还原");
    return el("div", { class: "acts" }, select, clear);
  }

  function dropZone() {
    const input = el("input", { type: "file", accept: form.suffixes.join(","), multiple: true, id: "board-file", onchange: () => take(input.files) });
    const zone = el("label", { class: "drop", for: "board-file" }, input, el("b", {}, "把数据文件拖到这里，或点开选"),
      el("span", { class: "faint" }, `${form.suffixes.join(" ")}，至多 ${form.most_mb} MB；放上来就逐行检查`));
    zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => { event.preventDefault(); zone.classList.remove("over"); take(event.dataTransfer.files); });
    return zone;
  }

  async function take(files) {
    for (const file of files) {
      checked.replaceChildren(el("p", { class: "soft" }, `正在上传和检查 ${file.name} ……`));
      const query = new URLSearchParams({ name: file.name, objective: value("objective") });
      try {
        const kept = await shell.json(`${API}upload?${query}`, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } });
        form.data.unshift(kept);
        chosen.data = [...chosen.data.filter((id) => !id.includes("/")), kept.id]; // the bundled data give way to one's own
        changed(true);
        checked.replaceChildren(told(kept.name, kept.check));
      } catch {
        checked.replaceChildren();
      }
    }
  }

  function dataList() {
    return el("ul", { class: "data" }, form.data.map((one) => el("li", {},
      el("label", { class: "check" }, el("input", { type: "checkbox", checked: chosen.data.includes(one.id), onchange: (event) => pick(one.id, event.target.checked) }),
        one.name, el("span", { class: "faint" }, size(one.size), one.time ? ` · ${new Date(one.time * 1000).toLocaleString("zh-CN", { dateStyle: "short", timeStyle: "short" })}` : "")),
      one.time && el("button", { type: "button", class: "ghost", title: "删除", "aria-label": `删除 ${one.name}`, onclick: () => drop(one) }, "×"))));
  }

  function pick(id, on) {
    chosen.data = on ? [...chosen.data, id] : chosen.data.filter((one) => one !== id);
    changed();
    check();
  }

  async function drop(one) {
    await shell.json(`${API}remove`, { json: { id: one.id } });
    form.data = form.data.filter((other) => other !== one);
    chosen.data = chosen.data.filter((id) => id !== one.id);
    changed(true);
  }

  async function check() {
    checked.replaceChildren();
    if (!chosen.data.length) return;
    const { checks } = await shell.json(`${API}check`, { json: asked() });
    checked.replaceChildren(...checks.map((one, place) => told(form.data.find((data) => data.id === chosen.data[place])?.name, one)));
  }

  function told(name, one) {
    const rows = one.bad.map((bad) => el("tr", {}, el("td", {}, bad.line), el("td", {}, bad.reason), el("td", {}, el("code", {}, bad.raw))));
    return el("div", {},
      el("p", { class: one.problem ? "bad" : "" }, el("b", {}, name), one.problem ? `：${one.problem}` : `：好的 ${one.records} 条（${one.formats.join("、")}）`,
        one.rejects > 0 && el("span", { class: "bad" }, `，坏的 ${one.rejects} 处，训练时跳过`)),
      one.notes.map((note) => el("p", { class: "faint" }, note)),
      rows.length > 0 && el("div", { class: "bads" }, el("table", {}, el("thead", {}, el("tr", {}, ["行", "原因", "原文"].map((word) => el("th", {}, word)))), el("tbody", {}, rows))));
  }

  function picked(name, key, choices, help, none) {
    const names = Object.fromEntries(form.data.map((one) => [one.id, one.name]));
    const select = el("select", { name: key, onchange: () => { chosen[key] = select.value; changed(); } },
      none && el("option", { value: "" }, none), choices.map((one) => el("option", { value: one }, names[one] || one)));
    select.value = chosen[key];
    return el("label", { class: "setting" }, el("span", {}, name), select, el("small", {}, help));
  }

  function label() {
    return el("label", { class: "setting" }, el("span", {}, "起个名字"),
      el("input", { name: "label", maxLength: 60, value: chosen.label, oninput: (event) => { chosen.label = event.target.value; changed(); } }), el("small", {}, "只给人看；目录由服务取名"));
  }

  const value = (name) => chosen.values[name] ?? form.groups.flatMap((group) => group.fields).find((one) => one.name === name).default;
  const fits = (field) => Object.entries(field.when).every(([name, words]) => words.includes(value(name)));

  function settings(group, open) {
    const own = group.fields.filter(fits);
    if (!own.length) return null;
    const inside = el("div", { class: "settings" }, own.map(control));
    if (group.open) return el("section", { class: "card" }, el("h3", {}, group.title), inside);
    const other = own.filter((field) => field.name in chosen.values).length;
    return el("details", { class: "card", open: open.has(group.title), dataset: { title: group.title } },
      el("summary", {}, group.title, other > 0 && el("span", { class: "chip" }, `改了 ${other} 项`)), inside);
  }

  function control(field) {
    const set = (given) => {
      if (given === "" || given === field.default) delete chosen.values[field.name];
      else chosen.values[field.name] = given;
      const shapes = ["objective", "method"].includes(field.name); // other settings come and go with it
      changed(shapes);
      if (field.name === "objective") check();
    };
    const now = value(field.name);
    const input = field.kind === "switch" ? el("input", { type: "checkbox", name: field.name, checked: now, onchange: (event) => set(event.target.checked) })
      : field.kind === "choice" ? select(field, now, set) : entry(field, set);
    return el("label", { class: `setting ${field.kind}`, title: field.name },
      el("span", {}, field.label, el("code", {}, field.name)), input, field.help && el("small", {}, field.help));
  }

  function select(field, now, set) {
    const choices = field.default === "" ? ["", ...field.choices] : field.choices;
    const made = el("select", { name: field.name, onchange: () => set(field.choices.find((one) => String(one) === made.value) ?? "") },
      choices.map((one) => el("option", { value: String(one) }, one === "" ? "自动" : [one, field.names[one]].filter((word) => word !== undefined).join(" "))));
    made.value = String(now);
    return made;
  }

  function entry(field, set) {
    const number = field.kind === "number", changes = chosen.values[field.name];
    const id = field.choices.length ? `board-${field.name}` : null;
    const made = el("input", { type: number ? "number" : "text", name: field.name, placeholder: String(field.default), value: changes ?? "", list: id,
      oninput: () => set(number && made.value !== "" ? Number(made.value) : made.value) });
    if (number) Object.assign(made, { step: field.whole ? "1" : "any", min: field.ge ?? field.gt ?? "", max: field.le ?? field.lt ?? "" });
    return id ? el("span", { class: "listed" }, made, el("datalist", { id }, field.choices.map((one) => el("option", { value: one })))) : made;
  }

  // What the buttons do

  function asked() {
    const offered = form.groups.flatMap((group) => group.fields).filter(fits).map((field) => field.name);
    const values = Object.fromEntries(Object.entries(chosen.values).filter(([name]) => offered.includes(name)));
    return { ...chosen, values };
  }

  async function tellCommand() {
    if (!form) return;
    if (!chosen.data.length) return command.replaceChildren(el("p", { class: "faint" }, "选好数据，这里就是同样的命令行。"));
    try {
      command.replaceChildren(copied(shell, (await shell.json(`${API}command`, { json: asked(), quiet: true })).command));
    } catch (error) {
      command.replaceChildren(el("p", { class: "bad" }, error.message));
    }
  }

  function act(text, work, kind = "") {
    return el("button", { type: "button", class: kind, onclick: async (event) => {
      const button = event.currentTarget;
      button.disabled = true;
      try { await work(); } catch { /* told already */ } finally { button.disabled = false; }
    } }, text);
  }

  function result(...children) {
    outcome.replaceChildren(...children.flat(2).filter(Boolean));
    outcome.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  async function preview() {
    result(el("p", { class: "soft" }, "正在分词……"));
    const { records } = await shell.json(`${API}preview`, { json: asked() }).catch((error) => { outcome.replaceChildren(); throw error; });
    result(el("h3", {}, "模型读到的样子"), el("p", { class: "faint" }, "有底色的部分计入损失，其余只是读。"), records.map((record) => el("div", { class: "card record" },
      el("p", { class: "faint" }, `第 ${record.line} 行`), record.problem && el("p", { class: "bad" }, record.problem),
      record.sequences.map((one) => el("div", {},
        el("p", { class: "faint" }, [KINDS[one.kind], `${one.tokens} 个词元，${one.learnt} 个计入损失`, one.cut].filter(Boolean).join(" · ")),
        el("pre", {}, one.runs.map(([text, learnt]) => el(learnt ? "mark" : "span", {}, text))))))));
  }

  async function plan() {
    result(el("p", { class: "soft" }, "正在算计划，和 cornucopia train --dry-run 一样，约十几秒……"));
    const told = await shell.json(`${API}plan`, { json: asked() }).catch((error) => { outcome.replaceChildren(); throw error; });
    const lines = told.lines.map((line) => el("div", { class: line.startsWith("注意：估计") ? "bad" : "" }, line)); // memory that is not there
    result(el("h3", {}, "计划"), el("div", { class: "card" }, planTables(el, told.tables), el("div", { class: "lines" }, lines)));
    return told;
  }

  async function start() {
    try {
      await begin(false);
    } catch (error) {
      if (!isBusy(error)) return shell.toast(error.message, "bad");
      const told = await plan(); // what it would take is told before two share the memory
      if (await together(shell, error.message, planTables(el, told.tables)[0])) await begin(true);
    }
  }

  async function begin(together) {
    const { run } = await shell.json(`${API}start`, { json: { ...asked(), together }, quiet: !together });
    outcome.replaceChildren();
    chosen.label = "";
    changed(true);
    await started(run);
  }

  return { node, open, like };
}

const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} KB` : `${(bytes / 1e6).toFixed(1)} MB`);
