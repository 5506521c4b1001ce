// A conversation: a tree of messages, of which one path is shown, and its keeping on the server.

const PAUSE = 3000; // milliseconds between two savings of an answer that grows

/** An id that nobody else made; `randomUUID` is not there without HTTPS. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Saves that failed are told once, until one succeeds: a full disk does not interrupt the talking. */
let told = false;

export class Talk {
  /** data: as the server keeps it ({id, title, about, leaf, messages}); without it a new one, kept with its first message.
   * onsaved(talk): called when it has been kept. */
  constructor(shell, data = { id: newId(), title: "", about: {}, leaf: "", messages: [] }, onsaved = () => {}) {
    Object.assign(this, { shell, onsaved, id: data.id, title: data.title, about: data.about, leaf: data.leaf });
    this.byId = new Map();
    this.below = new Map(); // parent's id -> messages
    this.dirty = new Set();
    for (const message of data.messages) {
      if (message.role === "assistant") message.finish ||= "cut"; // the page or the server ended while it was written
      this.put(message);
    }
    if (!this.byId.has(this.leaf)) this.leaf = this.deepest("");
    this.saving = null;
    this.timer = 0;
  }

  put(message) {
    this.byId.set(message.id, message);
    if (!this.below.has(message.parent)) this.below.set(message.parent, []);
    this.below.get(message.parent).push(message);
  }

  /** A new message, which becomes the last of what is shown. */
  add(role, parent, more) {
    const message = { id: newId(), parent, role, content: "", at: Date.now() / 1000, ...more };
    this.put(message);
    this.leaf = message.id;
    this.dirty.add(message);
    return message;
  }

  /** The messages shown, the first first. */
  path(until = this.leaf) {
    const found = [];
    for (let message = this.byId.get(until); message; message = this.byId.get(message.parent)) found.unshift(message);
    return found;
  }

  /** A message and those that stand in its place: other wordings of a question, other answers to it. */
  siblings(message) { return this.below.get(message.parent); }

  /** Show the branch of a message. */
  choose(message) {
    this.leaf = this.deepest(message.id);
    this.save({ leaf: this.leaf });
  }

  /** The end of the branch below a message (of the whole tree for '') in which was written last. */
  deepest(id) {
    const ends = [...this.byId.values()].filter((message) => !this.below.has(message.id));
    const here = ends.filter((end) => !id || this.path(end.id).some((message) => message.id === id));
    return here.reduce((last, end) => (end.at >= last.at ? end : last), { id, at: 0 }).id;
  }

  /** Keep what has changed; `change`: title or about, when they did. */
  async save(change = {}) {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.byId.size) return;
    Object.assign(this.unsaved ??= {}, change);
    if (this.saving) return this.saving.then(() => this.save());
    if (!this.dirty.size && !Object.keys(this.unsaved).length) return;
    this.saving = this.send();
    await this.saving;
  }

  async send() {
    const messages = [...this.byId.values()].filter((message) => this.dirty.has(message)); // parents before children
    const rest = this.unsaved;
    this.unsaved = {};
    this.dirty.clear();
    try {
      await this.shell.json(`/page/api/talks/${this.id}`, { json: { leaf: this.leaf, messages, ...rest }, quiet: true });
      told = false;
      this.onsaved(this);
    } catch (error) {
      for (const message of messages) this.dirty.add(message);
      this.unsaved = { ...rest, ...this.unsaved };
      if (!told) this.shell.toast(`这次对话还没有存下：${error.message}。可以接着聊，会再试。`, "bad");
      told = true;
    } finally {
      this.saving = null;
    }
  }

  /** Keep a message that goes on changing, now and then. */
  saveSoon(message) {
    this.dirty.add(message);
    this.timer ||= setTimeout(() => this.save(), PAUSE);
  }

  /** The messages as a model is asked: questions that got no answer are put together, failed answers left out. */
  asked(until) {
    const found = [];
    for (const message of this.path(until)) {
      const made = askedOf(message), last = found.at(-1);
      if (!made) continue;
      if (last?.role === "user" && made.role === "user") last.content = joined(last.content, made.content);
      else found.push(made);
    }
    return found;
  }
}

function askedOf({ role, content, images = [], calls = [], call }) {
  if (role === "assistant" && !content && !calls.length) return null;
  if (role === "tool") return { role, content, tool_call_id: call };
  if (calls.length) {
    return { role, content, tool_calls: calls.map(({ id, ...called }) => ({ id, type: "function", function: called })) };
  }
  const pictures = images.map((url) => ({ type: "image_url", image_url: { url } }));
  return { role, content: pictures.length ? [{ type: "text", text: content }, ...pictures] : content };
}

const parts = (content) => (typeof content === "string" ? [{ type: "text", text: content }] : content);

function joined(first, second) {
  return typeof first === "string" && typeof second === "string" ? `${first}\n\n${second}` : [...parts(first), ...parts(second)];
}
