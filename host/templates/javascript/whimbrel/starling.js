// The component's side of the SDK on StarlingMonkey, which brings the globals and waits for promises.

import * as connection from "whimbrel:websocket/connection@0.1.0";
import * as topics from "whimbrel:websocket/topics@0.1.0";
import { exported } from "./dispatch.js";

// Nothing may be fetched: called, it would be a trap.
delete globalThis.fetch;

/** What the component exports for the default export of the handler's module. */
export function component(definition) {
  return exported(definition, { connection, topics, awaits: true });
}
