//! A chat: whoever is in a room reads what the others write, and sees who is there.
//!
//! Every member has an instance of its own, so members meet in topics only: one for the room, and one for each member,
//! on which the others answer its arrival. That answer goes to the newcomer alone, so a join costs one message per
//! member, however many join. `examples/room.rs` is the same chat with one instance for all of a room.

mod protocol;

use protocol::{Ask, Tell};
use whimbrel_sdk::{CloseInfo, Connection, Handler, Message, Refusal, Request, Result, export, publish};

struct Chat {
    room: String,
    /// None until the page has said who it is.
    name: Option<String>,
}

impl Handler for Chat {
    fn open(_connection: Connection, request: &Request) -> Result<Self> {
        Ok(Chat { room: room(request)?, name: None })
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        let Some(text) = message.as_text() else {
            return refuse(connection, None, "send text: one JSON object");
        };
        match serde_json::from_str(text) {
            Ok(ask) => self.answer(connection, ask),
            Err(error) => refuse(connection, None, &format!("not understood: {error}")),
        }
    }

    fn on_pong(&mut self, connection: Connection, _data: &[u8]) {
        // The host's keep-alive is the heartbeat: pages cannot tell a member without goodbye from a silent one.
        if let Some(name) = &self.name {
            self.tell_room_or_log(&Tell::Here { id: connection.id(), name });
        }
    }

    fn on_close(self, connection: Connection, _info: CloseInfo) {
        if let Some(name) = &self.name {
            self.tell_room_or_log(&Tell::Leave { id: connection.id(), name });
        }
    }

    fn prepare(request: &Request) -> Result<(), Refusal> {
        room(request).map(drop).map_err(|problem| Refusal::new(400).body(problem))
    }
}

impl Chat {
    fn answer(&mut self, connection: Connection, ask: Ask) -> Result {
        let id = connection.id();
        let kind = ask.kind();
        match (&self.name, ask) {
            (None, Ask::Join { name }) => match protocol::name("name", &name) {
                Ok(name) => self.join(connection, name),
                Err(problem) => refuse(connection, Some(kind), &problem),
            },
            (None, _) => refuse(connection, Some(kind), "join first"),
            (Some(_), Ask::Join { .. }) => refuse(connection, Some(kind), "you joined already"),
            (Some(name), Ask::Say { text }) => match protocol::text(&text) {
                Ok(text) => self.tell_room(&Tell::Say { id, name, text: &text, at: None }),
                Err(problem) => refuse(connection, Some(kind), &problem),
            },
            (Some(name), Ask::Here { to }) => {
                publish(&self.member_topic(to), Tell::Here { id, name }.to_json()?, &[])?;
                Ok(())
            }
        }
    }

    /// Subscribes before it tells the room, so that no answer is missed.
    fn join(&mut self, connection: Connection, name: String) -> Result {
        let id = connection.id();
        connection.subscribe(&self.room_topic())?;
        connection.subscribe(&self.member_topic(id))?;
        connection.send(Tell::Welcome { id, name: &name, room: &self.room, keeps: None }.to_json()?)?;
        publish(&self.room_topic(), Tell::Join { id, name: &name }.to_json()?, &[connection])?;
        self.name = Some(name);
        Ok(())
    }

    fn tell_room(&self, tell: &Tell) -> Result {
        publish(&self.room_topic(), tell.to_json()?, &[])?;
        Ok(())
    }

    fn tell_room_or_log(&self, tell: &Tell) {
        if let Err(failure) = self.tell_room(tell) {
            eprintln!("{}", failure.text());
        }
    }

    // What people choose comes last, so no room's name makes the topic of another.

    fn room_topic(&self) -> String {
        format!("room/{}", self.room)
    }

    /// The room is part of it: from elsewhere nobody reaches this member.
    fn member_topic(&self, id: u32) -> String {
        format!("member/{id}/{}", self.room)
    }
}

fn refuse(connection: Connection, about: Option<&'static str>, text: &str) -> Result {
    connection.send(Tell::Error { about, text }.to_json()?)?;
    Ok(())
}

/// The room in the address.
fn room(request: &Request) -> Result<String, String> {
    protocol::name("room", request.arg("room").unwrap_or_default())
}

export!(Chat);
