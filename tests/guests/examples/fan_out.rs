//! Sends every message to all of the sender's group: a text to the connections of this instance, binary data as a
//! publication. Groups are the args of the route `/{room}`, and so are the topics.

use whimbrel_sdk::{Connection, Handler, Message, Request, Result, connections, export, publish};

struct FanOut {
    topic: String,
}

impl Handler for FanOut {
    fn open(connection: Connection, request: &Request) -> Result<Self> {
        let topic = request.arg("room").ok_or("the route has no {room}")?;
        connection.subscribe(topic)?;
        Ok(FanOut { topic: topic.to_owned() })
    }

    fn on_message(&mut self, _connection: Connection, message: Message) -> Result {
        match message {
            Message::Text(_) => drop(Connection::send_many(&connections(), message)),
            Message::Binary(_) => drop(publish(&self.topic, message, &[])?),
        }
        Ok(())
    }
}

export!(FanOut);
