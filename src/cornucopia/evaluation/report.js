// Sorts the report's tables by a click on a column's head, and hides what does not fit the words that are typed.
(() => {
  const worth = (cell) => {
    const number = parseFloat(cell.dataset.value ?? cell.textContent);
    return Number.isNaN(number) ? cell.textContent : number;
  };

  function compare(one, other) {
    if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1; // what has no number stands last
    return typeof one === "number" ? one - other : one.localeCompare(other, "zh");
  }

  function sort(head) {
    const body = head.closest("table").tBodies[0];
    const column = head.cellIndex;
    const way = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [worth(row.cells[column]), row]);
    rows.sort(([one], [other]) => (typeof one === typeof other ? sign * compare(one, other) : compare(one, other)));
    body.append(...rows.map(([, row]) => row));
  }

  for (const head of document.querySelectorAll("table.sortable thead th")) {
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(head));
    head.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        sort(head);
      }
    });
  }

  const filter = document.getElementById("filter");
  const telling = document.getElementById("telling");

  function show() {
    const words = filter.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (node) => words.every((word) => node.textContent.toLowerCase().includes(word));
    let shown = 0;
    for (const section of document.querySelectorAll("section[data-task]")) {
      const named = words.every((word) => section.dataset.name.toLowerCase().includes(word));
      let some = named;
      for (const item of section.querySelectorAll("details")) {
        item.hidden = !named && !fits(item);
        some ||= !item.hidden;
      }
      section.hidden = !some || (telling.checked && section.dataset.telling === "");
      document.querySelector(`#overview tr[data-task="${CSS.escape(section.dataset.task)}"]`).hidden = section.hidden;
      shown += !section.hidden;
    }
    document.getElementById("shown").textContent = `显示 ${shown} 个任务`;
  }

  filter.addEventListener("input", show);
  telling.addEventListener("change", show);
  show();
})();
