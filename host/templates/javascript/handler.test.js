// The handler without a host: npm test

import assert from "node:assert/strict";
import test from "node:test";

import Echo from "./handler.js";
import { TestHost } from "./whimbrel/testing.js";

test("what comes goes back, text as text and bytes as bytes", () => {
  const peer = new TestHost(Echo).connect("/{{name}}");
  peer.send("hello");
  peer.send(new Uint8Array([0, 255]));
  assert.deepEqual(peer.received, ["hello", new Uint8Array([0, 255])]);
});
