// A host without sockets, for tests of a handler: node --test. It has no limits, and no time passes.

import { exported } from "./dispatch.js";
import { toBytes } from "./host.js";
import { settled } from "./settled.js";
import { decode, encode } from "./text.js";

/** A peer's limits of the contract. */
const CONTROL_BYTES = 125;
const ATTACHMENT_BYTES = 16 * 1024;
const TOPIC_BYTES = 256;

export class TestHost {
  /** The peers by the number of their connection. */
  #peers = new Map();
  #definition;
  #scope;
  #awaits;
  #instances = [];
  #serving;

  constructor(definition, { scope = "connection", engine = "quickjs" } = {}) {
    this.#definition = definition;
    this.#scope = scope;
    this.#awaits = engine === "starling";
  }

  connect(path = "/", options = {}) {
    const request = requestOf(path, options);
    const instance = this.#instance();
    const peer = new Peer(this, this.#peers.size + 1, instance);
    const decided = settled(
      () => this.#enter(instance, () => instance.exports.upgrade.upgrade(request, options.originAllowed ?? true)),
      (refusal) => ({ refusal: { ...refusal, headers: pairs(refusal.headers), body: decode(refusal.body) } }),
    );
    return then(decided, (acceptance) => {
      if (acceptance.refusal) {
        peer.refusal = acceptance.refusal;
        return peer;
      }
      peer.acceptance = { ...acceptance, headers: pairs(acceptance.headers) };
      peer.subprotocol = acceptance.subprotocol;
      this.#peers.set(peer.id, peer);
      const failed = (error) => {
        peer.fail(error);
        peer.ended = true;
      };
      const opened = settled(() => this.#enter(this.#of(peer), (it) => it.handler.open(peer.id, request)), failed);
      return then(opened, () => then(this.settle(), () => peer));
    });
  }

  /** Runs an event of a peer, then what follows from it. */
  event(peer, name, value) {
    if (peer.refusal || peer.ended) throw new Error(`${name}: connection ${peer.id} is not open`);
    const failed = (error) => peer.fail(error);
    const ran = settled(() => this.#enter(this.#of(peer), (it) => it.handler[name](peer.id, value)), failed);
    return then(ran, () => this.settle());
  }

  /** Calls `onClose` of whoever is closing. */
  settle() {
    const peer = Array.from(this.#peers.values()).find((peer) => peer.closing && !peer.ended);
    if (peer === undefined) return undefined;
    peer.ended = true;
    const info = peer.closing;
    return then(
      this.#enter(this.#of(peer), (it) => it.handler.onClose(peer.id, info)),
      () => this.settle(),
    );
  }

  #instance() {
    const isShared = this.#scope === "room" || this.#scope === "shared";
    if (isShared && this.#instances.length > 0) return this.#instances[0];
    const instance = {};
    instance.exports = exported(this.#definition, { ...this.#imports(), awaits: this.#awaits });
    this.#instances.push(instance);
    return instance;
  }

  #of(peer) {
    if (this.#scope === "event") peer.instance = this.#instance();
    return peer.instance;
  }

  /** While an instance runs, only its connections are known. */
  #enter(instance, act) {
    this.#serving = instance;
    return act(instance.exports);
  }

  #imports() {
    const own = (id) => {
      const peer = this.#peers.get(id);
      if (peer === undefined || peer.instance !== this.#serving) throw refused("unknown-connection");
      return peer;
    };
    const open = (id) => {
      const peer = own(id);
      if (peer.closed || peer.ended) throw refused("closed");
      return peer;
    };
    const connection = {
      send: (id, message) => (open(id).received.push(copied(message)), 0),
      sendMany: (ids, message) => ids.filter((id) => this.#takes(this.#peers.get(id), message)).length,
      drained: (id) => void open(id),
      ping(id, data) {
        if (data.length > CONTROL_BYTES)
          throw refused("invalid", `data: ${data.length} bytes; at most ${CONTROL_BYTES} are allowed`);
        open(id).pings.push(data.slice());
      },
      close: (id, code, reason) => open(id).end(code, reason, "guest"),
      setNodelay: (id) => void open(id),
      inspect: (id) => own(id).info(),
      connections: () =>
        Array.from(this.#peers.values())
          .filter((peer) => peer.instance === this.#serving && !peer.ended)
          .map((peer) => peer.id),
      attach(id, data) {
        if (data.length > ATTACHMENT_BYTES) throw refused("too-large", ATTACHMENT_BYTES);
        own(id).attached = data.slice();
      },
      attachment: (id) => own(id).attached.slice(),
    };
    const topics = {
      subscribe: (id, topic) => void open(id).topics.add(checked(topic)),
      unsubscribe: (id, topic) => void open(id).topics.delete(checked(topic)),
      publish: (topic, message, except) =>
        Array.from(this.#peers.values()).filter(
          (peer) => peer.topics.has(checked(topic)) && !except.includes(peer.id) && this.#takes(peer, message),
        ).length,
    };
    return { connection, topics };
  }

  #takes(peer, message) {
    if (peer === undefined || peer.closed || peer.ended) return false;
    peer.received.push(copied(message));
    return true;
  }
}

/** A client of the test's. */
class Peer {
  received = [];
  pings = [];
  topics = new Set();
  attached = new Uint8Array();
  messagesIn = 0;
  closed = undefined;
  closing = undefined;
  ended = false;
  error = undefined;
  refusal = undefined;
  #host;

  constructor(host, id, instance) {
    this.#host = host;
    this.id = id;
    this.instance = instance;
  }

  send(message) {
    this.messagesIn += 1;
    const value =
      typeof message === "string" ? { tag: "text", val: message } : { tag: "binary", val: toBytes(message) };
    return this.#host.event(this, "onMessage", value);
  }

  ping(data = "") {
    return this.#host.event(this, "onPing", bytes(data));
  }

  pong(data = "") {
    return this.#host.event(this, "onPong", bytes(data));
  }

  close(code, reason = "") {
    return this.#gone({ code, reason: code === undefined ? undefined : reason, cause: "peer" });
  }

  disconnect() {
    return this.#gone({ code: undefined, reason: undefined, cause: "network" });
  }

  #gone(info) {
    this.closing ??= info;
    this.closed ??= { code: info.code, reason: info.reason };
    return this.#host.settle();
  }

  /** What the handler asked for: the peer answers its close frame with the same code. */
  end(code, reason, cause) {
    this.closed = { code: code ?? undefined, reason: code === undefined ? undefined : reason };
    this.closing ??= { code: code ?? undefined, reason: code === undefined ? undefined : reason, cause };
  }

  fail(error) {
    if (typeof error !== "string") throw error;
    this.error = error;
    if (!this.closed) this.end(1011, "the handler failed", "guest-error");
  }

  info() {
    return {
      subprotocol: this.subprotocol,
      open: !this.closed && !this.ended,
      buffered: 0,
      messagesIn: this.messagesIn,
      messagesOut: this.received.length,
      roundTripUs: undefined,
    };
  }
}

function requestOf(path, options) {
  const [bare, ...query] = path.split("?");
  const headers = Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), bytes(value)]);
  return {
    path: bare,
    query: query.length > 0 ? query.join("?") : undefined,
    args: Object.entries(options.args ?? {}).map(([name, value]) => ({ name, value })),
    headers,
    host: options.host ?? "localhost",
    origin: options.origin,
    subprotocols: options.subprotocols ?? [],
    peer: options.peer ?? "127.0.0.1:50000",
    secure: options.secure ?? false,
  };
}

function refused(tag, val) {
  return Object.assign(new Error(tag), { payload: { tag, val } });
}

function checked(topic) {
  const { length } = encode(topic);
  if (length >= 1 && length <= TOPIC_BYTES) return topic;
  throw refused("invalid", `topic: ${length} bytes; 1 to ${TOPIC_BYTES} are allowed`);
}

function copied({ val }) {
  return typeof val === "string" ? val : val.slice();
}

function bytes(value) {
  return typeof value === "string" ? encode(value) : toBytes(value);
}

function pairs(headers) {
  return headers.map(([name, value]) => [name, decode(value)]);
}

function then(value, act) {
  return typeof value?.then === "function" ? value.then(act) : act(value);
}
