// The request of the opening handshake, as a handler sees it.

import { decode } from "./text.js";

export class Request {
  constructor(request) {
    this.path = request.path;
    this.query = request.query ?? undefined;
    this.args = request.args.map(({ name, value }) => ({ name: name ?? undefined, value: value ?? undefined }));
    this.headers = request.headers;
    this.host = request.host;
    this.origin = request.origin ?? undefined;
    this.subprotocols = request.subprotocols;
    this.peer = request.peer;
    this.secure = request.secure;
  }

  arg(name) {
    return this.args.find((arg) => arg.name === name)?.value;
  }

  header(name) {
    const wanted = name.toLowerCase();
    const field = this.headers.find(([field]) => field === wanted);
    return field && decode(field[1]);
  }

  param(name) {
    for (const pair of this.query?.split("&") ?? []) {
      const [key, ...value] = pair.split("=").map(unescaped);
      if (key === name) return value.join("=");
    }
    return undefined;
  }
}

export function requestOf(request) {
  return new Request(request);
}

/** As in the query of a form: + is a space; what is no escape stays as it is. */
function unescaped(text) {
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
