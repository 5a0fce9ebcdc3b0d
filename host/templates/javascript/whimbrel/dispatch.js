// From the functions that the component exports to the handler of a connection.

import { connectionOf, forget } from "./connection.js";
import { shown, toBytes, use, wellFormed, whole } from "./host.js";
import { requestOf } from "./request.js";
import { ownFrames } from "./stack.js";
import { encode } from "./text.js";

const FUNCTIONS = ["open", "onMessage", "onClose", "onPing", "onPong"];
const SCOPES = ["connection", "room", "shared", "event"];
const ORIGIN_REFUSED = "Cross origin websockets not allowed";

/**
 * What the component exports for a handler: a class, of which each connection has an object, or one object for all.
 *
 * @param {object} definition the default export of the handler's module
 * @param {object} engine its `connection` and `topics` modules, whether it `awaits` promises, what it does when `started`
 */
export function exported(definition, engine) {
  check(definition);
  const handlers = typeof definition === "function" ? new PerConnection(definition) : new ForAll(definition);
  const begin = () => {
    use(engine.connection, engine.topics);
    engine.started?.();
  };

  /** Calls a function of a handler, if it has it, and keeps what is to be kept. */
  const run = (handler, name, connection, value) => {
    const keep = () => handlers.keep?.(handler, connection);
    const returned = handler[name]?.(connection, value);
    if (typeof returned?.then !== "function") return keep();
    if (engine.awaits) return returned.then(keep);
    throw new TypeError(
      `${name} returned a promise, which nothing would wait for: handlers of this engine are not async; remove \`async\` ` +
        "and `await`, or build with --engine starling",
    );
  };
  /** For functions with a result: what is thrown closes the connection with 1011, its text goes into the log. */
  const failing = (act) => {
    begin();
    return settled(act, (error) => {
      // Both engines make the contract's err(text) of a string that is thrown, and a trap of anything else.
      throw wellFormed(textOf(error));
    });
  };
  /** For functions without: what is thrown goes into the log. */
  const logging = (name, id, act) => {
    begin();
    return settled(act, (error) => console.error(`${name} of connection ${id} failed: ${textOf(error)}`));
  };

  return {
    handler: {
      open(id, request) {
        const connection = connectionOf(id);
        return settled(
          () => failing(() => run(handlers.open(connection), "open", connection, requestOf(request))),
          (error) => {
            handlers.close(connection);
            forget(id);
            throw error;
          },
        );
      },
      onMessage(id, message) {
        const connection = connectionOf(id);
        return failing(() => run(handlers.of(connection), "onMessage", connection, message.val));
      },
      onClose(id, info) {
        const connection = connectionOf(id);
        const { code, reason, cause } = info;
        const end = () => forget(id);
        const closed = logging("onClose", id, () => {
          const handler = handlers.of(connection);
          handlers.close(connection);
          return run(handler, "onClose", connection, { code: code ?? undefined, reason: reason ?? undefined, cause });
        });
        return typeof closed?.then === "function" ? closed.then(end) : end();
      },
      onPing(id, data) {
        const connection = connectionOf(id);
        return logging("onPing", id, () => run(handlers.of(connection), "onPing", connection, data));
      },
      onPong(id, data) {
        const connection = connectionOf(id);
        return logging("onPong", id, () => run(handlers.of(connection), "onPong", connection, data));
      },
    },
    upgrade: {
      upgrade(request, isOriginAllowed) {
        begin();
        const decide = () => definition.upgrade?.(requestOf(request), isOriginAllowed);
        return answer(decide, isOriginAllowed, engine.awaits);
      },
    },
    fit: {
      scopes: () => definition.scopes ?? handlers.scopes,
    },
  };
}

/** Runs a function that may throw, now or by the promise that it returns. */
function settled(act, failed) {
  try {
    const returned = act();
    return typeof returned?.then === "function" ? returned.then(undefined, failed) : returned;
  } catch (error) {
    return failed(error);
  }
}

/** One object for all connections of the instance. */
class ForAll {
  scopes = SCOPES;
  #handler;

  constructor(handler) {
    this.#handler = handler;
  }

  open() {
    return this.#handler;
  }

  of() {
    return this.#handler;
  }

  close() {}
}

/** An object per connection. With `static attached` its fields of these names are kept with the connection too. */
class PerConnection {
  #class;
  #attached;
  /** By connection: its object, and what of it is attached, as JSON. */
  #open = new Map();

  constructor(definition) {
    this.#class = definition;
    this.#attached = definition.attached;
  }

  get scopes() {
    return this.#attached ? SCOPES : SCOPES.filter((scope) => scope !== "event");
  }

  open(connection) {
    const handler = new this.#class();
    this.#open.set(connection.id, { handler, kept: undefined });
    return handler;
  }

  of(connection) {
    return this.#open.get(connection.id)?.handler ?? this.#restore(connection);
  }

  close(connection) {
    this.#open.delete(connection.id);
  }

  /** After each event: attach what has changed. */
  keep(handler, connection) {
    const entry = this.#attached && this.#open.get(connection.id);
    if (!entry) return;
    const fields = Object.fromEntries(this.#attached.map((name) => [name, handler[name]]));
    const kept = JSON.stringify(fields);
    if (kept === entry.kept) return;
    connection.attach(fields);
    entry.kept = kept;
  }

  /** The object of a connection that was opened in another instance. */
  #restore(connection) {
    const fields = this.#attached && connection.attachment;
    if (fields === undefined) {
      throw new Error(
        `connection ${connection} was opened in another instance, and nothing of its object was kept; name the fields ` +
          "to keep in `static attached = [...]`",
      );
    }
    const handler = Object.assign(new this.#class(), fields);
    this.#open.set(connection.id, { handler, kept: JSON.stringify(fields) });
    return handler;
  }
}

/** The contract's answer to a handshake: an acceptance, or a refusal that is thrown. */
function answer(decide, isOriginAllowed, awaits) {
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
    throw new TypeError("upgrade returned a promise, which nothing would wait for: handlers of this engine are not async");
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

/** What would never be called, or not as it was meant, is told when the component is built. */
function check(definition) {
  const isClass = typeof definition === "function";
  if (!isClass && (typeof definition !== "object" || definition === null)) {
    throw new TypeError(`the handler's module exports ${shown(definition)}; export default a class or an object`);
  }
  const functions = isClass ? definition.prototype : definition;
  for (const name of namesOf(functions)) {
    const meant = /^on/i.test(name) && FUNCTIONS.find((right) => right !== name && plain(right) === plain(name));
    if (meant) throw new TypeError(`${name} would never be called; the function's name is ${meant}`);
  }
  if (!FUNCTIONS.some((name) => typeof functions?.[name] === "function")) {
    throw new TypeError(`the handler has none of the functions ${FUNCTIONS.join(", ")}`);
  }
  if (isClass && typeof functions.upgrade === "function") {
    throw new TypeError("upgrade is called before there is an object of the class: write static upgrade(...)");
  }
  const wrong = definition.scopes?.find((scope) => !SCOPES.includes(scope));
  if (wrong !== undefined) throw new TypeError(`scopes: ${shown(wrong)}; allowed are ${SCOPES.join(", ")}`);
}

/** All names of an object and of what it inherits from. */
function namesOf(object) {
  const names = [];
  for (let at = object; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    names.push(...Object.getOwnPropertyNames(at));
  }
  return names;
}

/** `onOpen`, `on_open` and `open` are the same to who does not look. */
function plain(name) {
  return name.toLowerCase().replace(/^on_?|_/g, "");
}

/** What was thrown, with the first line of its stack that is not this SDK's. */
export function textOf(error) {
  if (!(error instanceof Error)) return typeof error === "object" ? (JSON.stringify(error) ?? String(error)) : String(error);
  const cause = error.cause === undefined ? "" : ` (cause: ${error.cause})`;
  const place = placeOf(error.stack);
  return `${error}${cause}${place === undefined ? "" : ` ${place}`}`;
}

function placeOf(stack) {
  const place = ownFrames(stack).find((line) => /:\d/.test(line));
  // `at f (file:1:2)` in one engine, `f@file:1:2` in the other.
  return place?.replace(/^([^@]*)@(.*)$/, (_, name, file) => (name ? `at ${name} (${file})` : `at ${file}`));
}
