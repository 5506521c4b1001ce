// How answers are drawn: one form for every tab that asks. What is left empty is the model's own.
import { el } from "./element.js";

/** Name in a request, label, help, and what an input may hold. */
const NUMBERS = [
  ["temperature", "温度", "越高越多样，0 为每次取最可能的字", { min: 0, max: 2, step: 0.05 }],
  ["top_p", "top_p", "只在概率最大的这么多里选", { min: 0.01, max: 1, step: 0.01 }],
  ["top_k", "top_k", "只在最可能的几个里选，0 为不限", { min: 0, max: 1000, step: 1 }],
  ["max_tokens", "最多写", "词元数", { min: 1, max: 1000000, step: 1 }],
  ["repetition_penalty", "重复惩罚", "大于 1 少重复", { min: 0.5, max: 2, step: 0.01 }],
  ["seed", "随机种子", "同一种子同一回答", { min: 0, max: 4294967295, step: 1 }],
];

/** The form: `root`, `value` ({system, …} of what is filled in) to read and to set, `onchange` to be set by its user. */
export function parametersForm() {
  const inputs = {};
  const field = (name, label, help, input) => {
    inputs[name] = input;
    input.addEventListener("change", () => form.onchange?.());
    return el("label", { class: "field", title: help }, el("span", {}, label, el("small", {}, help)), input);
  };
  const system = field("system", "系统提示", "放在对话最前面", el("textarea", { rows: 4, placeholder: "例如：你是一名谨慎的理财顾问" }));
  const numbers = NUMBERS.map(([name, label, help, bounds]) =>
    field(name, label, help, el("input", { type: "number", placeholder: "默认", inputMode: "decimal", ...bounds })));
  const stop = field("stop", "停止词", "写到这里就停，一行一个", el("textarea", { rows: 2 }));
  const clear = el("button", { type: "button", onclick: () => { form.value = {}; form.onchange?.(); } }, "恢复默认");
  const form = {
    root: el("form", { class: "parameters", onsubmit: (event) => event.preventDefault() }, system, numbers, stop, clear),
    onchange: null,
    get value() {
      const filled = Object.entries(inputs).filter(([, input]) => input.value.trim() && input.validity.valid);
      return Object.fromEntries(filled.map(([name, input]) => [name, input.type === "number" ? Number(input.value) : input.value]));
    },
    set value(values) {
      for (const [name, input] of Object.entries(inputs)) input.value = values?.[name] ?? "";
    },
  };
  return form;
}

/** The body of a request from a form's value: the messages headed by the system text, and the settings. */
export function requestOf(model, messages, { system, stop, ...settings }) {
  const head = system ? [{ role: "system", content: system }] : [];
  const stops = stop ? { stop: stop.split("\n").map((line) => line.trim()).filter(Boolean) } : {};
  return { model, messages: [...head, ...messages], ...settings, ...stops };
}
