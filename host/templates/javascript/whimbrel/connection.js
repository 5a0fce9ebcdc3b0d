// What a handler may do to its connections.

import { host, refused, shown, toBytes, toMessage, wellFormed, whole } from "./host.js";
import { decode, encode } from "./text.js";

const U16 = 0xffff;
const U32 = 0xffff_ffff;

/** Calls the host; what it refuses is thrown as a `HostError`. */
function ask(act) {
  try {
    return act();
  } catch (error) {
    throw refused(error);
  }
}

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
    try {
      return host.connection.send(this.#id, toMessage(message));
    } catch (error) {
      throw refused(error);
    }
  }

  drained(lowWater = 0) {
    ask(() => host.connection.drained(this.#id, whole("lowWater", lowWater, U32)));
  }

  ping(data = "") {
    const bytes = typeof data === "string" ? encode(wellFormed(data)) : toBytes(data);
    if (bytes === undefined) throw new TypeError(`data: ${shown(data)}; allowed are a string and bytes`);
    ask(() => host.connection.ping(this.#id, bytes));
  }

  close(code, reason = "") {
    const checked = code === undefined || code === null ? undefined : whole("code", code, U16);
    ask(() => host.connection.close(this.#id, checked, wellFormed(String(reason))));
  }

  subscribe(topic) {
    ask(() => host.topics.subscribe(this.#id, wellFormed(String(topic))));
  }

  unsubscribe(topic) {
    ask(() => host.topics.unsubscribe(this.#id, wellFormed(String(topic))));
  }

  setNodelay(on) {
    ask(() => host.connection.setNodelay(this.#id, Boolean(on)));
  }

  inspect() {
    const info = ask(() => host.connection.inspect(this.#id));
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
    ask(() => host.connection.attach(this.#id, pack(value)));
  }

  get attachment() {
    return unpack(ask(() => host.connection.attachment(this.#id)));
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
  return Array.from(
    ask(() => host.connection.connections()),
    connectionOf,
  );
}

export function sendMany(connections, message) {
  return ask(() => host.connection.sendMany(ids(connections), toMessage(message)));
}

export function publish(topic, message, except = []) {
  const left = except instanceof Connection ? [except] : except;
  return ask(() => host.topics.publish(wellFormed(String(topic)), toMessage(message), ids(left)));
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
  if (bytes === undefined && text === undefined)
    throw new TypeError(`attachment: ${shown(value)} is neither bytes nor JSON`);
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
