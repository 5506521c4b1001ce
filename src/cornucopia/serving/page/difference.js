// What one answer says and the others do not: phrases and numbers that stand in no other, marked without a change of the
// page's elements (the CSS Custom Highlight API; a browser without it shows the answers unmarked).

const RUN = 3; // characters that must stand in another answer one behind the other to be the same phrase
const TOKEN = /\d+(?:[.,]\d+)*|[A-Za-z]+|[\u3040-\u30ff\u3400-\u9fff]/g;

const isNumber = (token) => /^\d/.test(token.text);

/** Mark, in each group of elements that answer one question, what is in no other element of the group.
 * Gives for each element of each group the share of its words that are marked, 0 to 1. */
export function markDifferences(groups) {
  const phrases = [], numbers = [];
  const shares = groups.map((elements) => {
    if (elements.length < 2) return elements.map(() => 0);
    const all = elements.map(tokensOf);
    return all.map((tokens, place) => {
      const others = all.filter((_, other) => other !== place);
      const alone = aloneIn(tokens, others);
      for (const range of runs(tokens, alone)) phrases.push(range);
      tokens.forEach((token, at) => { if (alone[at] && isNumber(token)) numbers.push(rangeOf(token, token)); });
      return tokens.length ? alone.filter(Boolean).length / tokens.length : 0;
    });
  });
  if (globalThis.Highlight) {
    CSS.highlights.set("differs", new Highlight(...phrases));
    CSS.highlights.set("differs-number", new Highlight(...numbers));
  }
  return shares;
}

/** The words of an element: numbers, Latin words, single Chinese characters, each with where it stands. */
function tokensOf(element) {
  const found = [], walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest("math, button, figcaption")) continue;
    for (const match of node.data.matchAll(TOKEN)) {
      const text = match[0].toLowerCase().replaceAll(",", "");
      found.push({ text, node, start: match.index, end: match.index + match[0].length });
    }
  }
  return found;
}

/** For each token whether no other answer has it: a number or word by itself, a character within a run. */
function aloneIn(tokens, others) {
  const words = new Set(others.flat().map((token) => token.text));
  const known = new Set(others.flatMap((other) => other.map((_, at) => runAt(other, at))));
  const alone = tokens.map((token) => token.text.length === 1 && !isNumber(token) ? true : !words.has(token.text));
  tokens.forEach((_, at) => {
    if (!known.has(runAt(tokens, at)) || at + RUN > tokens.length) return;
    for (let step = at; step < at + RUN; step += 1) alone[step] = false;
  });
  return alone;
}

const runAt = (tokens, at) => tokens.slice(at, at + RUN).map((token) => token.text).join(" ");

/** Ranges over tokens that stand alone; one shared character between two of them does not part a phrase. */
function runs(tokens, alone) {
  const found = [];
  for (let at = 0; at < tokens.length; at += 1) {
    if (!alone[at]) continue;
    let end = at;
    while (end + 1 < tokens.length && tokens[end + 1].node === tokens[at].node &&
      (alone[end + 1] || (alone[end + 2] && tokens[end + 2].node === tokens[at].node))) end += 1;
    found.push(rangeOf(tokens[at], tokens[end]));
    at = end;
  }
  return found;
}

const rangeOf = (first, last) => new StaticRange({ startContainer: first.node, startOffset: first.start, endContainer: last.node, endOffset: last.end });
