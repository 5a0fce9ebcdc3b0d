// The connection to one room: keeps it, and comes back by itself. Knows nothing of the game.

/** @typedef {"connecting" | "connected" | "offline" | "ended"} State */

/** The host asks each 25 s whether we live, and the guest lets us know: after two misses nobody is there. */
const SILENCE_MS = 60_000;
const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 15_000;
/** The host's word for a peer that broke a rule: coming back by itself would break it again. */
const POLICY = 1008;

export class Link {
  #url;
  #events;
  #socket = null;
  #failures = 0;
  #retry = null;
  #heardAt = 0;

  /**
   * @param {string} room
   * @param {object} events functions: `state(State, reason)`, `message(object)`; a message of type `flat` comes first
   *   after each connect
   */
  constructor(room, events) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.#url = `${scheme}//${location.host}/game/${encodeURIComponent(room)}`;
    this.#events = events;
    setInterval(() => this.#listen(), 5000);
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
    this.#connect();
  }

  /** Sends when there is a connection; a step for a flat that is gone is of no use later. */
  send(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** Tries at once instead of at the next turn. */
  hurry() {
    if (this.#retry === null) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  /** Begins again after `ended`. */
  restart() {
    if (!this.#socket && this.#retry === null) this.#connect();
  }

  #connect() {
    this.#retry = null;
    this.#events.state("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#heardAt = Date.now();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
  }

  #receive(data) {
    this.#heardAt = Date.now();
    const message = JSON.parse(data);
    if (message.type === "flat") {
      this.#failures = 0;
      this.#events.state("connected");
    }
    this.#events.message(message);
  }

  /** 1012 (a new revision), 1011 (the guest fell over), 1013 (we were too slow) and a lost network end well: later. */
  #lost(code, reason) {
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket = null;
    if (code === POLICY) return this.#events.state("ended", reason);
    this.#events.state("offline");
    // Half of the wait is random, so that a restarted host does not meet all pages in the same instant.
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures) * (0.5 + Math.random() / 2);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #listen() {
    if (!this.#socket || Date.now() - this.#heardAt < SILENCE_MS) return;
    const socket = this.#socket;
    this.#lost();
    socket.close();
  }
}
