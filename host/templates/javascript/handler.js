// {{name}}: answers every message with the same message.

/** One object per connection: its fields are the state of that connection. */
export default class Echo {
  onMessage(connection, message) {
    connection.send(message);
  }
}
