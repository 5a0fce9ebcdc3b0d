// The answer to an opening handshake, from what a handler's `upgrade` returned.

import { shown, toBytes, wellFormed, whole } from "./host.js";
import { settled } from "./settled.js";
import { textOf } from "./stack.js";
import { encode } from "./text.js";

const ORIGIN_REFUSED = "Cross origin websockets not allowed";

/** The contract's answer to a handshake: an acceptance, or a refusal that is thrown. */
export function answer(decide, isOriginAllowed, awaits) {
  const failed = (error) => {
    console.error(`upgrade failed: ${textOf(error)}`);
    throw refusal({ status: 500 });
  };
  const read = (decision) => {
    if (decision === undefined || decision === null) {
      return isOriginAllowed ? acceptance({}) : { refused: refusal({ status: 403, body: ORIGIN_REFUSED }) };
    }
    if (typeof decision !== "object") {
      throw new TypeError(`upgrade returned ${shown(decision)}; allowed are nothing, an acceptance and a refusal`);
    }
    return "status" in decision ? { refused: refusal(decision) } : acceptance(decision);
  };
  const checked = settled(() => {
    const decision = decide();
    if (typeof decision?.then !== "function") return read(decision);
    if (awaits) return decision.then(read);
    throw new TypeError(
      "upgrade returned a promise, which nothing would wait for: handlers of this engine are not async",
    );
  }, failed);
  const give = (decided) => {
    if (decided.refused) throw decided.refused;
    return decided;
  };
  return typeof checked?.then === "function" ? checked.then(give) : give(checked);
}

const ACCEPTANCE = ["subprotocol", "headers", "maxMessageSize", "pingIntervalMs", "pingTimeoutMs"];
const REFUSAL = ["status", "headers", "body"];

function acceptance(given) {
  known("an acceptance", given, ACCEPTANCE);
  const number = (name) => (given[name] === undefined ? undefined : whole(name, given[name], 0xffff_ffff));
  return {
    subprotocol: given.subprotocol === undefined ? undefined : wellFormed(String(given.subprotocol)),
    headers: headersOf(given.headers),
    maxMessageSize: number("maxMessageSize"),
    pingIntervalMs: number("pingIntervalMs"),
    pingTimeoutMs: number("pingTimeoutMs"),
    compression: undefined,
  };
}

function refusal(given) {
  known("a refusal", given, REFUSAL);
  const body = given.body ?? "";
  return {
    status: whole("status", given.status, 0xffff),
    headers: headersOf(given.headers ?? (typeof body === "string" && body !== "" ? TEXT : {})),
    body: bytesOf("body", body),
  };
}

const TEXT = { "content-type": "text/plain; charset=utf-8" };

/** Header fields: an object of values, or of lists of values; or pairs of name and value. */
function headersOf(headers = {}) {
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return pairs.flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((value) => [wellFormed(String(name)), bytesOf(name, value)]),
  );
}

function bytesOf(name, value) {
  const bytes = typeof value === "string" ? encode(wellFormed(value)) : toBytes(value);
  if (bytes === undefined) throw new TypeError(`${name}: ${shown(value)}; allowed are a string and bytes`);
  return bytes;
}

function known(what, given, names) {
  const wrong = Object.keys(given).find((name) => !names.includes(name));
  if (wrong !== undefined) throw new TypeError(`${what} has no ${wrong}; it has ${names.join(", ")}`);
}
