// Formulas: a subset of LaTeX -> MathML, which browsers draw themselves. What is not known is shown as it was written.

const SPACE = "http://www.w3.org/1998/Math/MathML";
const DEEPEST = 40, LONGEST = 4000;

const words = (text) => Object.fromEntries(text.trim().split(/\s+/).map((pair) => pair.split(":")));
const LETTERS = words(`alpha:α beta:β gamma:γ delta:δ epsilon:ϵ varepsilon:ε zeta:ζ eta:η theta:θ vartheta:ϑ iota:ι kappa:κ
  lambda:λ mu:μ nu:ν xi:ξ pi:π rho:ρ sigma:σ tau:τ upsilon:υ phi:ϕ varphi:φ chi:χ psi:ψ omega:ω Gamma:Γ Delta:Δ Theta:Θ
  Lambda:Λ Xi:Ξ Pi:Π Sigma:Σ Phi:Φ Psi:Ψ Omega:Ω infty:∞ partial:∂ nabla:∇ ell:ℓ hbar:ℏ emptyset:∅ prime:′ degree:° yen:¥ pounds:£`);
const OPERATORS = words(`times:× cdot:⋅ div:÷ pm:± mp:∓ le:≤ leq:≤ leqslant:≤ ge:≥ geq:≥ geqslant:≥ ne:≠ neq:≠ approx:≈ equiv:≡ sim:∼
  simeq:≃ propto:∝ to:→ rightarrow:→ leftarrow:← Rightarrow:⇒ Leftarrow:⇐ Leftrightarrow:⇔ leftrightarrow:↔ implies:⇒ iff:⇔ mapsto:↦
  in:∈ notin:∉ subset:⊂ subseteq:⊆ cup:∪ cap:∩ setminus:∖ land:∧ lor:∨ lnot:¬ neg:¬ forall:∀ exists:∃ cdots:⋯ ldots:… dots:… vdots:⋮
  ddots:⋱ mid:∣ parallel:∥ perp:⊥ ast:∗ star:⋆ circ:∘ bullet:∙ oplus:⊕ otimes:⊗ ll:≪ gg:≫ langle:⟨ rangle:⟩ lfloor:⌊ rfloor:⌋
  lceil:⌈ rceil:⌉ lvert:| rvert:| vert:| Vert:‖ lbrace:{ rbrace:} therefore:∴ because:∵ colon::`);
const LARGE = words("sum:∑ prod:∏ int:∫ iint:∬ oint:∮ bigcup:⋃ bigcap:⋂");
const NAMES = new Set(("lim max min sup inf log ln lg exp sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh det dim gcd " +
  "arg Pr argmax argmin").split(" "));
const UNDER = new Set(["lim", "max", "min", "sup", "inf", "argmax", "argmin", "sum", "prod", "bigcup", "bigcap"]);
const ACCENTS = words("bar:¯ overline:¯ hat:^ widehat:^ tilde:~ widetilde:~ vec:→ dot:˙ ddot:¨ overrightarrow:→");
const SPACES = { ",": "0.17em", ":": "0.22em", ";": "0.28em", " ": "0.28em", "!": "0", quad: "1em", qquad: "2em", enspace: "0.5em" };
const FONTS = { mathbf: "bold", boldsymbol: "bold", bm: "bold", mathrm: "normal", mathit: "italic", mathsf: "normal", mathtt: "normal",
  mathbb: "normal", mathcal: "normal", operatorname: "normal", textbf: "bold" };
const TEXTS = new Set(["text", "textrm", "mbox", "textit", "textbf", "mathrm", "operatorname"]);
const FENCES = { matrix: ["", ""], pmatrix: ["(", ")"], bmatrix: ["[", "]"], vmatrix: ["|", "|"], cases: ["{", ""], aligned: ["", ""],
  align: ["", ""], "align*": ["", ""], split: ["", ""], gathered: ["", ""], array: ["", ""], equation: ["", ""], "equation*": ["", ""] };

const node = (tag, attributes, ...children) => {
  const made = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const row = (children) => (children.length === 1 ? children[0] : node("mrow", {}, ...children));
const operator = (text, attributes = {}) => node("mo", attributes, text);

/** A formula as MathML; `block` sets it on a line of its own. Text that cannot be read stands there as it is. */
export function formula(text, block = false) {
  try {
    if (text.length > LONGEST) throw new RangeError("too long");
    const reader = new Reader(text);
    const children = reader.list(() => false);
    return node("math", { display: block ? "block" : "inline", title: text }, node("mrow", {}, ...children));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const shown = document.createElement("code");
    shown.textContent = text;
    return shown;
  }
}

class Reader {
  constructor(text) {
    // A word with a backslash, a number, or one character; blanks part words and mean nothing else.
    this.tokens = text.match(/\\(?:[A-Za-z]+\*?|[^])|\d+(?:[.,]\d+)*|\s+|[^]/gu) || [];
    this.at = 0;
    this.depth = 0;
  }

  peek() {
    while (/^\s+$/u.test(this.tokens[this.at] ?? "x")) this.at += 1;
    return this.tokens[this.at];
  }

  next() {
    const token = this.peek();
    this.at += 1;
    return token;
  }

  /** Everything until `ends(token)`, which stays. */
  list(ends) {
    if ((this.depth += 1) > DEEPEST) throw new RangeError("too deep");
    const found = [];
    for (let token = this.peek(); token !== undefined && !ends(token); token = this.peek()) {
      if (token === "}") this.next(); // one too many
      else found.push(this.scripted());
    }
    this.depth -= 1;
    return found;
  }

  /** One thing, with what stands above and below it. */
  scripted() {
    const token = this.peek(), base = token === "^" || token === "_" ? node("mrow", {}) : this.one();
    let low = null, high = null;
    for (let mark = this.peek(); mark === "^" || mark === "_" || mark === "'"; mark = this.peek()) {
      this.next();
      if (mark === "'") high = high ? node("mrow", {}, high, operator("′")) : operator("′");
      else if (mark === "_") low = this.one();
      else high = this.one();
    }
    const under = UNDER.has(token?.slice(1));
    if (low && high) return node(under ? "munderover" : "msubsup", {}, base, low, high);
    if (low) return node(under ? "munder" : "msub", {}, base, low);
    return high ? node(under ? "mover" : "msup", {}, base, high) : base;
  }

  /** A group, a command or a character. */
  one() {
    const token = this.next();
    if (token === undefined) return node("mrow", {});
    if (token === "{") return row(this.group());
    if (token.startsWith("\\")) return this.command(token.slice(1));
    if (/^\d/.test(token)) return node("mn", {}, token);
    if (/^[A-Za-z]$/.test(token)) return node("mi", {}, token);
    if (/^[\p{L}，。、；：（）%‰$¥€£]$/u.test(token)) return node("mtext", {}, token);
    return operator(token === "-" ? "−" : token === "~" ? "\u00a0" : token, "()[]|".includes(token) ? { stretchy: "false" } : {});
  }

  group() {
    const found = this.list((token) => token === "}");
    this.next();
    return found;
  }

  command(name) {
    if (name in LETTERS) return node("mi", {}, LETTERS[name]);
    if (name in OPERATORS) return operator(OPERATORS[name]);
    if (name in LARGE) return operator(LARGE[name], { largeop: "true" });
    if (NAMES.has(name)) return node("mi", {}, name);
    if (name in SPACES) return node("mspace", { width: SPACES[name] });
    if (name in ACCENTS) return node("mover", { accent: "true" }, this.one(), operator(ACCENTS[name]));
    if (TEXTS.has(name) && this.peek() === "{") return this.words(name);
    if (name in FONTS) return node("mstyle", { class: `font-${FONTS[name]}` }, this.one());
    if (/^[dtc]?frac$/.test(name)) return node("mfrac", {}, this.one(), this.one());
    if (/^[dt]?binom$/.test(name)) return node("mrow", {}, operator("("), node("mfrac", { linethickness: "0" }, this.one(), this.one()), operator(")"));
    if (name === "sqrt") return this.root();
    if (name === "underline" || name === "underbrace") return node("munder", {}, this.one(), operator(name === "underline" ? "_" : "⏟"));
    if (name === "overbrace") return node("mover", {}, this.one(), operator("⏞"));
    if (name === "boxed") return node("mrow", { class: "boxed" }, this.one());
    if (name === "left") return this.fenced();
    if (name === "begin") return this.table();
    if (/^(big|Big|bigg|Bigg)[lrm]?$|^(displaystyle|textstyle|limits|nolimits|nonumber|hline|middle)$/.test(name)) return node("mrow", {});
    if (name === "\\" || name === "newline") return node("mspace", { linebreak: "newline" });
    return /^[A-Za-z]/.test(name) ? node("mtext", {}, `\\${name}`) : operator(name); // \% \$ \{ \_ are themselves
  }

  /** The letters in braces, as they are. */
  words(name) {
    let depth = 0, text = "";
    for (let token = this.tokens[this.at]; token !== undefined; token = this.tokens[this.at]) {
      this.at += 1;
      depth += (token === "{") - (token === "}");
      if (!depth) break;
      if (token !== "{" || depth > 1) text += token.replace(/^\\(?=[^A-Za-z])/, "");
    }
    return node("mtext", { class: `font-${FONTS[name] || "normal"}` }, text);
  }

  root() {
    if (this.peek() !== "[") return node("msqrt", {}, this.one());
    this.next();
    const index = row(this.list((token) => token === "]"));
    this.next();
    return node("mroot", {}, this.one(), index);
  }

  fenced() {
    const open = this.fence();
    const inner = this.list((token) => token === "\\right");
    this.next();
    return node("mrow", {}, open, ...inner, this.fence());
  }

  fence() {
    const token = this.next() ?? ".";
    const text = token === "." ? "" : OPERATORS[token.slice(1)] || token.replace("\\", "");
    return operator(text, { fence: "true", stretchy: "true" });
  }

  table() {
    const name = this.name(), [open, close] = FENCES[name] || ["", ""];
    if (name === "array" && this.peek() === "{") this.group();
    const ends = (token) => token === "\\end", rows = [[]];
    for (let token = this.peek(); token !== undefined && !ends(token); token = this.peek()) {
      const cell = this.list((found) => found === "&" || found === "\\\\" || ends(found));
      rows.at(-1).push(node("mtd", {}, ...cell));
      const mark = this.peek();
      if (mark === "&" || mark === "\\\\") this.next();
      if (mark === "\\\\") rows.push([]);
    }
    this.next();
    this.name();
    const lines = rows.filter((cells) => cells.length).map((cells) => node("mtr", {}, ...cells));
    const aligned = /^(align|split|cases)/.test(name) ? { class: "aligned", displaystyle: "true" } : {};
    const fence = (text) => operator(text, { fence: "true", stretchy: "true" });
    return node("mrow", {}, ...(open ? [fence(open)] : []), node("mtable", aligned, ...lines), ...(close ? [fence(close)] : []));
  }

  /** A name in braces. */
  name() {
    let text = "";
    if (this.peek() !== "{") return text;
    this.next();
    for (let token = this.next(); token !== undefined && token !== "}"; token = this.next()) text += token;
    return text;
  }
}
