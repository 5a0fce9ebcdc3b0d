// The guest of tests/languages in JavaScript.

import { HostError, publish } from "./whimbrel/index.js";

export default class Case {
  count = 0;

  static upgrade(request) {
    failIf(request, "upgrade");
    const status = request.param("refuse");
    if (status !== undefined) return { status: Number(status), headers: { "x-refused": "yes" }, body: "refused" };
    const subprotocol = request.subprotocols.find((offered) => offered === "case.v2");
    return { subprotocol, headers: { "x-case": "yes" } };
  }

  open(connection, request) {
    this.request = request;
    failIf(request, "open");
  }

  onMessage(connection, message) {
    this.count += 1;
    if (typeof message !== "string" || !message.startsWith("!")) {
      connection.send(message);
      return undefined;
    }
    const answer = this.answer(connection, message);
    if (typeof answer?.then === "function") return answer;
    if (answer !== undefined) connection.send(answer);
    return undefined;
  }

  onClose(connection, { code, reason, cause }) {
    console.log(`closed code=${code ?? "-"} reason=${reason ?? "-"} cause=${cause}`);
    failIf(this.request, "close");
  }

  onPing(connection, data) {
    connection.send(`ping ${new TextDecoder().decode(data)}`);
    failIf(this.request, "ping");
  }

  onPong(connection, data) {
    if (data.length > 0) connection.send(`pong ${new TextDecoder().decode(data)}`);
    failIf(this.request, "pong");
  }

  /** What a command answers; undefined for nothing. */
  answer(connection, message) {
    const [command, argument] = halves(message.slice(1));
    try {
      return this.told(command, argument) ?? this.done(connection, command, argument);
    } catch (error) {
      if (error instanceof HostError) return `error ${error.code}`;
      throw error;
    }
  }

  /** Commands that only tell something. */
  told(command, argument) {
    const { request } = this;
    switch (command) {
      case "args":
        return request.args.map(({ name, value }) => `${name ?? "_"}=${value ?? "-"}`).join(",");
      case "query":
        return request.query ?? "-";
      case "header":
        return request.header(argument) ?? "-";
      case "request": {
        const { path, host, origin, subprotocols, secure } = request;
        return `path=${path} host=${host} origin=${origin ?? "-"} subprotocols=${subprotocols.join(",")} secure=${secure}`;
      }
      case "count":
        return String(this.count);
      default:
        return undefined;
    }
  }

  /** Commands that do something to the connection. */
  done(connection, command, argument) {
    const [first, rest] = halves(argument);
    switch (command) {
      case "subprotocol":
        return connection.inspect().subprotocol ?? "-";
      case "close":
        return void (first === "" ? connection.close() : connection.close(Number(first), rest));
      case "ping":
        return void connection.ping(argument);
      case "subscribe":
        connection.subscribe(argument);
        return "ok";
      case "unsubscribe":
        connection.unsubscribe(argument);
        return "ok";
      case "publish":
        return `ok ${publish(first, rest)}`;
      case "publish-others":
        return `ok ${publish(first, rest, connection)}`;
      case "attach":
        connection.attach(argument);
        return "ok";
      case "attachment":
        return connection.attachment ?? "";
      case "print":
        console.log(argument);
        return "ok";
      case "eprint":
        console.error(argument);
        return "ok";
      case "fail":
        throw new Error(argument);
      default:
        return own(command);
    }
  }
}

/** Commands of this language: what its engine lacks or would do wrong, and the SDK makes up for. */
function own(command) {
  switch (command) {
    case "random":
      return `${Math.random()} ${crypto.randomUUID()}`;
    case "globals":
      return `${new TextDecoder().decode(new TextEncoder().encode("é"))} ${performance.now() >= 0} ${typeof setTimeout}`;
    case "surrogate":
      return "a\ud800b";
    case "async":
      return { then() {} };
    default:
      return `unknown command ${command}`;
  }
}

/** What stands before and after the first space. */
function halves(text) {
  const at = text.indexOf(" ");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function failIf(request, name) {
  if (request.param("fail") === name) throw new Error(`failed in ${name}`);
}
