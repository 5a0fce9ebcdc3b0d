// What the JavaScript SDK gives QuickJS in place of globals that it lacks, beside those of node.

import assert from "node:assert/strict";
import test from "node:test";

import { format } from "../../../host/templates/javascript/whimbrel/format.js";
import { decodeSlowly, encodeSlowly } from "../../../host/templates/javascript/whimbrel/text.js";

test("UTF-8 is that of the platform", () => {
  const texts = ["", "aä€\u{1f600}", "\0\x7f\x80\u07ff\u0800\uffff\u{10ffff}", "x".repeat(10_000) + "\u{1f600}"];
  for (const text of texts) {
    assert.deepEqual(encodeSlowly(text), new TextEncoder().encode(text));
    assert.equal(decodeSlowly(encodeSlowly(text), true), text);
  }
  assert.deepEqual(encodeSlowly("\ud800x\udc00"), new TextEncoder().encode("\ud800x\udc00"));
  // Every pair of bytes that can begin something, with what may follow.
  for (let first = 0x7f; first < 0x100; first += 1) {
    for (let second = 0x7e; second < 0x101; second += 1) {
      for (const rest of [[], [0x80], [0xbf, 0x80], [0x41, 0x80]]) {
        const bytes = new Uint8Array([first, second, ...rest]);
        assert.equal(
          decodeSlowly(bytes, false),
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes),
          bytes.join(" "),
        );
      }
    }
  }
  assert.throws(() => decodeSlowly(new Uint8Array([0xff]), true), TypeError);
});

test("the console's lines", () => {
  class Point {
    x = 1;
    #hidden = 2;
  }
  const circle = { name: "a" };
  circle.self = circle;
  for (const [values, line] of [
    [["a", 1, "b"], "a 1 b"],
    [["%s is %d%%, %j %o", "x", "7", { a: 1 }, [1], "more"], 'x is 7%, {"a":1} [1] more'],
    [["%s"], "%s"],
    [[{ a: "s", "b-c": [undefined, null, -0, 1n] }], '{ a: "s", "b-c": [undefined, null, -0, 1n] }'],
    [[new Point()], "Point { x: 1 }"],
    [[circle], '{ name: "a", self: [circular] }'],
    [[new Map([["k", new Set([1])]])], 'Map(1) { "k" => Set(1) { 1 } }'],
    [
      [new Uint8Array(2), new ArrayBuffer(3), new Date(NaN), /x/g],
      "Uint8Array(2) [0, 0] ArrayBuffer(3) Invalid Date /x/g",
    ],
    [[[[[[[1]]]]]], "[[[[[array]]]]]"],
    [
      [
        {
          get a() {
            throw new Error("no");
          },
        },
        Object.create(null),
      ],
      "{ a: [Error: no] } {}",
    ],
    [[Array(200).fill(0)], `[${"0, ".repeat(100)}… 100 more]`],
  ]) {
    assert.equal(format(values), line);
  }
  assert.match(format([new Error("no", { cause: "c" })]), /^Error: no\n {4}at .*\n[^]*cause: "c"$/);
});
