// The JavaScript SDK of host/templates/javascript without a host: node --test tests/languages/sdk/*.mjs
// How it behaves in a component, the cases of tests/languages tell.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

import { HostError, connections, publish, sendMany } from "../../../host/templates/javascript/whimbrel/index.js";
import { TestHost } from "../../../host/templates/javascript/whimbrel/testing.js";

test("each connection has an object of the class, which ends with it", () => {
  class Counter {
    count = 0;
    onMessage(connection) {
      connection.send(String(++this.count));
    }
  }
  for (const scope of ["connection", "room", "shared"]) {
    const host = new TestHost(Counter, { scope });
    const [one, two] = [host.connect(), host.connect()];
    one.send("");
    one.send("");
    two.send("");
    assert.deepEqual([one.received, two.received], [["1", "2"], ["1"]], scope);
  }
});

test("one object serves all connections of an instance", () => {
  const handler = {
    count: 0,
    onMessage(connection) {
      connection.send(String(++this.count));
    },
  };
  const host = new TestHost(handler, { scope: "room" });
  const [one, two] = [host.connect(), host.connect()];
  one.send("");
  two.send("");
  assert.deepEqual([one.received, two.received], [["1"], ["2"]]);
});

test("attached fields outlive the instance", () => {
  class Named {
    static attached = ["name", "count"];
    count = 0;
    open(connection, request) {
      this.name = request.param("name");
    }
    onMessage(connection) {
      connection.send(`${this.name} ${++this.count}`);
    }
    onClose(connection) {
      closed.push(this.name, connection.attachment);
    }
  }
  const closed = [];
  const peer = new TestHost(Named, { scope: "event" }).connect("/?name=Ada+L%C3%B6");
  peer.send("");
  peer.send("");
  peer.close(1000);
  assert.deepEqual(peer.received, ["Ada Lö 1", "Ada Lö 2"]);
  assert.deepEqual(closed, ["Ada Lö", { name: "Ada Lö", count: 2 }]);
});

test("a class whose fields are not attached does not fit the scope event, and says why", (context) => {
  context.mock.method(console, "error", () => {});
  const peer = new TestHost(
    class {
      onMessage() {}
    },
    { scope: "event" },
  ).connect();
  peer.send("x");
  assert.match(
    peer.error,
    /^Error: connection 1 was opened in another instance, and nothing of its object was kept; name/,
  );
});

test("attachments are bytes or JSON", () => {
  const seen = [];
  const handler = {
    onMessage(connection, message) {
      connection.attach(
        message === "bytes" ? new Uint8Array([0, 1]) : message === "none" ? undefined : { text: "ä\u{1f600}" },
      );
      seen.push(connection.attachment);
    },
  };
  const peer = new TestHost(handler, { scope: "event" }).connect();
  for (const message of ["bytes", "json", "none"]) peer.send(message);
  assert.deepEqual(seen, [new Uint8Array([0, 1]), { text: "ä\u{1f600}" }, undefined]);
});

test("what open and onMessage throw closes the connection, with its text and place", () => {
  const failing = (error) =>
    new TestHost({
      open() {
        throw error;
      },
      onClose() {
        assert.fail("never opened");
      },
    }).connect();
  const peer = failing(new TypeError("no"));
  assert.match(peer.error, /^TypeError: no at .*javascript\.test\.mjs:\d+:\d+\)$/);
  assert.equal(peer.closed.code, 1011);
  assert.equal(failing("a text").error, "a text");
  assert.equal(failing({ a: 1 }).error, '{"a":1}');
  assert.equal(failing(undefined).error, "undefined");
  const circle = {};
  circle.self = circle;
  assert.equal(failing(circle).error, "something was thrown that has no text");
  assert.equal(failing(new Error("a", { cause: Symbol("s") })).error, "something was thrown that has no text");
  assert.match(failing(new Error("a", { cause: new Error("b") })).error, /^Error: a \(cause: Error: b\) at /);
  assert.equal(failing("\ud800").error, "\ufffd");
});

test("what the others throw is logged and closes too", (context) => {
  const logged = context.mock.method(console, "error", () => {});
  const fail = () => {
    throw new Error("no");
  };
  new TestHost({ onPing: fail }).connect().ping();
  const peer = new TestHost({ onPong: fail }).connect();
  peer.pong();
  assert.deepEqual(peer.closed, { code: 1011, reason: "the handler failed" });
  new TestHost({ onClose: fail }).connect().close();
  const texts = logged.mock.calls.map((call) => call.arguments[0].replace(/ at .*/, ""));
  assert.deepEqual(
    texts,
    ["onPing", "onPong", "onClose"].map((name) => `${name} of connection 1 failed: Error: no`),
  );
});

test("a promise is an error that names the function, or is waited for", async (context) => {
  const handler = {
    async onMessage(connection) {
      await 1;
      connection.send("late");
    },
  };
  const peer = new TestHost({ async onMessage() {} }).connect();
  peer.send("x");
  assert.match(peer.error, /^TypeError: onMessage returned a promise.* --engine starling/);

  const patient = await new TestHost(handler, { engine: "starling" }).connect();
  await patient.send("x");
  assert.deepEqual(patient.received, ["late"]);

  context.mock.method(console, "error", () => {});
  assert.equal(new TestHost({ onMessage() {}, async upgrade() {} }).connect().refusal.status, 500);
  const failing = await new TestHost(
    {
      async onMessage() {
        throw new Error("no");
      },
    },
    { engine: "starling" },
  ).connect();
  await failing.send("x");
  assert.match(failing.error, /^Error: no at /);
});

test("text and bytes are kept apart", () => {
  const seen = [];
  const handler = {
    onMessage(connection, message) {
      seen.push(message);
      connection.send(message);
    },
  };
  const peer = new TestHost(handler).connect();
  peer.send("a\ud800b");
  peer.send(new Uint16Array([1]).buffer);
  assert.deepEqual(peer.received, ["a\ufffdb", new Uint8Array([1, 0])]);
  assert.ok(seen[1] instanceof Uint8Array);
  for (const [message, shown] of [
    [1, "1"],
    [undefined, "undefined"],
    [[1], "an array"],
    [Promise.resolve(), "a promise"],
    [{}, "an object"],
  ]) {
    const wrong = new TestHost({
      open(connection) {
        connection.send(message);
      },
    }).connect();
    assert.match(wrong.error, new RegExp(`^TypeError: message: ${shown}; allowed are a string`));
  }
});

test("what the host refuses is thrown with its code and numbers", () => {
  const errors = [];
  const attempt = (act) => {
    try {
      act();
    } catch (error) {
      errors.push([error instanceof HostError, error.name, error.code, error.message]);
    }
  };
  const peer = new TestHost({
    open(connection) {
      attempt(() => connection.subscribe(""));
      connection.close(4000, "bye");
      attempt(() => connection.send("x"));
    },
  }).connect();
  assert.deepEqual(errors, [
    [true, "HostError", "invalid", "invalid argument: topic: 0 bytes; 1 to 256 are allowed"],
    [true, "HostError", "closed", "the connection is closed"],
  ]);
  assert.deepEqual(peer.closed, { code: 4000, reason: "bye" });
  const full = new HostError({ tag: "buffer-full", val: 7 });
  assert.deepEqual([full.waiting, full.message], [7, "the outbound buffer is full: 7 bytes wait for the peer"]);
  assert.equal(new HostError({ tag: "too-large", val: 5 }).limit, 5);
});

test("numbers that an engine would cut off are refused", () => {
  for (const code of [-1, 1.5, 65_536, NaN, "1000"]) {
    const peer = new TestHost({
      open(connection) {
        connection.close(code);
      },
    }).connect();
    assert.match(peer.error, /^RangeError: code: .*; allowed are whole numbers from 0 to 65535/);
  }
});

test("the handshake: the origin rule, acceptances, refusals, errors", (context) => {
  const logged = context.mock.method(console, "error", () => {});
  const connect = (upgrade, options) => new TestHost({ onMessage() {}, upgrade }).connect("/a?b=c", options);
  assert.deepEqual(connect(undefined, { originAllowed: false }).refusal, {
    status: 403,
    headers: [["content-type", "text/plain; charset=utf-8"]],
    body: "Cross origin websockets not allowed",
  });
  assert.equal(connect(() => ({}), { originAllowed: false }).refusal, undefined);
  assert.equal(
    connect((request) => ({ subprotocol: request.subprotocols[1] }), { subprotocols: ["a", "b"] }).subprotocol,
    "b",
  );
  const cookies = connect(() => ({ headers: { "set-cookie": ["a=1", "b=2"], x: new Uint8Array([65]) } }));
  assert.deepEqual(cookies.acceptance.headers, [
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["x", "A"],
  ]);
  assert.deepEqual(connect(() => ({ status: 302, headers: [["location", "/"]] })).refusal, {
    status: 302,
    headers: [["location", "/"]],
    body: "",
  });
  for (const wrong of [
    () => true,
    () => ({ subprotocl: "a" }),
    () => ({ status: "no" }),
    () => {
      throw new Error("no");
    },
  ]) {
    assert.equal(connect(wrong).refusal.status, 500);
  }
  assert.equal(logged.mock.callCount(), 4);
});

test("what would never be called is an error when the component is built", () => {
  for (const [definition, text] of [
    [undefined, /exports undefined; export default a class or an object/],
    [{}, /none of the functions open, onMessage, onClose, onPing, onPong/],
    [
      class {
        onmessage() {}
      },
      /onmessage would never be called; the function's name is onMessage/,
    ],
    [{ onMessage() {}, onOpen() {} }, /onOpen would never be called; the function's name is open/],
    [
      class {
        on_close() {}
      },
      /the function's name is onClose/,
    ],
    [
      class {
        open() {}
        upgrade() {}
      },
      /write static upgrade/,
    ],
    [
      class {
        static attached = "name";
        open() {}
      },
      /attached: "name"; allowed is, static in a class, a list/,
    ],
    [{ open() {}, attached: ["name"] }, /attached: an array; allowed is, static in a class/],
    [{ open() {}, scopes: ["rooms"] }, /scopes: "rooms"; allowed are connection, room, shared, event/],
  ]) {
    assert.throws(() => new TestHost(definition).connect(), text);
  }
  new TestHost(
    class {
      onMessage() {}
      close() {}
      ping() {}
    },
  ).connect();
});

test("connections, sendMany and publish reach whom they say", () => {
  const handler = {
    open(connection) {
      connection.subscribe("all");
    },
    onMessage(connection, message) {
      const all = connections();
      if (message === "many")
        connection.send(`${sendMany(all, "to all")} of ${all.length}, ${all.includes(connection)}`);
      if (message === "publish")
        connection.send(`${publish("all", "news", connection)} ${publish("all", "x", [connection])}`);
      if (message === "wrong") publish("all", "x", [1]);
    },
  };
  const host = new TestHost(handler, { scope: "room" });
  const [one, two] = [host.connect(), host.connect()];
  one.send("many");
  one.send("publish");
  assert.deepEqual(one.received, ["to all", "2 of 2, true", "1 1"]);
  assert.deepEqual(two.received, ["to all", "news", "x"]);
  one.send("wrong");
  assert.match(one.error, /^TypeError: connections: 1 is not a Connection/);
});

test("the request as handlers read it", () => {
  let request;
  const handler = {
    open(_, it) {
      request = it;
    },
  };
  new TestHost(handler).connect("/chat/tea?name=a%2Bb+c&flag&bad=%zz&eq=a=b", {
    args: { room: "tea" },
    headers: { "X-Token": "ä" },
  });
  assert.deepEqual([request.arg("room"), request.arg("other")], ["tea", undefined]);
  assert.deepEqual([request.header("x-TOKEN"), request.header("cookie")], ["ä", undefined]);
  const params = ["name", "flag", "bad", "eq", "none"].map((name) => request.param(name));
  assert.deepEqual(params, ["a+b c", "", "%zz", "a=b", undefined]);
  assert.deepEqual([request.path, request.origin, request.secure], ["/chat/tea", undefined, false]);
});

test("a close is told once, and its info has no nulls", () => {
  const infos = [];
  const handler = {
    onMessage(connection) {
      connection.close(1000, "done");
    },
    onClose(_, info) {
      infos.push(info);
    },
  };
  const host = new TestHost(handler);
  host.connect().send("x");
  host.connect().close(4001, "why");
  host.connect().disconnect();
  assert.deepEqual(infos, [
    { code: 1000, reason: "done", cause: "guest" },
    { code: 4001, reason: "why", cause: "peer" },
    { code: undefined, reason: undefined, cause: "network" },
  ]);
});

test("the handlers of the documentation are some", async () => {
  const page = await readFile(new URL("../../../docs/languages/javascript.md", import.meta.url), "utf8");
  const sdk = new URL("../../../host/templates/javascript/whimbrel/", import.meta.url).href;
  const all = Array.from(page.matchAll(/```js\n([^]*?)```/g), ([, text]) => text);
  const modules = all.filter((text) => text.includes("export default")).map((text) => text.replace("./whimbrel/", sdk));
  const handlers = await Promise.all(
    modules.map(async (text) => (await import(`data:text/javascript,${encodeURIComponent(text)}`)).default),
  );
  assert.ok(handlers.length >= 4);
  for (const handler of handlers) {
    assert.equal(
      new TestHost(handler).connect("/a", { args: { room: "tea" }, headers: { authorization: "Bearer 7" } }).error,
      undefined,
    );
  }

  // And the test there of the first of them.
  const host = new TestHost(handlers[0], { scope: "room" });
  const [ada, bob] = ["Ada", "Bob"].map((name) => host.connect(`/chat/tea?name=${name}`, { args: { room: "tea" } }));
  ada.send("hello");
  bob.close(1000);
  assert.deepEqual([bob.received, ada.received], [["Ada: hello"], ["Bob has gone (peer)"]]);
});
