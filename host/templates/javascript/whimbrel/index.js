// What a handler imports. Types and documentation: index.d.ts.

export { Connection, connections, publish, sendMany } from "./connection.js";
export { HostError } from "./host.js";
