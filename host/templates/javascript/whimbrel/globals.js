// The globals that QuickJS lacks and handlers expect: console, TextEncoder and TextDecoder, crypto's
// random numbers; and those that would not be right in a component that was started at build time.
// There are no timers: a handler runs when the host calls it, and not in between.

import * as stderr from "wasi:cli/stderr@0.2.12";
import * as stdout from "wasi:cli/stdout@0.2.12";
import * as random from "wasi:random/random@0.2.12";
import { format } from "./format.js";
import { toBytes } from "./host.js";
import { ownFrames } from "./stack.js";
import { decodeSlowly, encodeSlowly } from "./text.js";

/** Lines from the module's top level, which runs at build time, where there is no host; printed at the first event. */
let early = [];

/** There is a host now. */
export function start() {
  if (early === undefined) return;
  const lines = early;
  early = undefined;
  origin = sinceBuild();
  for (const [stream, line] of lines) print(stream, line);
}

/** WASI takes at most so many bytes at once. */
const PART = 4096;
const streams = new Map();

function print(stream, line) {
  if (early) {
    early.push([stream, line]);
    return;
  }
  let output = streams.get(stream);
  if (output === undefined) {
    output = stream === "stdout" ? stdout.getStdout() : stderr.getStderr();
    streams.set(stream, output);
  }
  const bytes = encodeSlowly(`${line}\n`);
  for (let at = 0; at < bytes.length; at += PART) output.blockingWriteAndFlush(bytes.slice(at, at + PART));
}

const to =
  (stream) =>
  (...values) =>
    print(stream, format(values));

/** The host logs lines of stdout as info, of stderr as warn. */
globalThis.console = {
  debug: to("stdout"),
  error: to("stderr"),
  info: to("stdout"),
  log: to("stdout"),
  trace: (...values) => print("stderr", ["Trace: " + format(values), ...ownFrames(new Error().stack)].join("\n    ")),
  warn: to("stderr"),
  assert(condition, ...values) {
    if (!condition) print("stderr", format(["Assertion failed:", ...values]));
  },
};

globalThis.TextEncoder ??= class TextEncoder {
  encoding = "utf-8";

  encode(text = "") {
    return encodeSlowly(String(text));
  }
};

globalThis.TextDecoder ??= class TextDecoder {
  encoding = "utf-8";

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder: ${label}; allowed is utf-8`);
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }

  decode(data = new Uint8Array()) {
    const bytes = toBytes(data);
    if (bytes === undefined) throw new TypeError("TextDecoder: not bytes");
    const text = decodeSlowly(bytes, this.fatal);
    return !this.ignoreBOM && text.startsWith("\ufeff") ? text.slice(1) : text;
  }
};

// The engine's own generator is seeded when the component is built: every instance would draw the same numbers.
const seeded = Math.random;
let pool = new Uint32Array();
let drawn = 0;

/** 32 random bits of the host's. */
function draw() {
  if (drawn === pool.length) {
    pool = new Uint32Array(random.getRandomBytes(1024).slice().buffer);
    drawn = 0;
  }
  return pool[drawn++];
}

Math.random = () => (early ? seeded() : ((draw() >>> 5) * 0x400_0000 + (draw() >>> 6)) / 2 ** 53);

globalThis.crypto ??= {
  getRandomValues(array) {
    if (early)
      throw new Error(
        "crypto.getRandomValues: the module's top level runs at build time; every instance would get the same",
      );
    const bytes = toBytes(array);
    if (bytes === undefined || bytes.length > 65_536)
      throw new RangeError("crypto.getRandomValues: allowed are arrays of integers with at most 65536 bytes");
    if (bytes.length > 0) bytes.set(random.getRandomBytes(bytes.length));
    return array;
  },
  randomUUID() {
    const bytes = this.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
};

// The engine counts from the build, by a clock that is another one here.
const sinceBuild = performance.now.bind(performance);
let origin = 0;
globalThis.performance = { now: () => (early ? 0 : sinceBuild() - origin) };

// The engine has it, but nothing would run what it queues.
delete globalThis.queueMicrotask;
