// {{name}}: answers every message with the same message.

/** One object per connection: its fields are the state of that connection. */
export default class Echo {
  /** @type {import("./whimbrel/index.js").Handler["onMessage"]} */
  onMessage(connection, message) {
    // A string is a text message, a Uint8Array a binary one.
    connection.send(message);
  }
}

// Rooms, in place of the above: who connects to /{{name}}/tea hears what the others in "tea" say. Give the manifest the
// route "/{{name}}/{room}", and this file:
//
// import { publish } from "./whimbrel/index.js";
//
// export default class Member {
//   open(connection, request) {
//     this.room = request.arg("room");
//     connection.subscribe(this.room);
//   }
//
//   onMessage(connection, message) {
//     // To all subscribers but the one who wrote it.
//     publish(this.room, message, connection);
//   }
// }
