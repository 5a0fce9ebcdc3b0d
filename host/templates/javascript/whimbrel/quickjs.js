// The component's side of the SDK on QuickJS: the host's modules, and the globals that the engine lacks.

import * as connection from "whimbrel:websocket/connection@0.1.0";
import * as topics from "whimbrel:websocket/topics@0.1.0";
import { start } from "./globals.js";
import { exported } from "./dispatch.js";

/** What the component exports for the default export of the handler's module. */
export function component(definition) {
  return exported(definition, { connection, topics, awaits: false, started: start });
}
