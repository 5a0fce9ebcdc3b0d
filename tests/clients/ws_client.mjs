// npm's ws against the parity handler: ws_client.mjs ws://HOST:PORT. Prints `ok`, or what failed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

// Packages lie where tests/setup puts them, which is not a folder above this file.
const tools = fileURLToPath(new URL("../../target/tools/", import.meta.url));
const WebSocket = createRequire(tools)("ws");

const DEADLINE_MS = 30_000;

async function echo(url) {
  const client = await opened(`${url}/ws`);
  for (const message of ["héllo", "", "x".repeat(2 ** 20)]) {
    client.send(message);
    assert.deepEqual(await received(client), { data: message, binary: false });
  }
  for (const message of [Buffer.from([0, 255]), Buffer.alloc(0), Buffer.alloc(2 ** 20, "y")]) {
    client.send(message);
    assert.deepEqual(await received(client), { data: message, binary: true });
  }
  client.send("frag", { fin: false });
  client.send("mented", { fin: true });
  assert.deepEqual(await received(client), { data: "fragmented", binary: false });
  await closed(client);
}

async function subprotocol(url) {
  const chosen = await opened(`${url}/ws?subprotocol=b`, ["a", "b"]);
  assert.equal(chosen.protocol, "b");
  await closed(chosen);
  // This client fails a handshake in which none of its subprotocols is chosen (RFC 6455 section 4.1 does not).
  await assert.rejects(opened(`${url}/ws`, ["a", "b"]), /Server sent no subprotocol/);
}

async function pings(url) {
  const client = await opened(`${url}/ws`);
  client.ping("are you there");
  const [pong] = await once(client, "pong");
  assert.equal(pong.toString(), "are you there");
  client.send("!ping hello");
  const [ping] = await once(client, "ping");
  assert.equal(ping.toString(), "hello");
  await closed(client);
}

async function close(url) {
  const ended = await opened(`${url}/ws`);
  ended.send("!close 4001 bye");
  const [code, reason] = await once(ended, "close");
  assert.deepEqual([code, reason.toString()], [4001, "bye"]);
  const [answer] = await closed(await opened(`${url}/ws`), 3000, "mine");
  assert.equal(answer, 3000);
}

async function refusals(url) {
  const evil = { origin: "https://evil.example" };
  await assert.rejects(opened(`${url}/ws?refuse=403`), /response: 403/);
  await assert.rejects(opened(`${url}/nowhere`), /response: 404/);
  await assert.rejects(opened(`${url}/ws`, [], evil), /response: 403/);
}

async function opened(url, subprotocols = [], options = {}) {
  const client = new WebSocket(url, subprotocols, { perMessageDeflate: false, ...options });
  await once(client, "open");
  return client;
}

async function received(client) {
  const [data, binary] = await once(client, "message");
  return { data: binary ? data : data.toString(), binary };
}

async function closed(client, code = 1000, reason = "") {
  client.close(code, reason);
  return once(client, "close");
}

const late = setTimeout(() => {
  console.error(`not done after ${DEADLINE_MS} ms`);
  process.exit(1);
}, DEADLINE_MS);
for (const check of [echo, subprotocol, pings, close, refusals]) {
  await check(process.argv[2]);
}
clearTimeout(late);
console.log("ok");
