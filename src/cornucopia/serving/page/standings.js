// The table of ratings: points with their intervals drawn on one scale, notes, and the votes as pairs to save.

const COLUMNS = ["名次", "选手", "分数", "95% 区间", "胜", "平", "负", "Elo"];

/** The table: `root`, and `show(compared)`, which fetches that of the comparison or that of the answers made here. */
export function standingsView(shell, path) {
  const { el } = shell;
  const heading = el("h2", {}, "排名"), counts = el("p", { class: "faint" }), notes = el("ul", { class: "faint" });
  const body = el("tbody", {}), head = el("thead", {}, el("tr", {}, COLUMNS.map((name) => el("th", { scope: "col" }, name))));
  const table = el("div", { class: "scroll", hidden: true }, el("table", {}, head, body));
  const save = el("button", { type: "button", hidden: true, onclick: pairs }, "导出偏好对");
  const root = el("section", { class: "standings" }, el("header", {}, heading, save), counts, table, notes);
  let current = false, latest = 0;

  async function show(compared) {
    current = compared;
    const asked = ++latest;
    const counted = await shell.json(`${path}/standings${query()}`).catch(() => null);
    if (!counted || asked !== latest) return;
    const lines = counted.table.ratings;
    heading.textContent = compared ? "排名（已有的比较）" : "排名";
    counts.textContent = counted.votes
      ? `${counted.votes} 票，${counted.voters} 人，${counted.battles} 局；都不行的 ${counted.bad} 票算平。同名次：95% 区间分不出高下。`
      : "还没有投票。";
    table.hidden = save.hidden = !lines.length;
    const low = Math.min(...lines.map((line) => line.low)), high = Math.max(...lines.map((line) => line.high));
    body.replaceChildren(...lines.map((line) => rowOf(line, low, high, lines.some((one) => one.group))));
    notes.replaceChildren(...counted.notes.map((note) => el("li", {}, note)));
  }

  function rowOf(line, low, high, grouped) {
    const place = (points) => `${(100 * (points - low)) / (high - low || 1)}%`;
    const bar = el("span", { class: "interval" });
    bar.style.setProperty("--low", place(line.low));
    bar.style.setProperty("--high", place(line.high));
    bar.style.setProperty("--middle", place(line.rating));
    const name = grouped ? `${line.name}（第 ${line.group + 1} 组）` : line.name;
    const numbers = [line.wins, line.ties, line.losses, line.elo.toFixed(0)];
    return el("tr", {}, el("td", {}, String(line.rank)), el("th", { scope: "row" }, name), el("td", {}, line.rating.toFixed(0)),
      el("td", {}, bar, el("small", { class: "faint" }, `${line.low.toFixed(0)} 到 ${line.high.toFixed(0)}`)), numbers.map((number) => el("td", {}, String(number))));
  }

  async function pairs() {
    const response = await shell.fetch(`${path}/pairs${query()}`).catch(() => null);
    if (!response) return;
    const text = await response.text();
    if (text) shell.save("偏好对.jsonl", text, "application/x-ndjson");
    else shell.toast("还没有一局分出高下");
  }

  const query = () => (current ? "?of=compared" : "");
  return { root, show };
}
