// One question, several models side by side.
export const title = "并排";

export function mount(root, shell) {
  root.append(shell.el("p", { class: "soft" }, "并排"));
}
