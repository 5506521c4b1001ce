// Chat with one model.
export const title = "对话";

export function mount(root, shell) {
  root.append(shell.el("p", { class: "soft" }, "对话"));
}
