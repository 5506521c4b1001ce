// A line chart in SVG: several series on common axes, values at the pointer, arrow keys too. Knows nothing of training.
const SPACE = "http://www.w3.org/2000/svg";
const PAD = { left: 52, right: 14, top: 10, bottom: 26 };

/** A chart that fills its place.
 * options: `label` (for screen readers), `height` in pixels, `tell(value)` -> text of a value.
 * Returns { node, draw(series, {log}) }; a series is { name, color (c0 … c7), dashed, steps, values }. */
export function chart(el, { label, height = 240, tell = short }) {
  const box = svg("svg", { class: "plot", tabindex: 0, role: "img", "aria-label": label });
  const tip = el("div", { class: "tip", hidden: true });
  const node = el("div", { class: "chart" }, box, tip);
  let series = [], log = false, at = null;

  function draw(given, options = {}) {
    series = given.filter((one) => one.steps.length);
    log = Boolean(options.log) && series.every((one) => one.values.every((value) => value > 0));
    paint();
  }

  function paint() {
    const width = node.clientWidth;
    if (!width) return;
    box.setAttribute("viewBox", `0 0 ${width} ${height}`);
    box.setAttribute("height", height);
    if (!series.length) {
      box.replaceChildren(svg("text", { x: width / 2, y: height / 2, class: "tick", "text-anchor": "middle" }, "还没有数"));
      tip.hidden = true;
      return;
    }
    const scale = scales(width);
    box.replaceChildren(...grid(scale, width), ...series.flatMap((one) => line(one, scale)), ...cursor(scale));
  }

  function scales(width) {
    const steps = series.flatMap((one) => [one.steps[0], one.steps.at(-1)]);
    const values = series.flatMap((one) => one.values).map((value) => (log ? Math.log10(value) : value));
    const x = span(least(steps), most(steps)), y = span(least(values), most(values), 0.06);
    return {
      x, y,
      px: (step) => PAD.left + ((step - x.low) / (x.high - x.low)) * (width - PAD.left - PAD.right),
      py: (value) => height - PAD.bottom - (((log ? Math.log10(value) : value) - y.low) / (y.high - y.low)) * (height - PAD.top - PAD.bottom),
      step: (px) => x.low + ((px - PAD.left) / (width - PAD.left - PAD.right)) * (x.high - x.low),
    };
  }

  function grid(scale, width) {
    const rows = ticks(scale.y.low, scale.y.high, 5).map((value) => {
      const shown = log ? 10 ** value : value, y = scale.py(shown);
      return svg("g", {}, svg("line", { x1: PAD.left, x2: width - PAD.right, y1: y, y2: y, class: "rule" }),
        svg("text", { x: PAD.left - 8, y: y + 4, class: "tick", "text-anchor": "end" }, short(shown)));
    });
    const columns = ticks(scale.x.low, scale.x.high, Math.max(2, Math.min(8, width / 90))).map((step) =>
      svg("text", { x: scale.px(step), y: height - 8, class: "tick", "text-anchor": "middle" }, short(step)));
    return [...rows, ...columns];
  }

  function line(one, scale) {
    const points = one.steps.map((step, place) => [scale.px(step), scale.py(one.values[place])]);
    const path = points.map(([x, y], place) => `${place ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const drawn = [svg("path", { d: path, class: `line ${one.color}${one.dashed ? " dashed" : ""}` })];
    if (points.length > 40) return drawn;
    return [...drawn, ...points.map(([x, y]) => svg("circle", { cx: x, cy: y, r: 2.6, class: `dot ${one.color}` }))];
  }

  function cursor(scale) {
    tip.hidden = at === null;
    if (at === null) return [];
    const x = scale.px(at);
    const near = series.filter((one) => one.steps[0] <= at && at <= one.steps.at(-1)).map((one) => ({ one, place: nearest(one.steps, at) }));
    tip.replaceChildren(el("b", {}, `第 ${short(at)} 步`), ...near.map(({ one, place }) =>
      el("span", {}, el("i", { class: `key ${one.color}${one.dashed ? " dashed" : ""}` }), one.name,
        el("em", {}, tell(one.values[place])))));
    const right = x > node.clientWidth / 2;
    tip.style.left = right ? "" : `${x + 12}px`;
    tip.style.right = right ? `${node.clientWidth - x + 12}px` : "";
    return [svg("line", { x1: x, x2: x, y1: PAD.top, y2: height - PAD.bottom, class: "cursor" }),
      ...near.map(({ one, place }) => svg("circle", {
        cx: scale.px(one.steps[place]), cy: scale.py(one.values[place]), r: 4, class: `dot ${one.color}` }))];
  }

  /** The step with a value that is nearest to where the pointer is. */
  function point(event) {
    if (!series.length) return;
    const wanted = scales(node.clientWidth).step(event.clientX - box.getBoundingClientRect().left);
    const steps = series.map((one) => one.steps[nearest(one.steps, wanted)]);
    at = steps.reduce((best, step) => (Math.abs(step - wanted) < Math.abs(best - wanted) ? step : best));
    paint();
  }

  function leave() {
    at = null;
    paint();
  }

  function key(event) {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") leave();
    if (!by || !series.length) return;
    event.preventDefault();
    const steps = [...new Set(series.flatMap((one) => one.steps))].sort((a, b) => a - b);
    at = at === null ? steps[by > 0 ? 0 : steps.length - 1] : steps[Math.max(0, Math.min(steps.length - 1, nearest(steps, at) + by))];
    paint();
  }

  box.addEventListener("pointermove", point);
  box.addEventListener("pointerdown", point);
  box.addEventListener("pointerleave", leave);
  box.addEventListener("keydown", key);
  box.addEventListener("blur", leave);
  new ResizeObserver(paint).observe(node);
  return { node, draw };
}

/** A number in few characters. */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const least = (values) => values.reduce((a, b) => Math.min(a, b));
const most = (values) => values.reduce((a, b) => Math.max(a, b));

/** Ends of an axis, a share of its length added at each. */
function span(low, high, share = 0) {
  const more = (high - low) * share || (share ? Math.abs(high) * 0.1 || 1 : 0);
  return low === high && !share ? { low: low - 1, high: high + 1 } : { low: low - more, high: high + more };
}

/** About so many round numbers between two. */
function ticks(low, high, count) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const width = power * ([1, 2, 5, 10].find((by) => by * power >= rough) || 10);
  const found = [];
  for (let value = Math.ceil(low / width) * width; value <= high + width * 1e-9; value += width) found.push(Number(value.toPrecision(12)));
  return found;
}

/** Place of the nearest of some rising numbers. */
function nearest(sorted, wanted) {
  let low = 0, high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low > 0 && wanted - sorted[low - 1] <= sorted[low] - wanted ? low - 1 : low;
}
