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

/// Messages that are no part of the game, and then the connection ends.
const MAX_MISTAKES: u32 = 10;

/// What the members share.
struct Shore {
    flat: Flat,
    began: Instant,
}

thread_local! {
    /// The instance serves one room, so there is one; the first member makes it.
    static SHORE: RefCell<Option<Shore>> = const { RefCell::new(None) };
}

/// One connection: somebody who watches, or plays.
struct Member {
    seat: Option<Seat>,
    mistakes: u32,
}

impl Handler for Member {
    fn open(connection: Connection, request: &Request) -> Result<Self> {
        SHORE.with_borrow_mut(|shore| {
            let shore = shore.get_or_insert_with(|| Shore {
                flat: Flat::new(request.arg("room").unwrap_or_default()),
                began: Instant::now(),
            });
            connection.send(Tell::Flat(shore.flat.view()).to_json()?)?;
            Ok(Member { seat: None, mistakes: 0 })
        })
    }

    fn on_message(&mut self, connection: Connection, message: Message) -> Result {
        if self.mistakes >= MAX_MISTAKES {
            // It is closing, and what it sent before it knew still comes.
            return Ok(());
        }
        let ask = match message.as_text().map(serde_json::from_str) {
            Some(Ok(ask)) => ask,
            Some(Err(error)) => return self.mistake(connection, &format!("not understood: {error}")),
            None => return self.mistake(connection, "send text: one JSON object"),
        };
        match (self.seat, ask) {
            (None, Ask::Join { name }) => match protocol::name(&name) {
                Ok(name) => self.join(connection, name),
                Err(problem) => self.mistake(connection, &problem),
            },
            (None, Ask::Step { .. }) => self.mistake(connection, "join first"),
            (Some(_), Ask::Join { .. }) => self.mistake(connection, "you joined already"),
            (Some(seat), Ask::Step { to }) => with_shore(|shore| shore.step(connection, seat, to)),
        }
    }

    fn on_pong(&mut self, connection: Connection, _data: &[u8]) {
        if let Ok(alive) = Tell::Alive.to_json() {
            send(connection, &alive);
        }
    }

    fn on_close(self, _connection: Connection, _info: CloseInfo) {
        let Some(seat) = self.seat else { return };
        let told = with_shore(|shore| {
            shore.flat.leave(seat);
            shore.tell(&Tell::Gone { seat })
        });
        told.unwrap_or_else(|failure| eprintln!("{}", failure.text()));
    }
}

impl Member {
    fn join(&mut self, connection: Connection, name: String) -> Result {
        with_shore(|shore| {
            let Some(bird) = shore.flat.arrive(name) else {
                let text = format!("{MAX_BIRDS} birds are on the flat, and it holds no more");
                send(connection, &Tell::Error { text: &text }.to_json()?);
                return Ok(());
            };
            let seat = bird.seat;
            self.seat = Some(seat);
            shore.tell(&Tell::Come(&bird))?;
            send(connection, &Tell::You { seat }.to_json()?);
            Ok(())
        })
    }

    /// Says what was wrong. The game's page makes no mistakes, so who makes many is something else.
    fn mistake(&mut self, connection: Connection, text: &str) -> Result {
        self.mistakes += 1;
        send(connection, &Tell::Error { text }.to_json()?);
        if self.mistakes >= MAX_MISTAKES {
            connection.close(Some(1008), "too many messages that are no part of the game")?;
        }
        Ok(())
    }
}

impl Shore {
    fn step(&mut self, connection: Connection, seat: Seat, to: Way) -> Result {
        let now = u64::try_from(self.began.elapsed().as_millis())?;
        match self.flat.step(seat, to, now) {
            Some(step) => self.tell(&Tell::Step(step))?,
            None => send(connection, &Tell::Stay.to_json()?),
        }
        if let Some(tide) = self.flat.tide() {
            self.tell(&Tell::Tide(tide))?;
        }
        Ok(())
    }

    fn tell(&self, tell: &Tell) -> Result {
        let message = tell.to_json()?;
        connections().into_iter().for_each(|member| send(member, &message));
        Ok(())
    }
}

/// Sends to a member. One that misses a change would have a wrong flat for ever, so a member that has no room for it is
/// let go: it comes back, and begins with the whole flat.
fn send(member: Connection, message: &str) {
    if let Err(Error::BufferFull(_)) = member.send(message) {
        // When it is closing already, that is what is wanted.
        let _ = member.close(Some(1013), "reads too slowly");
    }
}

/// Runs on what the members share; the first `open` made it.
fn with_shore(run: impl FnOnce(&mut Shore) -> Result) -> Result {
    SHORE.with_borrow_mut(|shore| run(shore.as_mut().ok_or("no member has opened yet")?))
}

export!(Member);
