//! A game for all who open the same room: birds on a tidal flat. `flat.rs` has its rules.
//!
//! One instance serves a room, so its members share the flat as a value in memory. Nothing moves by itself: each change
//! is the answer to one member's message, and all members are told of it in the same order.

mod flat;
mod protocol;

use std::cell::RefCell;
use std::time::Instant;

use flat::{Flat, MAX_BIRDS, Seat, Way};
use protocol::{Ask, Tell};
use whimbrel_sdk::{CloseInfo, Connection, Error, Handler, Message, Request, Result, connections, export};

/// After so many messages that are no part of the game the connection ends: the game's page sends none.
const MAX_MISTAKES: u32 = 10;

thread_local! {
    /// What the members share. The instance serves one room, so there is one; the first member makes it.
    static FLAT: RefCell<Option<Flat>> = const { RefCell::new(None) };
}

/// One connection: somebody who watches, or plays.
struct Member {
    seat: Option<Seat>,
    mistakes: u32,
}

impl Handler for Member {
    fn open(connection: Connection, request: &Request) -> Result<Self> {
        let room = request.arg("room").unwrap_or_default();
        FLAT.with_borrow_mut(|flat| {
            let flat = flat.get_or_insert_with(|| Flat::new(room));
            tell(&[connection], &Tell::Flat(flat.view()));
        });
        Ok(Member { seat: None, mistakes: 0 })
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        // What comes behind the last mistake was sent before the page knew that it was.
        if self.mistakes < MAX_MISTAKES
            && let Err(problem) = self.answer(connection, &message)
        {
            self.mistakes += 1;
            tell(&[connection], &Tell::Error { text: &problem });
            if self.mistakes == MAX_MISTAKES {
                connection.close(Some(1008), "too many messages that are no part of the game")?;
            }
        }
        Ok(())
    }

    fn on_pong(&mut self, connection: Connection, _data: &[u8]) {
        tell(&[connection], &Tell::Alive);
    }

    fn on_close(self, _connection: Connection, _info: CloseInfo) {
        if let Some(seat) = self.seat {
            with_flat(|flat| flat.leave(seat));
            tell(&connections(), &Tell::Gone { seat });
        }
    }
}

impl Member {
    fn answer(&mut self, connection: Connection, message: &Message) -> Result<(), String> {
        let text = message.as_text().ok_or("send text: one JSON object")?;
        let ask = serde_json::from_str(text).map_err(|error| format!("not understood: {error}"))?;
        match (self.seat, ask) {
            (None, Ask::Join { name }) => self.join(connection, protocol::name(&name)?),
            (None, Ask::Step { .. }) => return Err("join first".to_owned()),
            (Some(_), Ask::Join { .. }) => return Err("you joined already".to_owned()),
            (Some(seat), Ask::Step { to }) => with_flat(|flat| step(flat, connection, seat, to)),
        }
        Ok(())
    }

    fn join(&mut self, connection: Connection, name: String) {
        let Some(bird) = with_flat(|flat| flat.arrive(name, Instant::now())) else {
            // Whoever comes too late has made no mistake, and watches.
            let text = format!("{MAX_BIRDS} birds are on the flat, and it holds no more");
            return tell(&[connection], &Tell::Error { text: &text });
        };
        self.seat = Some(bird.seat);
        tell(&connections(), &Tell::Come(&bird));
        tell(&[connection], &Tell::You { seat: bird.seat });
    }
}

fn step(flat: &mut Flat, connection: Connection, seat: Seat, to: Way) {
    match flat.step(seat, to, Instant::now()) {
        Some(step) => tell(&connections(), &Tell::Step(step)),
        None => tell(&[connection], &Tell::Stay),
    }
    if let Some(tide) = flat.tide() {
        tell(&connections(), &Tell::Tide(tide));
    }
}

/// Sends to members. One that misses a change would have a wrong flat for ever, so a member that has no room for it is
/// let go: it comes back, and begins with the whole flat.
fn tell(members: &[Connection], tell: &Tell) {
    let message = Message::from(tell.to_json());
    for member in members {
        if let Err(Error::BufferFull(_)) = member.send(message.clone()) {
            // When it is closing already, that is what is wanted.
            let _ = member.close(Some(1013), "reads too slowly");
        }
    }
}

fn with_flat<T>(run: impl FnOnce(&mut Flat) -> T) -> T {
    FLAT.with_borrow_mut(|flat| run(flat.as_mut().expect("the first `open` makes it")))
}

export!(Member);
