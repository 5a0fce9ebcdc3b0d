// From the functions that the component exports to the handler of a connection.

import { connectionOf, forget } from "./connection.js";
import { answer } from "./handshake.js";
import { host, shown, wellFormed } from "./host.js";
import { requestOf } from "./request.js";
import { settled } from "./settled.js";
import { textOf } from "./stack.js";

const FUNCTIONS = ["open", "onMessage", "onClose", "onPing", "onPong"];
const SCOPES = ["connection", "room", "shared", "event"];

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
    host.connection = engine.connection;
    host.topics = engine.topics;
    engine.started?.();
  };

  /** Calls a function of a handler, if it has it, and keeps what is to be kept. */
  const run = (handler, name, connection, value) => {
    const returned = handler[name]?.(connection, value);
    if (typeof returned?.then !== "function") return handlers.keep?.(handler, connection);
    if (engine.awaits) return returned.then(() => handlers.keep?.(handler, connection));
    throw new TypeError(
      `${name} returned a promise, which nothing would wait for: handlers of this engine are not async; remove \`async\` ` +
        "and `await`, or build with --engine starling",
    );
  };

  return {
    handler: {
      open(id, request) {
        begin();
        const connection = connectionOf(id);
        const opened = () => run(handlers.open(connection), "open", connection, requestOf(request));
        return settled(opened, (error) => {
          handlers.close(connection);
          forget(id);
          fail(error);
        });
      },
      // The one that is called most often.
      onMessage(id, message) {
        begin();
        try {
          const connection = connectionOf(id);
          const returned = run(handlers.of(connection), "onMessage", connection, message.val);
          return typeof returned?.then === "function" ? returned.then(undefined, fail) : returned;
        } catch (error) {
          return fail(error);
        }
      },
      onClose(id, { code, reason, cause }) {
        begin();
        const connection = connectionOf(id);
        const info = { code: code ?? undefined, reason: reason ?? undefined, cause };
        const closed = () => {
          const handler = handlers.of(connection);
          handlers.close(connection);
          forget(id);
          return run(handler, "onClose", connection, info);
        };
        return settled(closed, (error) => log("onClose", connection, error));
      },
      onPing(id, data) {
        begin();
        const connection = connectionOf(id);
        return settled(
          () => run(handlers.of(connection), "onPing", connection, data),
          (error) => endWith("onPing", connection, error),
        );
      },
      onPong(id, data) {
        begin();
        const connection = connectionOf(id);
        return settled(
          () => run(handlers.of(connection), "onPong", connection, data),
          (error) => endWith("onPong", connection, error),
        );
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

/** For functions with a result: what was thrown closes the connection with 1011, its text goes into the log. */
function fail(error) {
  // Both engines make the contract's err(text) of a string that is thrown, and a trap of anything else.
  throw wellFormed(textOf(error));
}

/** For functions without: the same, done here. */
function endWith(name, connection, error) {
  log(name, connection, error);
  try {
    connection.close(1011, "the handler failed");
  } catch {
    // It was closing already.
  }
}

function log(name, connection, error) {
  console.error(`${name} of connection ${connection} failed: ${textOf(error)}`);
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
  const { attached } = definition;
  if (attached !== undefined && !(isClass && Array.isArray(attached))) {
    throw new TypeError(`attached: ${shown(attached)}; allowed is, static in a class, a list of its fields' names`);
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
