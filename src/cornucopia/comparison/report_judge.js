"use strict";
// Verdicts of a person on single answers: kept in the browser by question and contestant's settings, so that they
// outlast a new report of the same answers; given out as JSON Lines, and as preference pairs to train on.
function makeJudge(data, el, save, changed) {
  const KEY = "cornucopia-verdicts";
  const WORDS = { pass: "合格", fail: "不合格" };
  let kept = {};
  try { kept = JSON.parse(localStorage.getItem(KEY)) || {}; } catch { kept = {}; }

  const place = (row, index) => `${row.print}/${data.prints[index]}`;
  const answerOf = (row, index) => row.cells[index].answer || "";
  const mark = (text) => `${text.length}:${text.slice(0, 24)}`; // a verdict on another answer does not count
  function get(row, index) {
    const found = kept[place(row, index)];
    return found && found.of === mark(answerOf(row, index)) ? found : {};
  }
  function set(row, index, changes) {
    const next = { ...get(row, index), ...changes, of: mark(answerOf(row, index)), at: new Date().toISOString() };
    if (next.verdict || next.comment) kept[place(row, index)] = next;
    else delete kept[place(row, index)];
    try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* no storage here: kept while the page is open */ }
    changed();
  }

  // ---- drawing
  function draw(row, index) {
    const box = el("span", "judge");
    const now = get(row, index);
    const buttons = Object.keys(WORDS).map((verdict) => {
      const button = el("button", verdict, WORDS[verdict]);
      button.type = "button";
      button.setAttribute("aria-pressed", String(now.verdict === verdict));
      button.addEventListener("click", () => {
        const chosen = get(row, index).verdict === verdict ? "" : verdict;
        set(row, index, { verdict: chosen });
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other.className === chosen)));
      });
      return button;
    });
    const comment = el("input", "comment");
    comment.placeholder = "备注";
    comment.setAttribute("aria-label", "备注");
    comment.value = now.comment || "";
    comment.addEventListener("change", () => set(row, index, { comment: comment.value.trim() }));
    box.append(...buttons, comment);
    return box;
  }

  // ---- counting and choosing
  const asked = (row) => row.cells.map((cell, index) => (cell.error ? null : get(row, index))).filter(Boolean);
  const filters = {
    open: (row) => asked(row).some((one) => !one.verdict),
    done: (row) => asked(row).every((one) => one.verdict),
    fail: (row) => asked(row).some((one) => one.verdict === "fail"),
    comment: (row) => asked(row).some((one) => one.comment),
  };
  function count() {
    return data.contestants.map((name, index) => {
      const verdicts = data.rows.map((row) => get(row, index).verdict);
      return { name, pass: verdicts.filter((v) => v === "pass").length, fail: verdicts.filter((v) => v === "fail").length };
    });
  }

  // ---- export
  function votes() {
    return data.rows.flatMap((row) => row.cells.map((cell, index) => ({ cell, index, ...get(row, index) }))
      .filter((one) => one.verdict || one.comment)
      .map(({ cell, index, verdict, comment, at }) => ({
        id: row.id, question: row.question, material: row.material, golden: row.golden, contestant: data.contestants[index],
        fingerprint: data.prints[index], answer: cell.answer, verdict: verdict || "", comment: comment || "", at,
      })));
  }
  // Every answer that passed over every one that failed, of the same question.
  function pairs() {
    return data.rows.flatMap((row) => {
      const of = (verdict) => row.cells.map((_, index) => index).filter((index) => get(row, index).verdict === verdict);
      const asked = row.turns.length ? { messages: row.turns } : { instruction: row.question, input: row.material };
      return of("pass").flatMap((good) => of("fail").filter((bad) => answerOf(row, bad) !== answerOf(row, good)).map((bad) => ({
        id: row.id, ...asked, chosen: answerOf(row, good), rejected: answerOf(row, bad),
        chosen_from: data.contestants[good], rejected_from: data.contestants[bad],
      })));
    });
  }
  const lines = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  const saveVotes = () => save("verdicts.jsonl", "application/jsonl", lines(votes()));
  const savePairs = () => save("pairs.jsonl", "application/jsonl", lines(pairs()));

  return { draw, filters, count, votes, pairs, saveVotes, savePairs };
}
