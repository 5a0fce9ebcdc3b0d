// {{name}}: answers every message with the same message.

import type { Connection, Handler, HandlerClass, Message } from "./whimbrel/index.js";

/** One object per connection: its fields are the state of that connection. */
class Echo implements Handler {
  onMessage(connection: Connection, message: Message) {
    // A string is a text message, a Uint8Array a binary one.
    connection.send(message);
  }
}

export default Echo satisfies HandlerClass;

// Rooms, in place of the above: who connects to /{{name}}/tea hears what the others in "tea" say. Give the manifest the
// route "/{{name}}/{room}", and this file:
//
// import { publish, type Connection, type Handler, type HandlerClass, type Message, type Request } from "./whimbrel/index.js";
//
// class Member implements Handler {
//   private room = "lobby";
//
//   open(connection: Connection, request: Request) {
//     this.room = request.arg("room") ?? this.room;
//     connection.subscribe(this.room);
//   }
//
//   onMessage(connection: Connection, message: Message) {
//     // To all subscribers but the one who wrote it.
//     publish(this.room, message, connection);
//   }
// }
//
// export default Member satisfies HandlerClass;
