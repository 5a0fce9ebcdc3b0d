// What a handler may do to its connections.

import { call, shown, toBytes, toMessage, wellFormed, whole } from "./host.js";
import { decode, encode } from "./text.js";

const U16 = 0xffff;
const U32 = 0xffff_ffff;

/** The connections of this instance, so that each is one object for as long as it lives. */
const known = new Map();

/** One connection. It may be kept and used as a key; after its end every call throws a `HostError`. */
export class Connection {
  #id;

  /** @param {number} id the number that the host's log shows as `connection` */
  constructor(id) {
    this.#id = whole("id", id, U32);
  }

  get id() {
    return this.#id;
  }

  send(message) {
    return call("connection", "send", this.#id, toMessage(message));
  }

  drained(lowWater = 0) {
    call("connection", "drained", this.#id, whole("lowWater", lowWater, U32));
  }

  ping(data = "") {
    const bytes = typeof data === "string" ? encode(wellFormed(data)) : toBytes(data);
    if (bytes === undefined) throw new TypeError(`data: ${shown(data)}; allowed are a string and bytes`);
    call("connection", "ping", this.#id, bytes);
  }

  close(code, reason = "") {
    const checked = code === undefined || code === null ? undefined : whole("code", code, U16);
    call("connection", "close", this.#id, checked, wellFormed(String(reason)));
  }

  subscribe(topic) {
    call("topics", "subscribe", this.#id, wellFormed(String(topic)));
  }

  unsubscribe(topic) {
    call("topics", "unsubscribe", this.#id, wellFormed(String(topic)));
  }

  setNodelay(on) {
    call("connection", "setNodelay", this.#id, Boolean(on));
  }

  inspect() {
    const info = call("connection", "inspect", this.#id);
    return {
      subprotocol: info.subprotocol ?? undefined,
      open: info.open,
      buffered: info.buffered,
      // 64 bits wide in the contract: a BigInt in one engine.
      messagesIn: Number(info.messagesIn),
      messagesOut: Number(info.messagesOut),
      roundTripUs: info.roundTripUs ?? undefined,
    };
  }

  attach(value) {
    call("connection", "attach", this.#id, pack(value));
  }

  get attachment() {
    return unpack(call("connection", "attachment", this.#id));
  }

  toString() {
    return String(this.#id);
  }

  toJSON() {
    return this.#id;
  }
}

/** The one object of a connection. */
export function connectionOf(id) {
  let connection = known.get(id);
  if (connection === undefined) {
    connection = new Connection(id);
    known.set(id, connection);
  }
  return connection;
}

/** After the connection's last event. */
export function forget(id) {
  known.delete(id);
}

export function connections() {
  return Array.from(call("connection", "connections"), connectionOf);
}

export function sendMany(connections, message) {
  return call("connection", "sendMany", ids(connections), toMessage(message));
}

export function publish(topic, message, except = []) {
  const left = except instanceof Connection ? [except] : except;
  return call("topics", "publish", wellFormed(String(topic)), toMessage(message), ids(left));
}

function ids(connections) {
  return Array.from(connections, (connection) => {
    if (connection instanceof Connection) return connection.id;
    throw new TypeError(`connections: ${shown(connection)} is not a Connection`);
  });
}

// An attachment: nothing, or a byte that says what follows.
const BYTES = 0;
const JSON_TEXT = 1;

function pack(value) {
  if (value === undefined) return new Uint8Array();
  const bytes = toBytes(value);
  const text = bytes === undefined ? JSON.stringify(value) : undefined;
  if (bytes === undefined && text === undefined) throw new TypeError(`attachment: ${shown(value)} is neither bytes nor JSON`);
  const content = bytes ?? encode(wellFormed(text));
  const packed = new Uint8Array(content.length + 1);
  packed[0] = bytes === undefined ? JSON_TEXT : BYTES;
  packed.set(content, 1);
  return packed;
}

function unpack(packed) {
  if (packed.length === 0) return undefined;
  const content = packed.subarray(1);
  return packed[0] === BYTES ? content.slice() : JSON.parse(decode(content));
}
