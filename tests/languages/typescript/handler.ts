// The guest of tests/languages in TypeScript.

import {
  HostError,
  publish,
  type CloseInfo,
  type Connection,
  type Decision,
  type Handler,
  type HandlerClass,
  type Message,
  type Request,
} from "./whimbrel/index.js";

class Case implements Handler {
  private count = 0;
  private request!: Request;

  static upgrade(request: Request): Decision {
    failIf(request, "upgrade");
    const status = request.param("refuse");
    if (status !== undefined) return { status: Number(status), headers: { "x-refused": "yes" }, body: "refused" };
    const subprotocol = request.subprotocols.find((offered) => offered === "case.v2");
    return { subprotocol, headers: { "x-case": "yes" } };
  }

  open(_connection: Connection, request: Request) {
    this.request = request;
    failIf(request, "open");
  }

  onMessage(connection: Connection, message: Message) {
    this.count += 1;
    if (typeof message !== "string" || !message.startsWith("!")) {
      connection.send(message);
      return;
    }
    const answer = this.answer(connection, message);
    if (answer !== undefined) connection.send(answer);
  }

  onClose(_connection: Connection, { code, reason, cause }: CloseInfo) {
    console.log(`closed code=${code ?? "-"} reason=${reason ?? "-"} cause=${cause}`);
    failIf(this.request, "close");
  }

  onPing(connection: Connection, data: Uint8Array) {
    connection.send(`ping ${new TextDecoder().decode(data)}`);
    failIf(this.request, "ping");
  }

  onPong(connection: Connection, data: Uint8Array) {
    if (data.length > 0) connection.send(`pong ${new TextDecoder().decode(data)}`);
    failIf(this.request, "pong");
  }

  /** What a command answers; undefined for nothing. */
  private answer(connection: Connection, message: string): string | undefined {
    const [command, argument] = halves(message.slice(1));
    try {
      return this.told(command, argument) ?? this.done(connection, command, argument);
    } catch (error) {
      if (error instanceof HostError) return `error ${error.code}`;
      throw error;
    }
  }

  /** Commands that only tell something. */
  private told(command: string, argument: string): string | undefined {
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
  private done(connection: Connection, command: string, argument: string): string | undefined {
    const [first, rest] = halves(argument);
    switch (command) {
      case "subprotocol":
        return connection.inspect().subprotocol ?? "-";
      case "close":
        first === "" ? connection.close() : connection.close(Number(first), rest);
        return undefined;
      case "ping":
        connection.ping(argument);
        return undefined;
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
        return String(connection.attachment ?? "");
      case "print":
        console.log(argument);
        return "ok";
      case "eprint":
        console.error(argument);
        return "ok";
      case "fail":
        throw new Error(argument);
      default:
        return `unknown command ${command}`;
    }
  }
}

/** What stands before and after the first space. */
function halves(text: string): [string, string] {
  const at = text.indexOf(" ");
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function failIf(request: Request, name: string) {
  if (request.param("fail") === name) throw new Error(`failed in ${name}`);
}

export default Case satisfies HandlerClass;
