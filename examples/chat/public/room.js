// One room over a WebSocket: joins, knows who is there, and reconnects by itself. No DOM in this file.
//
// Both guests are understood: where the room keeps the list and the last messages (`keeps` in its welcome), it tells them;
// else the members tell each other.

/** @typedef {"connecting" | "connected" | "offline"} State */

/** Every member is heard of each 25 s (see `on_pong` in the guest), so three misses mean gone without a goodbye. */
const MEMBER_EXPIRY_MS = 90_000;
/** Our own heartbeat comes back to us too: when it stays away, the connection is dead though nobody closed it. */
const SILENCE_MS = 70_000;
const SWEEP_MS = 10_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** For so long after a reconnect, those who come back too are not announced. */
const RETURN_MS = 30_000;

export class Room {
  #url;
  #name;
  #events;
  #socket = null;
  #state = "offline";
  #self = null;
  /** Who we were before each reconnect, too: the room remembers us under those numbers. */
  #ownIds = new Set();
  #isKept = false;
  #lastAt = 0;
  #members = new Map();
  #returning = new Set();
  #joinedAt = 0;
  #heardAt = 0;
  #pending = [];
  #failures = 0;
  #retry = null;
  #sweep;

  /**
   * @param {string} room
   * @param {string} name
   * @param {object} events functions: `state(State)`, `welcome(isReturn, isKept)`, `message({id, name, text, at, isOwn})`,
   *   `joined(name)`, `left(name)`, `members([{id, name, isSelf}])`, `unsent([text])`, `problem(text)`, `refused(text)`
   */
  constructor(room, name, events) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.#url = `${scheme}//${location.host}/chat/${encodeURIComponent(room)}`;
    this.#name = name;
    this.#events = events;
    this.#sweep = setInterval(() => this.#expire(), SWEEP_MS);
    this.#connect();
  }

  /** Sends a message; false when there is no connection, and the text stays the caller's. */
  say(text) {
    if (this.#state !== "connected") return false;
    this.#send({ type: "say", text });
    this.#pending.push(text);
    return true;
  }

  /** Tries at once instead of at the next turn: the network came back, or somebody looks at the page. */
  hurry() {
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  /** Leaves for good. */
  leave() {
    clearInterval(this.#sweep);
    clearTimeout(this.#retry);
    this.#drop(1000);
  }

  #connect() {
    this.#retry = null;
    this.#setState("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#heardAt = Date.now();
    socket.onopen = () => this.#send({ type: "join", name: this.#name });
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#lost();
  }

  #lost() {
    this.#drop();
    this.#setState("offline");
    if (this.#members.size) this.#returning = new Set([...this.#members.values()].map((member) => member.name));
    if (this.#pending.length) this.#events.unsent(this.#pending.splice(0));
    // Half of the wait is random, so that a restarted host does not meet all pages in the same instant.
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #drop(code) {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #send(value) {
    this.#socket.send(JSON.stringify(value));
  }

  #receive(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    this.#heardAt = Date.now();
    switch (message.type) {
      case "welcome": return this.#welcomed(message);
      case "join": return this.#joined(message);
      case "here": return this.#heard(message);
      case "say": return this.#said(message);
      case "leave": return this.#left(message.id);
      case "error": return this.#refused(message);
    }
  }

  #welcomed({ id, name, keeps = 0 }) {
    const isReturn = this.#self !== null;
    this.#self = id;
    this.#ownIds.add(id);
    this.#isKept = keeps > 0;
    this.#joinedAt = Date.now();
    this.#failures = 0;
    this.#members.clear();
    this.#heard({ id, name });
    this.#setState("connected");
    this.#events.welcome(isReturn, this.#isKept);
  }

  #joined({ id, name }) {
    this.#heard({ id, name });
    if (!this.#isKept) this.#send({ type: "here", to: id });
    const isBack = this.#returning.delete(name) && Date.now() - this.#joinedAt < RETURN_MS;
    if (!isBack) this.#events.joined(name);
  }

  #said({ id, name, text, at }) {
    if (id === this.#self) this.#pending.shift();
    // Who is remembered may be gone.
    if (!this.#isKept) this.#heard({ id, name });
    // After a reconnect the room repeats what is shown already.
    if (at && at <= this.#lastAt) return;
    this.#lastAt = at ?? 0;
    this.#events.message({ id, name, text, at, isOwn: this.#ownIds.has(id) });
  }

  #heard({ id, name }) {
    const isNew = !this.#members.has(id);
    this.#members.set(id, { id, name, heardAt: Date.now() });
    if (isNew) this.#showMembers();
  }

  #left(id) {
    const member = this.#members.get(id);
    if (!member) return;
    this.#members.delete(id);
    this.#showMembers();
    this.#events.left(member.name);
  }

  #refused({ about, text }) {
    if (about === "join") return this.#events.refused(text);
    if (about === "say" && this.#pending.length) this.#events.unsent([this.#pending.shift()]);
    this.#events.problem(text);
  }

  #expire() {
    if (this.#state === "offline") return;
    const now = Date.now();
    if (now - this.#heardAt > SILENCE_MS) return this.#lost();
    // A room that keeps the list says who leaves, however they leave.
    if (this.#isKept) return;
    for (const member of this.#members.values()) {
      if (member.id !== this.#self && now - member.heardAt > MEMBER_EXPIRY_MS) this.#left(member.id);
    }
  }

  #setState(state) {
    this.#state = state;
    this.#events.state(state);
  }

  #showMembers() {
    const members = [...this.#members.values()].map(({ id, name }) => ({ id, name, isSelf: id === this.#self }));
    members.sort((a, b) => b.isSelf - a.isSelf || a.name.localeCompare(b.name) || a.id - b.id);
    this.#events.members(members);
  }
}
