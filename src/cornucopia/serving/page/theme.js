"use strict";
// Before the first paint, so that a dark room is not lit by a white page: light, dark, or as the system has it.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  function apply() {
    let chosen = "auto";
    try { chosen = localStorage.getItem("cornucopia.theme") || "auto"; } catch { /* storage is forbidden: the system's */ }
    root.dataset.themeChoice = chosen;
    root.dataset.theme = chosen === "auto" ? (system.matches ? "dark" : "light") : chosen;
  }
  system.addEventListener("change", apply);
  root.addEventListener("themechange", apply);
  apply();
})();
