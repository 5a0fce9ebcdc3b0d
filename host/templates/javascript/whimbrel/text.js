// UTF-8, for an engine without TextEncoder and TextDecoder. Where there are some, they are taken.

const encoder = globalThis.TextEncoder && new TextEncoder();
const decoder = globalThis.TextDecoder && new TextDecoder();

/** The UTF-8 of a well-formed string. */
export function encode(text) {
  return encoder ? encoder.encode(text) : encodeSlowly(text);
}

/** The string of UTF-8; what is none becomes U+FFFD. */
export function decode(bytes) {
  return decoder ? decoder.decode(bytes) : decodeSlowly(bytes, false);
}

export function encodeSlowly(text) {
  // No code unit needs more than three bytes.
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    let code = text.codePointAt(at);
    if (code < 0x80) {
      bytes[length++] = code;
      continue;
    }
    if (code > 0xffff) at += 1;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x800) {
      bytes[length++] = 0xc0 | (code >> 6);
    } else if (code < 0x10000) {
      bytes[length++] = 0xe0 | (code >> 12);
      bytes[length++] = 0x80 | ((code >> 6) & 0x3f);
    } else {
      bytes[length++] = 0xf0 | (code >> 18);
      bytes[length++] = 0x80 | ((code >> 12) & 0x3f);
      bytes[length++] = 0x80 | ((code >> 6) & 0x3f);
    }
    bytes[length++] = 0x80 | (code & 0x3f);
  }
  return bytes.slice(0, length);
}

/** Characters of one `String.fromCharCode`: arguments go onto the engine's stack. */
const PART = 4096;

export function decodeSlowly(bytes, fatal) {
  let text = "";
  let units = [];
  for (let at = 0; at < bytes.length;) {
    const [code, size] = next(bytes, at);
    if (code === undefined && fatal) throw new TypeError(`the bytes are not UTF-8 at ${at}`);
    at += size;
    if (code > 0xffff) units.push(0xd7c0 + (code >> 10), 0xdc00 | (code & 0x3ff));
    else units.push(code ?? 0xfffd);
    if (units.length >= PART) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** The code point at a place, undefined where there is none, and how many bytes it or what is wrong has. */
function next(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const size =
    first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (size === 0) return [undefined, 1];
  // The second byte's range excludes what is too long, surrogates and what is too large (Unicode, table 3-7).
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  let code = first & (0x7f >> size);
  for (let place = 1; place < size; place += 1) {
    const byte = bytes[at + place];
    const isGood = place === 1 ? byte >= low && byte <= high : byte >= 0x80 && byte <= 0xbf;
    if (!isGood) return [undefined, place];
    code = (code << 6) | (byte & 0x3f);
  }
  return [code, size];
}
