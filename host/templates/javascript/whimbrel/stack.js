// The lines of a stack that tell an author something.

/** Calls of this SDK, of the engine's own glue, and of nothing in particular. */
const FOREIGN = /whimbrel\/[a-z]+\.js:|initializer\.js:|\(native\)$/;

/** An error's stack without what is not the author's. */
export function ownFrames(stack) {
  const lines = String(stack ?? "").split("\n").map((line) => line.trim());
  return lines.filter((line) => /^at |@/.test(line) && !FOREIGN.test(line));
}
