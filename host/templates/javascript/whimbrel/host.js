// Where the SDK finds the host's functions: the component's entry puts the real ones here, a test its own.

/** Stands for an interface while the module's top level runs. */
const missing = new Proxy(
  {},
  {
    get: (_, name) => () => {
      throw new Error(
        `${name}: there is no host while the module's top level runs, at build time; call it from a handler`,
      );
    },
  },
);

/** The contract's interfaces `connection` and `topics`. */
export const host = { connection: missing, topics: missing };

/** Why the host refused a call. Nothing was queued or changed. */
export class HostError extends Error {
  name = "HostError";

  /** @param {{ tag: string, val?: number | string }} refused the contract's `error` */
  constructor({ tag, val }) {
    super(message(tag, val));
    this.code = tag;
    if (tag === "too-large") this.limit = val;
    if (tag === "buffer-full") this.waiting = val;
  }
}

function message(tag, val) {
  switch (tag) {
    case "closed":
      return "the connection is closed";
    case "unknown-connection":
      return "no such connection belongs to this instance";
    case "too-large":
      return `the message is over the limit of ${val} bytes`;
    case "buffer-full":
      return `the outbound buffer is full: ${val} bytes wait for the peer`;
    case "invalid":
      return `invalid argument: ${val}`;
    default:
      return `${tag}: ${val}`;
  }
}

/** What to throw for what a function of the host threw: a `HostError` for what it refused. */
export function refused(error) {
  // Both engines throw an Error whose `payload` is the contract's error.
  return error?.payload?.tag === undefined ? error : new HostError(error.payload);
}

/** A string as the host takes it: lone surrogates become U+FFFD, as in a browser's `WebSocket.send`. */
export function wellFormed(text) {
  return text.toWellFormed();
}

/** The contract's message of a string or of bytes. */
export function toMessage(message) {
  if (typeof message === "string") return { tag: "text", val: wellFormed(message) };
  const val = toBytes(message);
  if (val !== undefined) return { tag: "binary", val };
  throw new TypeError(
    `message: ${shown(message)}; allowed are a string (text) and bytes such as a Uint8Array (binary)`,
  );
}

/** A view of an ArrayBuffer or of anything over one; undefined for all else. */
export function toBytes(value) {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return undefined;
}

/** A whole number within a range, for what the host takes as one; an engine would cut off what does not fit. */
export function whole(name, value, most) {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new RangeError(`${name}: ${shown(value)}; allowed are whole numbers from 0 to ${most}`);
}

/** A value for an error's text. */
export function shown(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value?.then === "function") return "a promise";
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "an array" : "an object";
  return String(value);
}
