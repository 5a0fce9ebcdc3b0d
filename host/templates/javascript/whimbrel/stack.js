// What was thrown, as a text that tells its author something.

/** Calls of this SDK, of the engine's own glue, and of nothing in particular. */
const FOREIGN = /whimbrel\/[a-z]+\.js:|initializer\.js:|\(native\)$/;

/** An error's stack without what is not the author's. */
export function ownFrames(stack) {
  const lines = String(stack ?? "")
    .split("\n")
    .map((line) => line.trim());
  return lines.filter((line) => /^at |@/.test(line) && !FOREIGN.test(line));
}

/** What was thrown, with the first line of its stack that is not this SDK's. */
export function textOf(error) {
  try {
    if (!(error instanceof Error)) return typeof error === "object" ? JSON.stringify(error) : String(error);
    const cause = error.cause === undefined ? "" : ` (cause: ${error.cause})`;
    const place = placeOf(error.stack);
    return `${error}${cause}${place === undefined ? "" : ` ${place}`}`;
  } catch {
    // It refers to itself, or has a text that throws.
    return "something was thrown that has no text";
  }
}

function placeOf(stack) {
  const place = ownFrames(stack).find((line) => /:\d/.test(line));
  // `at f (file:1:2)` in one engine, `f@file:1:2` in the other.
  return place?.replace(/^([^@]*)@(.*)$/, (_, name, file) => (name ? `at ${name} (${file})` : `at ${file}`));
}
