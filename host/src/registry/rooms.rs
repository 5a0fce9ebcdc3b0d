//! The instances of one revision that serve several connections: rooms, found by their keys, and shared instances, found by
//! how few connections they have. Each is an actor, a task with a mailbox; its members hand their events over.

mod actor;
mod member;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use super::Revision;
use crate::guest::TrapKind;
use crate::ids::ConnectionId;
use actor::Actor;
use member::Post;

pub use member::{Joined, Lost, Member, Served};

/// The rooms and shared instances of one revision.
#[derive(Debug, Default)]
pub struct Rooms {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    rooms: HashMap<Arc<str>, Arc<Room>>,
    /// The revision has been replaced: a room without members is not kept.
    is_retired: bool,
}

/// One room or shared instance, as its members see it.
#[derive(Debug)]
struct Room {
    /// A shared instance's is its number.
    key: Arc<str>,
    post: mpsc::Sender<Post>,
    started: watch::Receiver<Started>,
    seats: Mutex<Seats>,
    /// The actor is to look at `seats`.
    told: Notify,
}

/// Who is in a room. Joining happens under the lock of `Live`, so that no room ends while somebody joins it.
#[derive(Debug, Default)]
struct Seats {
    taken: usize,
    /// Connections that have ended without the instance's knowledge.
    left: Vec<ConnectionId>,
    /// It is to be replaced, and gets no new members while there are others.
    is_worn: bool,
}

/// How far a room's instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Started {
    Starting,
    Running,
    Failed(StartFailure),
}

/// Why a room's instance did not start; it has been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartFailure {
    /// No instance is free.
    Exhausted,
    /// The guest trapped.
    Trapped(TrapKind),
}

/// Why a connection has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// `limits.rooms` is reached, and this would be one more.
    Rooms,
    /// `limits.members` is reached in this room.
    Members,
}

impl Rooms {
    /// A place in the room with this key; the first starts it.
    pub fn join(&self, revision: &Arc<Revision>, key: &Arc<str>) -> Result<Joined, JoinError> {
        let limits = &revision.manifest.limits;
        let mut live = self.lock();
        if let Some(room) = live.rooms.get(key) {
            return room.take_seat(limits.members).ok_or(JoinError::Members);
        }
        if live.rooms.len() >= limits.rooms {
            return Err(JoinError::Rooms);
        }
        Ok(live.start(revision, key.clone()))
    }

    /// A place in the shared instance with the fewest connections, which may be one more of them.
    pub fn spread(&self, revision: &Arc<Revision>, instances: u32) -> Joined {
        let mut live = self.lock();
        let least = live.rooms.values().min_by(|one, other| {
            let loads = one.load().cmp(&other.load());
            loads.then_with(|| one.key.cmp(&other.key))
        });
        let least = least.cloned();
        let is_good = |room: &Arc<Room>| room.load() == (false, 0);
        match least {
            Some(room) if is_good(&room) => room.sit_down(),
            Some(room) if live.rooms.len() >= instances as usize => room.sit_down(),
            _ => {
                let keys = (0..instances).map(|number| Arc::from(number.to_string()));
                let free = keys.into_iter().find(|key| !live.rooms.contains_key(key));
                live.start(revision, free.unwrap_or_else(|| "0".into()))
            }
        }
    }

    /// The revision has been replaced: rooms end with their last member.
    pub fn retire(&self) {
        let mut live = self.lock();
        live.is_retired = true;
        for room in live.rooms.values() {
            room.told.notify_one();
        }
    }

    /// Take out a room that has no members; whether it had none.
    fn end_empty(&self, room: &Arc<Room>) -> bool {
        let mut live = self.lock();
        let is_empty = room.lock().taken == 0;
        if is_empty {
            live.take_out(room);
        }
        is_empty
    }

    /// Take out a room whose instance is gone: the next who comes starts another.
    fn end(&self, room: &Arc<Room>) {
        self.lock().take_out(room);
    }

    fn is_retired(&self) -> bool {
        self.lock().is_retired
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn start(&mut self, revision: &Arc<Revision>, key: Arc<str>) -> Joined {
        let (post, mailbox) = mpsc::channel(revision.manifest.limits.mailbox);
        let (tell, started) = watch::channel(Started::Starting);
        let (seats, told) = (Mutex::default(), Notify::new());
        let room = Arc::new(Room { key: key.clone(), post, started, seats, told });
        self.rooms.insert(key, room.clone());
        let mut joined = room.sit_down();
        joined.is_first = true;
        tokio::spawn(Actor::run(revision.clone(), room, mailbox, tell));
        joined
    }

    fn take_out(&mut self, room: &Arc<Room>) {
        if self.rooms.get(&room.key).is_some_and(|known| Arc::ptr_eq(known, room)) {
            self.rooms.remove(&room.key);
        }
    }
}

impl Room {
    fn take_seat(self: &Arc<Self>, most: usize) -> Option<Joined> {
        let has_room = self.lock().taken < most;
        has_room.then(|| self.sit_down())
    }

    fn sit_down(self: &Arc<Self>) -> Joined {
        self.lock().taken += 1;
        Joined { room: self.clone(), is_first: false }
    }

    /// By this the instance for a new connection is chosen: those that are to be replaced come last.
    fn load(&self) -> (bool, usize) {
        let seats = self.lock();
        (seats.is_worn, seats.taken)
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
