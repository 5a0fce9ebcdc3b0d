//! The chat with one instance per room: its memory holds who is there, and what was said last.
//!
//! The page and its messages are those of `src/lib.rs`. What differs is who knows: there every member has an instance of
//! its own, and members tell each other by topics; here they are entries of one map, and a newcomer is told by the room.

#[path = "../src/protocol.rs"]
mod protocol;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::{Ask, Tell};
use whimbrel_sdk::{CloseInfo, Connection, Error, Handler, Message, Refusal, Request, Result, export};

/// Messages that a newcomer is told.
const KEPT: usize = 50;

/// What the members share.
struct Room {
    /// Those who joined, by the number of their connection.
    members: BTreeMap<u32, String>,
    /// The last messages, the oldest first, as they were sent.
    said: VecDeque<String>,
    /// When the last of them was said.
    last_at: u64,
}

thread_local! {
    /// The instance serves one room, so there is one.
    static ROOM: RefCell<Room> =
        const { RefCell::new(Room { members: BTreeMap::new(), said: VecDeque::new(), last_at: 0 }) };
}

/// One connection to the room.
struct Member {
    room: String,
}

impl Handler for Member {
    fn open(_connection: Connection, request: &Request) -> Result<Self> {
        Ok(Member { room: room(request)? })
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        let Some(text) = message.as_text() else {
            return refuse(connection, None, "send text: one JSON object");
        };
        match serde_json::from_str(text) {
            Ok(ask) => ROOM.with_borrow_mut(|room| room.answer(connection, &self.room, ask)),
            Err(error) => refuse(connection, None, &format!("not understood: {error}")),
        }
    }

    fn on_pong(&mut self, connection: Connection, _data: &[u8]) {
        // To this page alone, as a sign that the connection lives. Of the others it hears when they leave.
        let told = ROOM.with_borrow(|room| room.tell_of(connection.id(), connection));
        told.unwrap_or_else(|failure| eprintln!("{}", failure.text()));
    }

    fn on_close(self, connection: Connection, _info: CloseInfo) {
        let told = ROOM.with_borrow_mut(|room| room.leave(connection.id()));
        told.unwrap_or_else(|failure| eprintln!("{}", failure.text()));
    }

    fn prepare(request: &Request) -> Result<(), Refusal> {
        room(request).map(drop).map_err(|problem| Refusal::new(400).body(problem))
    }
}

impl Room {
    fn answer(&mut self, connection: Connection, room: &str, ask: Ask) -> Result {
        let kind = ask.kind();
        match (self.members.contains_key(&connection.id()), ask) {
            (false, Ask::Join { name }) => match protocol::name("name", &name) {
                Ok(name) => self.join(connection, room, name),
                Err(problem) => refuse(connection, Some(kind), &problem),
            },
            (false, _) => refuse(connection, Some(kind), "join first"),
            (true, Ask::Join { .. }) => refuse(connection, Some(kind), "you joined already"),
            (true, Ask::Say { text }) => match protocol::text(&text) {
                Ok(text) => self.say(connection.id(), &text),
                Err(problem) => refuse(connection, Some(kind), &problem),
            },
            // The room has told that already, but whoever asks may do as in a room of topics.
            (true, Ask::Here { to }) if self.members.contains_key(&to) => {
                self.tell_of(connection.id(), Connection::from_id(to))
            }
            (true, Ask::Here { .. }) => Ok(()),
        }
    }

    /// Tells the others of the newcomer, and the newcomer who is here, itself too, and what was said.
    fn join(&mut self, connection: Connection, room: &str, name: String) -> Result {
        let id = connection.id();
        connection.send(Tell::Welcome { id, name: &name, room, keeps: Some(KEPT) }.to_json()?)?;
        self.tell(&Tell::Join { id, name: &name }.to_json()?);
        self.members.insert(id, name);
        for id in self.members.keys() {
            self.tell_of(*id, connection)?;
        }
        for said in &self.said {
            send(connection, said);
        }
        Ok(())
    }

    fn say(&mut self, id: u32, text: &str) -> Result {
        // A page that comes back skips what it has: by times that go up, also when two write in one millisecond.
        let at = now().max(self.last_at + 1);
        let name = self.members.get(&id).map_or("", String::as_str);
        let said = Tell::Say { id, name, text, at: Some(at) }.to_json()?;
        self.tell(&said);
        self.last_at = at;
        self.said.push_back(said);
        if self.said.len() > KEPT {
            self.said.pop_front();
        }
        Ok(())
    }

    fn leave(&mut self, id: u32) -> Result {
        if let Some(name) = self.members.remove(&id) {
            self.tell(&Tell::Leave { id, name: &name }.to_json()?);
        }
        Ok(())
    }

    /// Tells one member that another is here.
    fn tell_of(&self, id: u32, to: Connection) -> Result {
        if let Some(name) = self.members.get(&id) {
            send(to, &Tell::Here { id, name }.to_json()?);
        }
        Ok(())
    }

    /// Not with [`Connection::send_many`], which says how many took it, and not who did not.
    fn tell(&self, message: &str) {
        self.members.keys().for_each(|id| send(Connection::from_id(*id), message));
    }
}

/// Sends to a member, and lets it go when too much waits for it already.
///
/// It could be skipped, and would miss a message without knowing; or waited for with [`Connection::drained`], and the
/// whole room would wait for its slowest member. Whoever is let go comes back and reads what the room remembers.
fn send(member: Connection, message: &str) {
    if let Err(Error::BufferFull(waiting)) = member.send(message) {
        eprintln!("member {member} is let go: {waiting} bytes wait for it");
        // When it is closing already, that is what is wanted.
        let _ = member.close(Some(1008), "reads too slowly");
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

/// Milliseconds since 1970.
fn now() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

export!(Member);
