// A host without sockets, for tests of a handler.

import type { HandlerClass, HandlerObject, Message, Scope, Sendable } from "./index.js";

export interface HostOptions {
  /** Whom an instance serves: each connection, all of them (`room`, `shared`), or an event. Default: `connection`. */
  scope?: Scope;
  /** With `starling` promises are waited for, and so are these functions' results. Default: `quickjs`. */
  engine?: "quickjs" | "starling";
}

export class TestHost {
  constructor(handler: HandlerClass | HandlerObject, options?: HostOptions);
  /** A handshake, and `open` where it is accepted. */
  connect(path?: string, options?: ConnectOptions): Peer;
}

export interface ConnectOptions {
  /** What the route captures. */
  args?: Record<string, string>;
  headers?: Record<string, string | Uint8Array>;
  host?: string;
  origin?: string;
  /** What the manifest's origin rule says; default: true. */
  originAllowed?: boolean;
  subprotocols?: string[];
  peer?: string;
  secure?: boolean;
}

/** The other end of a connection. */
export interface Peer {
  readonly id: number;
  /** All messages that were sent to it, publications included. */
  readonly received: Message[];
  /** The data of the pings that were sent to it. */
  readonly pings: Uint8Array[];
  /** The close frame that was sent to it, or its own. */
  readonly closed: { readonly code: number | undefined; readonly reason: string | undefined } | undefined;
  /** What `open` or `onMessage` threw, as the host's log shows it. */
  readonly error: string | undefined;
  readonly subprotocol: string | undefined;
  /** The answer to the handshake where it was not accepted. */
  readonly refusal:
    { readonly status: number; readonly headers: [string, string][]; readonly body: string } | undefined;
  readonly acceptance: { readonly headers: [string, string][] } | undefined;
  send(message: Sendable): void;
  ping(data?: string | Uint8Array): void;
  pong(data?: string | Uint8Array): void;
  /** Sends a close frame. */
  close(code?: number, reason?: string): void;
  /** Goes without a close frame. */
  disconnect(): void;
}
