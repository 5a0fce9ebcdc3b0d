// What a handler is and what it may call, as TypeScript and editors read it. The contract's own words are in ../wit.

/** Text or binary, as it was sent: a string is a text message, bytes are a binary one. */
export type Message = string | Uint8Array;

/** What `send` and `publish` take: a string (lone surrogates become U+FFFD) or bytes. */
export type Sendable = string | Uint8Array | ArrayBuffer | ArrayBufferView;

/** What is kept with a connection: bytes, or anything that JSON can hold. */
export type Attachment = Uint8Array | JsonValue | undefined;
export type JsonValue = string | number | boolean | null | JsonValue[] | { [name: string]: JsonValue };

/**
 * The functions of a handler, each optional. An error that is thrown is logged, with its place, and closes the connection
 * with 1011; other connections of the instance go on.
 */
export interface Handler {
  /** The connection is established; nothing else comes before this returns. When it throws, `onClose` is not called. */
  open?(connection: Connection, request: Request): Returned;
  /** One complete message. They still come after the handler's own `close`, until the peer's close frame. */
  onMessage?(connection: Connection, message: Message): Returned;
  /** The connection has ended: once, after its last message. */
  onClose?(connection: Connection, info: CloseInfo): Returned;
  /** A ping arrived; the pong has been queued already. */
  onPing?(connection: Connection, data: Uint8Array): Returned;
  /** A pong arrived: the answer to a keep-alive ping (empty), to `connection.ping`, or unasked. */
  onPong?(connection: Connection, data: Uint8Array): Returned;
}

/** Promises are waited for with `--engine starling` only; on QuickJS a handler that returns one fails. */
export type Returned = void | Promise<void>;

/** What the handler's module may export by default: a class, of which each connection has an object of its own. */
export interface HandlerClass extends Handshake {
  new (): Handler;
  /**
   * Names of fields whose values, as JSON, are kept with the connection (16 KiB at most), so that they outlive the
   * instance: under the scope `event`, and when an instance is recycled. `attach` is then not for the handler to call.
   */
  readonly attached?: readonly string[];
}

/** Or one object for all connections of an instance. */
export interface HandlerObject extends Handler, Handshake {}

export interface Handshake {
  /**
   * Answers an opening handshake, before there is a connection. Nothing: as the manifest's origin rule says, which is
   * `originAllowed`. An acceptance overrules that rule. An error that is thrown is logged and answered with 500.
   */
  upgrade?(request: Request, originAllowed: boolean): Decision | Promise<Decision>;
  /** The scopes that the handler was written for; a manifest with another is refused. */
  readonly scopes?: readonly Scope[];
}

export type Scope = "connection" | "room" | "shared" | "event";
export type Decision = Acceptance | Refusal | undefined | void;

/** Header fields by name, also several of one name; or pairs of name and value. */
export type Headers = Record<string, HeaderValue | HeaderValue[]> | [string, HeaderValue][];
export type HeaderValue = string | Uint8Array;

/** Accept the handshake with 101. What is left out is as the manifest says. */
export interface Acceptance {
  /** One of the request's subprotocols. */
  subprotocol?: string;
  /** Header fields of the response, but those that the handshake itself sets. */
  headers?: Headers;
  /** The largest message of this client, in bytes. */
  maxMessageSize?: number;
  /** Between keep-alive pings, in milliseconds; 0 turns them off. */
  pingIntervalMs?: number;
  /** How long a silent peer is given after a keep-alive ping, in milliseconds; 0 for ever. */
  pingTimeoutMs?: number;
}

/** Answer with a plain HTTP response instead. */
export interface Refusal {
  /** 300 to 599. */
  status: number;
  headers?: Headers;
  /** A string is sent as UTF-8, by default as text/plain. */
  body?: string | Uint8Array;
}

/** The request of the opening handshake. */
export interface Request {
  /** As the client sent it, not percent-decoded, without the query. */
  readonly path: string;
  /** What follows the first `?`, as the client sent it. */
  readonly query: string | undefined;
  /** The captures of the route, percent-decoded, in the pattern's order. */
  readonly args: readonly { readonly name: string | undefined; readonly value: string | undefined }[];
  /** All header fields, names in lower case, in the client's order. */
  readonly headers: readonly (readonly [string, Uint8Array])[];
  readonly host: string;
  /** Browsers always send it. */
  readonly origin: string | undefined;
  /** Offered by the client, in its order. */
  readonly subprotocols: readonly string[];
  /** The peer's address and port. */
  readonly peer: string;
  /** True over TLS. */
  readonly secure: boolean;
  /** The value of the route's capture of this name. */
  arg(name: string): string | undefined;
  /** The first header field of this name, in any case, read as UTF-8. */
  header(name: string): string | undefined;
  /** The first value of this name in the query, decoded as a form's. */
  param(name: string): string | undefined;
}

/** How a connection ended. */
export interface CloseInfo {
  /** In the peer's close frame; undefined unless a frame with a code arrived. */
  readonly code: number | undefined;
  readonly reason: string | undefined;
  readonly cause: CloseCause;
}

export type CloseCause =
  | "peer"
  | "guest"
  | "network"
  | "ping-timeout"
  | "protocol-error"
  | "invalid-text"
  | "message-too-big"
  | "rate-limited"
  | "slow-consumer"
  | "guest-error"
  | "drained";

/**
 * One connection: one object for as long as the instance and the connection live, so it may be kept and used as a key.
 * What the host refuses is thrown as a `HostError`; after the connection's end, that is every call.
 */
export class Connection {
  private constructor();
  /** The number that the host's log shows as `connection`. */
  readonly id: number;
  /** Queues a message and returns at once, with the bytes that now wait for the peer. */
  send(message: Sendable): number;
  /** Waits until at most `lowWater` bytes wait for the peer. The time counts toward the time per event. */
  drained(lowWater?: number): void;
  /** Queues a ping with at most 125 bytes. */
  ping(data?: string | Uint8Array): void;
  /** Starts the closing handshake. Codes 1000 to 1003, 1007 to 1014, 3000 to 4999; a reason of at most 123 bytes. */
  close(code?: number, reason?: string): void;
  /** Delivers what is published under a topic to this connection's peer, until it ends. */
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Switches TCP_NODELAY, which is on at first. */
  setNodelay(on: boolean): void;
  /** What the host knows of the connection; still allowed in `onClose`. */
  inspect(): ConnectionInfo;
  /** Keeps a value with the connection, in the host, in place of the one before; at most 16 KiB. */
  attach(value: Attachment): void;
  /** A copy of what is kept with the connection; undefined when nothing is. Still allowed in `onClose`. */
  readonly attachment: Attachment;
}

export interface ConnectionInfo {
  readonly subprotocol: string | undefined;
  /** True until a close frame was sent or received, or the transport ended. */
  readonly open: boolean;
  /** Bytes that wait for the peer. */
  readonly buffered: number;
  /** Messages received and given to the handler. */
  readonly messagesIn: number;
  /** Messages queued for the peer, publications included. */
  readonly messagesOut: number;
  /** From the last answered keep-alive ping, in microseconds. */
  readonly roundTripUs: number | undefined;
}

/** The connections of this instance: all of a room's, for example. */
export function connections(): Connection[];

/** Queues the same message for many connections, read and framed once; yields how many took it. */
export function sendMany(connections: Iterable<Connection>, message: Sendable): number;

/**
 * Sends a message to every subscriber of a topic, in other instances too, but for those named; yields how many took it.
 * A subscriber whose outbound buffer is full is closed with 1008.
 */
export function publish(topic: string, message: Sendable, except?: Connection | Iterable<Connection>): number;

/** Why the host refused a call. Nothing was queued or changed. */
export class HostError extends Error {
  private constructor();
  readonly code: "closed" | "unknown-connection" | "too-large" | "buffer-full" | "invalid" | "denied";
  /** With `too-large`: the most bytes of a message. */
  readonly limit?: number;
  /** With `buffer-full`: the bytes that wait already. */
  readonly waiting?: number;
}
