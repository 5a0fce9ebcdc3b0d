// The globals of a handler beside the language's own, on both engines.

declare const console: {
  assert(condition: unknown, ...values: unknown[]): void;
  debug(...values: unknown[]): void;
  /** A line of the host's log at level warn, as of `warn` and `trace`; the others are at level info. */
  error(...values: unknown[]): void;
  info(...values: unknown[]): void;
  log(...values: unknown[]): void;
  trace(...values: unknown[]): void;
  warn(...values: unknown[]): void;
};

declare class TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array;
}

/** Of UTF-8. */
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  decode(data?: ArrayBuffer | ArrayBufferView): string;
}

/** Random numbers of the host; not while the module's top level runs, at build time. */
declare const crypto: {
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
};

declare const performance: { now(): number };

declare function atob(data: string): string;
declare function btoa(data: string): string;
