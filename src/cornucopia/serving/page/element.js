// Elements are made of text, never of markup: what a model writes cannot become an element that runs or loads anything.

/** An element.
 * props: `class`, `dataset`, `on…` (a function), anything else a property where the element has it, or an attribute.
 * children: elements, text, arrays of these; null, undefined and false are left out. */
export function el(tag, props, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) set(made, name, value);
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function set(made, name, value) {
  if (value === undefined || value === null) return;
  if (name === "class") made.className = value;
  else if (name === "dataset") Object.assign(made.dataset, value);
  else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
  else if (["innerHTML", "outerHTML", "srcdoc"].includes(name)) throw new Error(`${name} is markup`);
  else if (name in made && !name.startsWith("aria") && name !== "list") made[name] = value;
  else made.setAttribute(name, value);
}

/** A drawing made of paths, 24 by 24. */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg"), line = document.createElementNS(space, "path");
  made.setAttribute("viewBox", "0 0 24 24");
  made.setAttribute("class", "icon");
  made.setAttribute("aria-hidden", "true");
  line.setAttribute("d", path);
  made.append(line);
  return made;
}
