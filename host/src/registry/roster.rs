//! The open connections of one revision: their count against the limit, and the way to tell them all to end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::ConnectionId;
use crate::outbound::{Outbound, Wish};

/// The open connections of one revision.
#[derive(Debug, Default)]
pub struct Roster {
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    /// Seats taken, of which some have not opened yet.
    seats: usize,
    open: BTreeMap<ConnectionId, Arc<Outbound>>,
    drain: Option<u16>,
}

/// A place among a revision's connections; dropping it gives the place back.
#[derive(Debug)]
pub struct Seat {
    roster: Arc<Roster>,
    connection: Option<ConnectionId>,
}

impl Roster {
    /// Take a seat; none when `limit` seats are taken.
    pub fn take(self: &Arc<Self>, limit: usize) -> Option<Seat> {
        let mut members = self.lock();
        if members.seats >= limit {
            return None;
        }
        members.seats += 1;
        Some(Seat { roster: self.clone(), connection: None })
    }

    /// Ask every connection, also those to come, to end with this close code.
    pub fn drain(&self, code: u16) {
        let mut members = self.lock();
        members.drain = Some(code);
        tell(&members, &Wish::Drain(code));
    }

    /// Drop the transports of all connections that are still open.
    pub fn abort(&self) {
        tell(&self.lock(), &Wish::Abort);
    }

    /// How many connections are open.
    pub fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether no connection is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(members: &Members, wish: &Wish) {
    for connection in members.open.values() {
        // A connection that is closed already needs no telling.
        let _ = connection.wish(wish.clone());
    }
}

impl Seat {
    /// The connection of this seat has opened.
    pub fn open(&mut self, connection: &Arc<Outbound>) {
        let mut members = self.roster.lock();
        members.open.insert(connection.id, connection.clone());
        if let Some(code) = members.drain {
            let _ = connection.wish(Wish::Drain(code));
        }
        self.connection = Some(connection.id);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut members = self.roster.lock();
        members.seats -= 1;
        if let Some(connection) = self.connection {
            members.open.remove(&connection);
        }
    }
}
