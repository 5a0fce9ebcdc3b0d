// Values as `console.log` shows them.

import { ownFrames } from "./stack.js";

const DEPTH = 4;
const ENTRIES = 100;

/** A line for some values; the first may have %s, %d, %i, %f, %j, %o, %O and %c for those that follow. */
export function format(values) {
  const [first, ...rest] = values;
  if (typeof first !== "string" || !first.includes("%")) return values.map(plain).join(" ");
  const text = first.replace(/%[sdifjoOc%]/g, (place) => {
    if (place === "%%") return "%";
    if (rest.length === 0) return place;
    return directive(place, rest.shift());
  });
  return [text, ...rest.map(plain)].join(" ");
}

function directive(place, value) {
  switch (place) {
    case "%c":
      return "";
    case "%d":
    case "%f":
      return String(Number(value));
    case "%i":
      return String(Math.trunc(Number(value)));
    case "%j":
      return JSON.stringify(value);
    case "%s":
      return plain(value);
    default:
      return show(value, DEPTH, []);
  }
}

function plain(value) {
  return typeof value === "string" ? value : show(value, DEPTH, []);
}

function show(value, depth, outer) {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol") return value.toString();
  if (typeof value === "function")
    return `[${/^class\b/.test(String(value)) ? "class" : "function"} ${value.name || "(anonymous)"}]`;
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  if (value instanceof Error) return fault(value, depth, outer);
  if (outer.includes(value)) return "[circular]";
  return container(value, depth - 1, [...outer, value]);
}

/** An error with its stack, which has no text of its own on QuickJS. */
function fault(error, depth, outer) {
  const text = [String(error), ...ownFrames(error.stack).map((line) => `    ${line}`)].join("\n");
  return error.cause === undefined || depth === 0
    ? text
    : `${text}\ncause: ${show(error.cause, depth - 1, [...outer, error])}`;
}

function container(value, depth, outer) {
  const inner = (item) => show(item, depth, outer);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Promise) return "Promise";
  const name = value.constructor?.name ?? "Object";
  if (depth < 0) return Array.isArray(value) ? "[array]" : `[${name}]`;
  if (Array.isArray(value)) return listed("[", value.map(inner), "]");
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${value.byteLength})`;
  if (ArrayBuffer.isView(value))
    return `${name}(${value.length ?? value.byteLength}) ${listed("[", Array.from(value.subarray?.(0, ENTRIES + 1) ?? [], String), "]")}`;
  if (value instanceof Map)
    return `Map(${value.size}) ${listed(
      "{",
      Array.from(value, ([key, item]) => `${inner(key)} => ${inner(item)}`),
      "}",
    )}`;
  if (value instanceof Set) return `Set(${value.size}) ${listed("{", Array.from(value, inner), "}")}`;
  const fields = Object.keys(value).map(
    (key) => `${/^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)}: ${field(value, key, inner)}`,
  );
  const shown = listed("{", fields, "}");
  return name === "Object" ? shown : `${name} ${shown}`;
}

/** A getter of the user's may throw. */
function field(value, key, inner) {
  try {
    return inner(value[key]);
  } catch (error) {
    return `[${error}]`;
  }
}

function listed(open, items, close) {
  if (items.length === 0) return `${open}${close}`;
  const shown = items.length > ENTRIES ? [...items.slice(0, ENTRIES), `… ${items.length - ENTRIES} more`] : items;
  const space = open === "{" ? " " : "";
  return `${open}${space}${shown.join(", ")}${space}${close}`;
}
